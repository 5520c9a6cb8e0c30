package write_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet/api/auth"
	"freshet/api/write"
)

// The attacks of ACIDRain (Warszawski and Bailis, SIGMOD 2017): a shop that reads, decides and writes at the isolation that
// its database has by default sells what it doesn't have, lets go what wasn't paid, and takes a voucher twice, when
// requests come at once. Here every attack is driven to the moment at which it works: all requests stand before the same
// lock, with what they have read.

// TestTheAttackWorks plays a shop that reads, decides and writes: it sells one unit twice. So the attacks below mean something.
func TestTheAttackWorks(t *testing.T) {
	s := newShop(t)
	s.exec(`create table voucher (left_over int); insert into voucher values (1)`)
	var read, wrote sync.WaitGroup
	read.Add(2)
	for range 2 {
		wrote.Go(func() {
			err := pgx.BeginFunc(context.Background(), s.pool, func(tx pgx.Tx) error {
				var left int
				err := tx.QueryRow(context.Background(), `select left_over from voucher`).Scan(&left)
				read.Done()
				read.Wait()
				if err != nil || left < 1 {
					return err
				}
				_, err = tx.Exec(context.Background(), `update voucher set left_over = left_over - 1`)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wrote.Wait()
	if left := s.number(`select left_over from voucher`); left != -1 {
		t.Errorf("%d are left: the isolation isn't the default one", left)
	}
	if n := s.number(`select count(*) from pg_settings where name = 'default_transaction_isolation' and setting = 'read committed'`); n != 1 {
		t.Error("the isolation isn't read committed")
	}
}

// TestAttackOnTheInventory: a dozen customers, each with two in the cart, come up to the last three.
func TestAttackOnTheInventory(t *testing.T) {
	s := newShop(t)
	s.exec(`insert into customers (id, email) select i, 'c' || i || '@example.org' from generate_series(100, 111) i`)
	for i := range 12 {
		s.cart("POST", "/api/v1/cart/1", twoBoots, s.as(auth.Customer, int64(100+i))...)
	}
	s.exec(`update inventory set on_hand = 3 where sku = 'A-1' and store_id = 1`)
	s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-1', 1, 'adjustment', -17, 'test')`)
	stop := s.watch()
	statuses := s.pile(`select 1 from inventory where sku = 'A-1' and store_id = 1 for update`, 12, func(i int) (reply, error) {
		return s.try("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), append(s.as(auth.Customer, int64(100+i)), "Idempotency-Key", "k")...)
	})
	stop()
	if statuses[201] != 1 || statuses[409] != 11 {
		t.Errorf("twelve who want two of three: %v", statuses)
	}
}

// TestAttackOnTheCart: things are put into the cart while it is bought, by many at once. Nothing goes that wasn't paid.
func TestAttackOnTheCart(t *testing.T) {
	s := newShop(t)
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	stop := s.watch()
	statuses := s.pile(`select 1 from carts for update`, 12, func(i int) (reply, error) {
		if i%2 == 0 {
			return s.try("POST", "/api/v1/cart/1", oneBoot, s.anna()...)
		}
		return s.try("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", fmt.Sprint(i))...)
	})
	s.work()
	stop()
	if orders := s.number(`select count(*) from orders`); orders > 1 || int64(statuses[201]) != orders {
		t.Errorf("%d orders: %v", orders, statuses)
	}
	if n := s.number(`select count(*) from orders o where total <> shipping_total +
		(select sum(quantity * unit_amount) from order_items l where l.order_id = o.id)`); n != 0 {
		t.Errorf("%d orders hold something else than was paid for", n)
	}
	if n := s.number(`select (select coalesce(sum(quantity), 0) from order_items)::bigint
		+ (select coalesce(sum(quantity), 0) from cart_items i join carts c on c.id = i.cart_id where c.state = 'open')::bigint`); n != 8 {
		t.Errorf("of eight boots %d are in the order and the cart", n)
	}
}

// TestAttackOnTheMoneyOfAnOrder spends what an order has cost, like a voucher, by cancelling all of it in every way at once.
func TestAttackOnTheMoneyOfAnOrder(t *testing.T) {
	s := newShop(t)
	o := s.buyBoth(s.anna())
	s.work()
	stop := s.watch()
	statuses := s.pile(`select 1 from orders for update`, 12, func(i int) (reply, error) {
		rest := []string{`,"line":1`, `,"line":2`, ``}[i%3]
		return s.try("POST", "/api/v1/cancel", cancelBody(o.ID, rest), s.anna()...)
	})
	s.work()
	stop()
	if p := s.provider(o.ID); p.Refunded != p.Amount || p.Amount != o.Total {
		t.Errorf("of %d the provider gave back %d: %v", o.Total, p.Refunded, statuses)
	}
	if n := s.number(`select count(*) from stock_movements where kind = 'return'`); n != 2 {
		t.Errorf("%d lines came back, want 2", n)
	}
}

// buyBoth checks out a cart with one of each of two SKUs.
func (s *shop) buyBoth(who []string) (o write.Order) {
	s.t.Helper()
	s.exec(`update inventory set on_hand = on_hand + 9 where sku = 'A-2' and store_id = 1`)
	s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-2', 1, 'receipt', 9, 'test')`)
	s.cart("POST", "/api/v1/cart/1", `{"store":"milano","sku":"A-2","quantity":1}`, who...)
	k := s.cart("POST", "/api/v1/cart/1", oneBoot, who...)
	key := fmt.Sprintf("both-%d", s.number(`select count(*) from orders`))
	s.want(s.request("POST", "/api/v1/checkout", body(k.Version, twoBootsTotal, "succeed"), append(who, "Idempotency-Key", key)...), 201).decode(s.t, &o)
	return o
}

// TestAttackOnTheSecondCard tries many cards at once for an order whose first was declined: one may be charged.
func TestAttackOnTheSecondCard(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "decline")
	s.work()
	stop := s.watch()
	statuses := s.pile(`select 1 from orders for update`, 8, func(i int) (reply, error) {
		return s.try("POST", fmt.Sprintf("/api/v1/orders/%d/payments", o.ID), `{"method":"succeed"}`, append(s.anna(), "Idempotency-Key", fmt.Sprint(i))...)
	})
	s.work()
	stop()
	if captured := s.number(`select count(*) from payments where state = 'captured'`); captured != 1 || statuses[201] != 1 || statuses[409] != 7 {
		t.Errorf("%d payments were captured: %v", captured, statuses)
	}
}

// TestAttackOnAGuestsCart: two customers claim what one guest has put together. One gets it.
func TestAttackOnAGuestsCart(t *testing.T) {
	s := newShop(t)
	guest := s.want(s.request("POST", "/api/v1/cart/1", twoBoots, anyone...), 200).header.Get("Freshet-Cart")
	statuses := s.pile(`select 1 from carts for update`, 8, func(i int) (reply, error) {
		who := [][]string{s.anna(), s.bruno()}[i%2]
		return s.try("POST", "/api/v1/cart/merge", "", append(who, "Freshet-Cart", guest)...)
	})
	if n := s.number(`select sum(quantity) from cart_items i join carts k on k.id = i.cart_id where k.state = 'open'`); n != 2 {
		t.Errorf("two boots became %d: %v", n, statuses)
	}
}

// TestAttackOnASession refreshes with the good token at the moment at which the session is ended, because an old token of it
// has come again: what is issued at that moment ends as well.
func TestAttackOnASession(t *testing.T) {
	s := newShop(t)
	s.want(s.request("POST", "/api/v1/accounts", carla+`}`, anyone...), 201)
	var stolen, good write.Session
	s.want(s.signIn("carla@example.org", "correct horse"), 200).decode(t, &stolen)
	s.want(s.request("POST", "/api/v1/sessions/refresh", refreshBody(stolen.Refresh), anyone...), 200).decode(t, &good)
	// The account's row holds up a refresh that has inserted its token, and an end that comes before it.
	tx := s.hold(`select 1 from accounts for update`)
	answers := make(chan reply, 2)
	for i, token := range slices.All([]string{good.Refresh, stolen.Refresh}) {
		go func() {
			r, err := s.try("POST", "/api/v1/sessions/refresh", refreshBody(token), anyone...)
			if err != nil {
				t.Error(err)
			}
			answers <- r
		}()
		s.awaitWaiting(i + 1)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	statuses := []int{(<-answers).status, (<-answers).status}
	if n := s.number(`select count(*) from sessions`); n != 0 {
		t.Errorf("%d tokens of an ended session are good: %v", n, statuses)
	}
}

package write_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"freshet/api/auth"
	"freshet/api/write"
	"freshet/api/write/payment"
)

func cancelBody(order int64, rest string) string {
	return fmt.Sprintf(`{"order":%d,"reason":"changed my mind"%s}`, order, rest)
}

func TestCancelBeforeTheMoneyCame(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "succeed")
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, ""), s.bruno()...), 404)
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, `,"line":1`), s.anna()...), 409)
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, `,"refund":"none"`), s.anna()...), 422)
	if r := s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, `,"line":9`), s.anna()...), 422); !slices.Equal(r.fields(t), []string{"line"}) {
		t.Errorf("a line that there isn't: %s", r.body)
	}
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, ""), s.anna()...), 200)
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, ""), s.anna()...), 409)
	s.work()
	if o := s.order(o.ID, s.anna()); o.Status != "cancelled" || o.Lines[0].Status != "cancelled" {
		t.Errorf("cancelled: %+v", o)
	}
	if p := s.provider(o.ID); p.Captured != 0 || p.State != payment.Voided {
		t.Errorf("the provider says %+v", p)
	}
	if n := s.number(`select on_hand * 100 + reserved from inventory where sku = 'A-1' and store_id = 1`); n != 2000 {
		t.Errorf("on hand and reserved are %d, want 20 and 0", n)
	}
	s.audit()
}

// TestCancelWhileTheMoneyIsTaken cancels between authorization and capture: whichever wins, nobody pays for nothing.
func TestCancelWhileTheMoneyIsTaken(t *testing.T) {
	s := newShop(t)
	// Nobody hears the answer, so the authorization is told by an event, and the capture lies there for anyone.
	o := s.buy(s.anna(), "k", "timeout")
	if found, err := s.shop.PayNext(t.Context()); !found || err != nil {
		t.Fatalf("authorize: %v %v", found, err)
	}
	s.sandbox.Deliver(t.Context(), time.Now())
	if o := s.order(o.ID, s.anna()); o.Payments[0].State != payment.Authorized || o.ExpiresAt != nil {
		t.Fatalf("authorized: %+v", o)
	}
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, ""), s.anna()...), 200)
	s.work()
	s.paidForNothing(o.ID)
}

// TestCancelWhileAWorkerTakesTheMoney cancels when the money is taken, and the worker hasn't said so yet.
func TestCancelWhileAWorkerTakesTheMoney(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "succeed")
	s.onTask = func(r *http.Request) bool {
		if r.URL.Path != "/capture" {
			return false
		}
		if r, err := s.try("POST", "/api/v1/cancel", cancelBody(o.ID, ""), s.anna()...); err != nil || r.status != 200 {
			t.Errorf("cancel: %v %s", err, r.body)
		}
		return false
	}
	s.work()
	if p := s.provider(o.ID); p.Captured != 1 {
		t.Errorf("the provider says %+v", p)
	}
	s.paidForNothing(o.ID)
}

// paidForNothing fails when the provider keeps money for a cancelled order.
func (s *shop) paidForNothing(order int64) {
	s.t.Helper()
	p := s.provider(order)
	if p.Captured == 1 && p.Refunded != p.Amount || p.Captured == 0 && p.State != payment.Voided {
		s.t.Errorf("the provider says of a cancelled order %+v", p)
	}
	s.audit()
}

func TestCancelOfWhatIsPaid(t *testing.T) {
	s := newShop(t)
	s.exec(`update inventory set on_hand = 9 where sku = 'A-2' and store_id = 1`)
	s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-2', 1, 'receipt', 9, 'test')`)
	s.cart("POST", "/api/v1/cart/1", `{"store":"milano","sku":"A-2","quantity":1}`, s.anna()...)
	k := s.cart("POST", "/api/v1/cart/1", oneBoot, s.anna()...)
	var o write.Order
	s.want(s.request("POST", "/api/v1/checkout", body(k.Version, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", "k")...), 201).decode(t, &o)
	s.work()
	keyed := append(s.anna(), "Idempotency-Key", "c")
	statuses := s.gather(6, func(int) (reply, error) {
		return s.try("POST", "/api/v1/cancel", cancelBody(o.ID, `,"line":2`), keyed...)
	})
	s.work()
	got := s.order(o.ID, s.anna())
	if n := s.number(`select count(*) from order_items where line = 2 and reason = 'changed my mind' and cancelled_at is not null`); n != 1 {
		t.Error("the line doesn't say why it was cancelled")
	}
	if statuses[200] != 6 || got.Status != "paid" || got.Lines[1].Status != "cancelled" || got.Lines[0].Status != "placed" || got.Payments[0].Refunded != 1500 {
		t.Errorf("one line cancelled: %v %+v", statuses, got)
	}
	s.audit()
	statuses = s.gather(6, func(int) (reply, error) {
		return s.try("POST", "/api/v1/cancel", cancelBody(o.ID, ""), s.as(auth.Support, 9)...)
	})
	s.work()
	got = s.order(o.ID, s.anna())
	if statuses[200] != 1 || got.Status != "cancelled" || got.Payments[0].Refunded != twoBootsTotal || got.Payments[0].State != payment.Refunded {
		t.Errorf("the rest cancelled by support: %v %+v", statuses, got)
	}
	if p := s.provider(o.ID); p.Refunded != twoBootsTotal || p.Captured != 1 {
		t.Errorf("the provider says %+v", p)
	}
	if n := s.number(`select count(*) from stock_movements r join stock_movements m on m.id = r.reverses
		where r.kind = 'return' and m.kind = 'sale' and r.quantity = -m.quantity and r.order_id = m.order_id`); n != 2 {
		t.Errorf("%d sales are reversed, want 2", n)
	}
	if n := s.number(`select count(*) from stock_movements where actor = 'support/9'`); n != 1 {
		t.Errorf("%d movements are support's", n)
	}
	s.audit()
}

// TestCancelOfAnOrderWithoutPayment is one that a system of the shop placed.
func TestCancelOfAnOrderWithoutPayment(t *testing.T) {
	s := newShop(t)
	var o write.Order
	s.want(s.request("POST", "/api/v1/orders", orderOne, "Idempotency-Key", "k"), 201).decode(t, &o)
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, ""), s.anna()...), 200)
	if n := s.number(`select on_hand from inventory where sku = 'A-1' and store_id = 1`); n != 20 {
		t.Errorf("%d on hand, want 20", n)
	}
	s.audit()
}

// TestTheDatabaseNotesWhen: support is to see when an order came to where it is and why, whoever's SQL brought it there.
func TestTheDatabaseNotesWhen(t *testing.T) {
	s := newShop(t)
	paid := s.buy(s.anna(), "k", "succeed")
	s.work()
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(paid.ID, ""), s.anna()...), 200)
	s.work()
	if n := s.number(`select count(*) from orders o join payments p on p.order_id = o.id join refunds r on r.order_id = o.id
		where o.placed_at < p.authorized_at and p.authorized_at < p.captured_at and p.captured_at < o.paid_at and o.paid_at < o.cancelled_at
		and o.cancelled_at < r.created_at and r.created_at < r.done_at and p.refunded_at > r.done_at and o.reason = 'changed my mind'
		and o.shipped_at is null and p.voided_at is null and r.failed_at is null`); n != 1 {
		t.Error("not every state has its time")
	}
	if n := s.number(`select count(*) from order_items i join orders o on o.id = i.order_id where i.cancelled_at is not null and i.reason is null`); n != 1 {
		t.Error("the line went with its order, and has no reason of its own")
	}
	open := s.buy(s.anna(), "l", "succeed")
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(open.ID, ""), s.anna()...), 200)
	if n := s.number(fmt.Sprintf(`select count(*) from orders where id = %d and reason = 'changed my mind' and cancelled_at > placed_at`, open.ID)); n != 1 {
		t.Error("an order that wasn't paid doesn't say when and why it was cancelled")
	}
	s.work()
	s.audit()
	// By hand: the first time stays, and what the statement says is believed.
	s.exec(fmt.Sprintf(`update orders set status = 'refunded', refunded_at = '2026-01-02' where id = %d`, paid.ID))
	s.exec(fmt.Sprintf(`update orders set status = 'cancelled' where id = %d`, paid.ID))
	if n := s.number(`select count(*) from orders o join refunds r on r.order_id = o.id where refunded_at = '2026-01-02' and cancelled_at < r.created_at`); n != 1 {
		t.Error("a time was written over")
	}
}

package write_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freshet/api/auth"
	"freshet/api/write"
	"freshet/api/write/payment"
)

// body is a checkout of the cart at a version, for a total, paid with a method.
func body(version, total int64, method string) string {
	return fmt.Sprintf(`{"store":"milano","version":%d,"total":%d,"shipping":"standard","method":%q,
		"address":{"name":"Anna","line1":"Via Roma 1","city":"Milano","postcode":"20121","country":"IT"}}`, version, total, method)
}

// Two boots at 15.00 and the shipping.
const twoBootsTotal = 2*1500 + 490

// buy fills the customer's cart with two boots and checks it out.
func (s *shop) buy(who []string, key, method string) write.Order {
	s.t.Helper()
	k := s.cart("POST", "/api/v1/cart/1", twoBoots, who...)
	var o write.Order
	s.want(s.request("POST", "/api/v1/checkout", body(k.Version, twoBootsTotal, method), append(who, "Idempotency-Key", key)...), 201).decode(s.t, &o)
	return o
}

func (s *shop) order(id int64, who []string) write.Order {
	s.t.Helper()
	var o write.Order
	s.want(s.request("GET", fmt.Sprintf("/api/v1/orders/%d", id), "", who...), 200).decode(s.t, &o)
	return o
}

// work does payment tasks and delivers events until there is nothing more to do, as Run does with time between.
func (s *shop) work() {
	s.t.Helper()
	for range 20 {
		did := 0
		for {
			found, err := s.shop.PayNext(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			if !found {
				break
			}
			did++
		}
		// All events are due an hour from now, the late ones too.
		did += s.sandbox.Deliver(s.t.Context(), time.Now().Add(2*time.Hour))
		due := s.number(`select count(*) from payment_tasks where state = 'due'`)
		s.exec(`update payment_tasks set due_at = now() where state = 'due'`)
		if did == 0 && due == 0 {
			return
		}
	}
	s.t.Fatal("the payment tasks come to no end")
}

// provider is what the sandbox knows of the order's only payment.
func (s *shop) provider(order int64) sandboxPayment {
	s.t.Helper()
	var reference string
	if err := s.pool.QueryRow(s.t.Context(), `select reference from payments where order_id = $1`, order).Scan(&reference); err != nil {
		s.t.Fatal(err)
	}
	p, _ := s.sandbox.Payment(reference)
	return p
}

func TestCheckout(t *testing.T) {
	s := newShop(t)
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	var q write.Quote
	s.want(s.request("POST", "/api/v1/checkout/quote", `{"store":"milano","country":"IT","shipping":"standard"}`, s.anna()...), 200).decode(t, &q)
	// 22 % of Italian tax are in 34.90: 34.90 - 34.90/1.22 is 6.29.
	if q.Items != 3000 || q.Shipping != 490 || q.Tax != 629 || q.Total != twoBootsTotal || q.Version != 1 {
		t.Errorf("the quote is %+v", q)
	}
	s.nowhere(q.Total)
	first := s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", "k")...), 201)
	var o write.Order
	first.decode(t, &o)
	if o.Status != "placed" || o.Total != twoBootsTotal || o.Tax != 629 || o.ExpiresAt == nil || o.ExpiresAt.Sub(o.PlacedAt) != 5*time.Minute ||
		len(o.Payments) != 1 || o.Payments[0].State != payment.Pending {
		t.Errorf("placed %+v", o)
	}
	if n := s.number(`select reserved from inventory where sku = 'A-1' and store_id = 1`); n != 2 {
		t.Errorf("%d are held, want 2", n)
	}
	again := s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", "k")...), 201)
	if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("sent again: %s", again.body)
	}
	s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal, "decline"), append(s.anna(), "Idempotency-Key", "k")...), 422)
	s.want(s.request("POST", "/api/v1/checkout", body(2, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", "k2")...), 409)
	s.want(s.request("GET", fmt.Sprintf("/api/v1/orders/%d", o.ID), "", s.bruno()...), 404)
	s.audit()
	s.work()
	o = s.order(o.ID, s.anna())
	if o.Status != "paid" || o.ExpiresAt != nil || o.Payments[0].State != payment.Captured {
		t.Errorf("paid: %+v", o)
	}
	if n := s.number(`select on_hand * 100 + reserved from inventory where sku = 'A-1' and store_id = 1`); n != 1800 {
		t.Errorf("on hand and reserved are %d, want 18 and 0", n)
	}
	s.audit()
}

// nowhere has Anna's cart sent where nothing is sent, and in a way that there isn't: the answers name the field as the body
// has it, and what there is.
func (s *shop) nowhere(total int64) {
	s.t.Helper()
	quote, order := `{"store":"milano","country":"IT","shipping":"standard"}`, body(1, total, "succeed")
	for _, tt := range []struct{ path, body, field, names string }{
		{"/api/v1/checkout/quote", strings.Replace(quote, "IT", "ZZ", 1), "country", "DE, ES, FR, GB or IT"},
		{"/api/v1/checkout", strings.Replace(order, `"IT"`, `"ZZ"`, 1), "address.country", "DE, ES, FR, GB or IT"},
		{"/api/v1/checkout/quote", strings.Replace(quote, "standard", "drone", 1), "shipping", "express or standard"},
		{"/api/v1/checkout", strings.Replace(order, "standard", "drone", 1), "shipping", "express or standard"},
	} {
		r := s.want(s.request("POST", tt.path, tt.body, append(s.anna(), "Idempotency-Key", "nowhere")...), 422)
		if got := r.fields(s.t); !slices.Equal(got, []string{tt.field}) || !strings.Contains(string(r.body), tt.names) {
			s.t.Errorf("%s of %s: %s", tt.path, tt.body, r.body)
		}
	}
}

// TestCheckoutWantsWhatTheCustomerSaw changes the price between cart and checkout.
func TestCheckoutWantsWhatTheCustomerSaw(t *testing.T) {
	s := newShop(t)
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	s.exec(`update prices set amount = 1600 where sku = 'A-1'`)
	before := s.state()
	header := append(s.anna(), "Idempotency-Key", "k")
	s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), header...), 409)
	s.want(s.request("POST", "/api/v1/checkout", body(7, twoBootsTotal+200, "succeed"), header...), 409)
	if after := s.state(); after != before {
		t.Errorf("a refused checkout changed something:\n%s\n%s", before, after)
	}
	s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal+200, "succeed"), header...), 201)
	s.want(s.request("POST", "/api/v1/checkout", body(1, 100, "succeed"), s.anna()...), 400)
}

// TestHowAPaymentCanGo has the provider do everything that a provider does.
func TestHowAPaymentCanGo(t *testing.T) {
	for method, want := range map[string]struct {
		status string
		state  payment.State
	}{
		"succeed":            {"paid", payment.Captured},
		"succeed+twice":      {"paid", payment.Captured},
		"timeout":            {"paid", payment.Captured},
		"timeout+twice":      {"paid", payment.Captured},
		"late":               {"paid", payment.Captured},
		"late+twice+timeout": {"paid", payment.Captured},
		"decline":            {"placed", payment.Failed},
		"decline+late+twice": {"placed", payment.Failed},
		"declien":            {"placed", payment.Failed},
		"succeed+banana":     {"placed", payment.Failed},
	} {
		t.Run(method, func(t *testing.T) {
			s := newShop(t)
			o := s.buy(s.anna(), "k", method)
			s.work()
			o = s.order(o.ID, s.anna())
			if o.Status != want.status || o.Payments[0].State != want.state {
				t.Errorf("the order is %s and its payment %s, want %+v", o.Status, o.Payments[0].State, want)
			}
			p := s.provider(o.ID)
			if p.State != want.state || p.Captured > 1 || p.Authorized > 1 || p.Captured == 1 != (want.status == "paid") {
				t.Errorf("the provider says %+v", p)
			}
			s.audit()
		})
	}
}

func TestAnotherMethodAfterADecline(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "decline")
	path := fmt.Sprintf("/api/v1/orders/%d/payments", o.ID)
	pay := func(who []string, key string) (reply, error) {
		return s.try("POST", path, `{"method":"succeed"}`, append(who, "Idempotency-Key", key)...)
	}
	if r, err := pay(s.anna(), "early"); err != nil || r.status != 409 {
		t.Errorf("a second payment beside a living one: %v %s", err, r.body)
	}
	s.work()
	if r, err := pay(s.bruno(), "k"); err != nil || r.status != 404 {
		t.Errorf("another customer's order: %v %s", err, r.body)
	}
	statuses := s.gather(10, func(i int) (reply, error) { return pay(s.anna(), fmt.Sprint("k", i)) })
	if statuses[201] != 1 || statuses[409] != 9 {
		t.Errorf("ten tries at once: %v, want one payment", statuses)
	}
	s.work()
	if o := s.order(o.ID, s.anna()); o.Status != "paid" || len(o.Payments) != 2 || o.Payments[1].State != payment.Captured {
		t.Errorf("after the second card: %+v", o)
	}
	s.audit()
}

// TestExpiryGivesTheStockBack: who buys next takes what an expired hold held, before anything has swept it; then the sweeper
// ends the order, and the payment that comes after all is voided.
func TestExpiryGivesTheStockBack(t *testing.T) {
	s := newShop(t)
	s.exec(`update inventory set on_hand = 2 where sku = 'A-1' and store_id = 1`)
	s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-1', 1, 'adjustment', -18, 'test')`)
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.bruno()...)
	o := s.buy(s.anna(), "k", "succeed")
	late := body(1, twoBootsTotal, "succeed")
	s.want(s.request("POST", "/api/v1/checkout", late, append(s.bruno(), "Idempotency-Key", "k")...), 409)
	s.exec(`update orders set expires_at = now() - interval '1 second'`)
	s.exec(`update reservations set expires_at = now() - interval '1 second'`)
	s.want(s.request("POST", "/api/v1/checkout", late, append(s.bruno(), "Idempotency-Key", "k")...), 201)
	s.sweep()
	if o := s.order(o.ID, s.anna()); o.Status != "expired" || o.Lines[0].Status != "cancelled" {
		t.Errorf("the order that ran out: %+v", o)
	}
	s.work()
	if p := s.provider(o.ID); p.State != payment.Voided || p.Captured != 0 {
		t.Errorf("the provider says of an expired order %+v", p)
	}
	s.audit()
}

func (s *shop) sweep() {
	s.t.Helper()
	for {
		found, err := s.shop.ExpireOrders(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if !found {
			return
		}
	}
}

// TestMoneyForAnExpiredOrderGoesBack: the provider captured although the order was gone by then.
func TestMoneyForAnExpiredOrderGoesBack(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "succeed")
	s.exec(`update orders set expires_at = now() - interval '1 second'`)
	s.exec(`update reservations set expires_at = now() - interval '1 second'`)
	s.sweep()
	reference := s.reference(o.ID)
	s.tell(payment.Event{ID: "evt_1", State: payment.Captured, Reference: reference, Amount: twoBootsTotal, Currency: "EUR"}, 200)
	if n := s.number(`select count(*) from refunds where amount = $1`, twoBootsTotal); n != 1 {
		t.Fatalf("%d refunds of the whole", n)
	}
	if o := s.order(o.ID, s.anna()); o.Status != "expired" || o.Payments[0].State != payment.Captured {
		t.Errorf("the order is %+v", o)
	}
	s.audit()
}

func (s *shop) reference(order int64) (reference string) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), `select reference from payments where order_id = $1 order by id`, order).Scan(&reference); err != nil {
		s.t.Fatal(err)
	}
	return reference
}

func TestExtendedOnce(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "late")
	path := fmt.Sprintf("/api/v1/orders/%d/extend", o.ID)
	s.want(s.request("POST", path, "", s.bruno()...), 404)
	statuses := s.gather(5, func(int) (reply, error) { return s.try("POST", path, "", s.anna()...) })
	if statuses[200] != 1 || statuses[409] != 4 {
		t.Errorf("five at once: %v", statuses)
	}
	longer := s.order(o.ID, s.anna())
	if longer.ExpiresAt.Sub(*o.ExpiresAt) != 5*time.Minute {
		t.Errorf("from %s to %s", o.ExpiresAt, longer.ExpiresAt)
	}
	if n := s.number(`select count(*) from reservations r join orders o on o.id = r.order_id where r.expires_at <> o.expires_at`); n != 0 {
		t.Errorf("%d holds end at another time", n)
	}
	other := s.buy(s.bruno(), "k", "late")
	s.exec(`update orders set expires_at = now() - interval '1 second' where id = $1`, other.ID)
	s.want(s.request("POST", fmt.Sprintf("/api/v1/orders/%d/extend", other.ID), "", s.bruno()...), 409)
}

// TestNobodyHoardsStock: orders that wait for their money are few.
func TestNobodyHoardsStock(t *testing.T) {
	s := newShop(t)
	for i := range 5 {
		s.buy(s.anna(), fmt.Sprint("k", i), "late")
	}
	k := s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	s.want(s.request("POST", "/api/v1/checkout", body(k.Version, twoBootsTotal, "late"), append(s.anna(), "Idempotency-Key", "k6")...), 409)
}

// TestOneCartIsBoughtOnce is the attack on carts of the ACIDRain paper: the cart changes, and is bought, while it is bought.
func TestOneCartIsBoughtOnce(t *testing.T) {
	s := newShop(t)
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	statuses := s.gather(20, func(i int) (reply, error) {
		if i%2 == 0 {
			return s.try("POST", "/api/v1/cart/1", oneBoot, append(s.anna(), "X-Request-Id", "add")...)
		}
		return s.try("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", fmt.Sprint("k", i))...)
	})
	orders := s.number(`select count(*) from orders`)
	if orders > 1 || int64(statuses[201]) != orders {
		t.Errorf("%d orders, %v", orders, statuses)
	}
	// What was put in is either in the order that was paid for, or still in a cart.
	ordered := s.number(`select coalesce(sum(quantity), 0)::bigint from order_items`)
	inCart := s.number(`select coalesce(sum(quantity), 0)::bigint from cart_items i join carts c on c.id = i.cart_id where c.state = 'open'`)
	if ordered+inCart != 12 || ordered != 2*orders {
		t.Errorf("of twelve boots %d were ordered and %d are in the cart", ordered, inCart)
	}
	s.audit()
}

// leaseEnds lets another worker take what a dead one had in hands: the order is paid, and the provider did each step once.
func (s *shop) leaseEnds(order int64) {
	s.t.Helper()
	s.exec(`update payment_tasks set due_at = now() where state = 'due'`)
	s.work()
	if o := s.order(order, s.anna()); o.Status != "paid" {
		s.t.Errorf("the order is %+v", o)
	}
	if p := s.provider(order); p.Authorized != 1 || p.Captured != 1 {
		s.t.Errorf("the provider says %+v", p)
	}
	s.audit()
}

// TestKilledAtWork lets a worker die with the task in its hands: another asks again, and nothing is done twice.
func TestKilledAtWork(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "succeed")
	dying, die := context.WithCancel(t.Context())
	s.onTask = func(*http.Request) bool { die(); return true } // the provider does it; nobody hears of it
	if _, err := s.shop.PayNext(dying); err == nil {
		t.Fatal("the worker lived")
	}
	s.onTask = nil
	if found, err := s.shop.PayNext(t.Context()); found || err != nil {
		t.Errorf("the task of a worker that may still be at it was taken: %v %v", found, err)
	}
	s.leaseEnds(o.ID)
}

// TestKilledBetweenTheTasks lets a worker die that holds the capture of what it has got authorized: the task is there, is
// that worker's for the time of the lease, and then another's.
func TestKilledBetweenTheTasks(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "succeed")
	dying, die := context.WithCancel(t.Context())
	s.onTask = func(r *http.Request) bool {
		if r.URL.Path != "/capture" {
			return false
		}
		die()
		return true
	}
	if _, err := s.shop.PayNext(dying); err == nil {
		t.Fatal("the worker lived")
	}
	s.onTask = nil
	if o := s.order(o.ID, s.anna()); o.Payments[0].State != payment.Authorized || o.ExpiresAt != nil {
		t.Errorf("between the tasks the order is %+v", o)
	}
	if found, err := s.shop.PayNext(t.Context()); found || err != nil {
		t.Errorf("the task of a worker that may still be at it was taken: %v %v", found, err)
	}
	if n := s.number(`select count(*) from payment_tasks where kind = 'capture' and state = 'due' and fence = 1
		and due_at between now() and now() + interval '30 seconds'`); n != 1 {
		t.Errorf("%d captures lie with the dead worker, want 1", n)
	}
	s.leaseEnds(o.ID)
}

// customersBuy has so many customers come and buy a boot each.
func (s *shop) customersBuy(buyers int64) {
	s.t.Helper()
	s.exec(`insert into customers (id, email) select i, 'c' || i || '@example.org' from generate_series(100, $1) i`, 99+buyers)
	for i := range buyers {
		who := s.as(auth.Customer, 100+i)
		k := s.cart("POST", "/api/v1/cart/1", oneBoot, who...)
		s.want(s.request("POST", "/api/v1/checkout", body(k.Version, 1500+490, "succeed"), append(who, "Idempotency-Key", "k")...), 201)
	}
}

// untilPaid waits until so many orders are.
func (s *shop) untilPaid(orders int64) {
	s.t.Helper()
	paid := func() int64 { return s.number(`select count(*) from orders where status = 'paid'`) }
	deadline := time.Now().Add(2 * time.Minute)
	for ; paid() < orders; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("after two minutes %d of %d orders are paid", paid(), orders)
		}
	}
}

// TestAPurchaseHasItsPayer: where payers are free a purchase's task is a payer's from the start, and where none is it is anyone's.
// It is done once either way.
func TestAPurchaseHasItsPayer(t *testing.T) {
	const buyers = 80 // more than there are payers
	s := newShop(t)
	s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) select store_id, sku, product_id, 'receipt', 100, 'test' from inventory`)
	s.exec(`update inventory set on_hand = on_hand + 100`)
	answer := make(chan struct{})
	s.onTask = func(r *http.Request) bool {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		return false
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.shop.Run(ctx) }()
	s.customersBuy(buyers)
	kept := s.number(`select count(*) from payment_tasks where kind = 'authorize' and due_at = created_at + interval '30 seconds'`)
	if kept == 0 || kept == buyers {
		t.Errorf("of %d purchases %d had a payer from the start, of 64", buyers, kept)
	}
	close(answer)
	s.untilPaid(buyers)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := s.number(`select count(*) from payment_tasks where fence <> 1`); n != 0 {
		t.Errorf("%d tasks were taken by more than one payer, or by none", n)
	}
	s.audit()
}

// TestASlowProviderKeepsNobodyWaiting has the provider answer nobody before it was asked for all of a dozen payments, which is
// more than there are connections.
func TestASlowProviderKeepsNobodyWaiting(t *testing.T) {
	const buyers = 12
	s := newShop(t)
	var asked atomic.Int64
	all := make(chan struct{})
	s.onTask = func(r *http.Request) bool {
		if r.URL.Path == "/authorize" && asked.Add(1) == buyers {
			close(all)
		}
		select {
		case <-all:
		case <-r.Context().Done():
		}
		return false
	}
	s.customersBuy(buyers)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.shop.Run(ctx) }()
	s.untilPaid(buyers)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := s.number(`select count(*) from payment_tasks where fence > 1`); n != 0 {
		t.Errorf("%d tasks were done twice", n)
	}
	s.audit()
}

// TestRunPaysAndExpires runs what runs beside the requests, and waits for what it does.
func TestRunPaysAndExpires(t *testing.T) {
	s := newShop(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.shop.Run(ctx) }()
	paid := s.buy(s.anna(), "k", "succeed")
	over := s.buy(s.bruno(), "k", "decline")
	s.exec(`update orders set expires_at = now() where id = $1`, over.ID)
	s.exec(`update reservations set expires_at = now() where order_id = $1`, over.ID)
	deadline := time.Now().Add(2 * time.Minute)
	for ; s.order(paid.ID, s.anna()).Status != "paid" || s.order(over.ID, s.bruno()).Status != "expired"; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after two minutes: %+v, %+v", s.order(paid.ID, s.anna()), s.order(over.ID, s.bruno()))
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.audit()
}

package write_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freshet/api/auth"
	"freshet/api/write"
)

// paid is an order of anna's that is paid: two boots, or what the cart had.
func (s *shop) paid(key string) write.Order {
	s.t.Helper()
	o := s.buy(s.anna(), key, "succeed")
	s.work()
	s.backdate(o.ID)
	return s.order(o.ID, s.anna())
}

// backdate has the order placed before what the tests' carriers tell of it.
func (s *shop) backdate(order int64) {
	s.t.Helper()
	s.exec(`update orders set placed_at = '2026-02-01T00:00:00Z' where id = $1`, order)
}

func (s *shop) ship(order int64, rest string) write.Shipment {
	s.t.Helper()
	var p write.Shipment
	s.want(s.request("POST", fmt.Sprintf("/api/v1/orders/%d/shipments", order), `{"carrier":"rapido"`+rest+`}`), 201).decode(s.t, &p)
	return p
}

func (s *shop) scan(parcel int64, body string) write.CarrierNoted {
	s.t.Helper()
	var n write.CarrierNoted
	s.want(s.request("POST", fmt.Sprintf("/api/v1/shipments/%d/events", parcel), body), 200).decode(s.t, &n)
	return n
}

func scanned(status string, hour int, rest string) string {
	return fmt.Sprintf(`{"status":%q,"place":"Lodi","at":"2026-03-01T%02d:00:00Z"%s}`, status, hour, rest)
}

func (s *shop) sendBack(line int, quantity int64, order int64) write.Return {
	s.t.Helper()
	var v write.Return
	s.want(s.request("POST", fmt.Sprintf("/api/v1/orders/%d/returns", order),
		fmt.Sprintf(`{"line":%d,"quantity":%d,"reason":"too small"}`, line, quantity), s.anna()...), 201).decode(s.t, &v)
	return v
}

// step takes a step of a return as support.
func (s *shop) step(id int64, name, body string) reply {
	s.t.Helper()
	return s.request("POST", fmt.Sprintf("/api/v1/returns/%d/%s", id, name), body, s.as(auth.Support, 9)...)
}

func TestShipmentFollowsTheOrder(t *testing.T) {
	s := newShop(t)
	unpaid := s.buy(s.bruno(), "u", "late")
	s.want(s.request("POST", fmt.Sprintf("/api/v1/orders/%d/shipments", unpaid.ID), `{"carrier":"rapido"}`), 409)
	o := s.twoLines()
	path := fmt.Sprintf("/api/v1/orders/%d/shipments", o.ID)
	before := s.state()
	s.want(s.request("POST", path, `{"carrier":"rapido","lines":[1,3]}`), 409)
	s.want(s.request("POST", path, `{"carrier":"rapido","lines":[1,1]}`), 422)
	s.want(s.request("POST", "/api/v1/orders/424242/shipments", `{"carrier":"rapido"}`), 404)
	if s.state() != before {
		t.Error("a shipment that was refused changed something")
	}
	statuses := s.gather(6, func(int) (reply, error) {
		return s.try("POST", path, `{"carrier":"rapido","lines":[1],"tracking":"T1"}`)
	})
	if got := s.order(o.ID, s.anna()); statuses[201] != 1 || got.Status != "paid" || len(got.Shipments) != 1 || got.Lines[0].Status != "shipped" || got.Lines[1].Status != "placed" {
		t.Fatalf("one line sent: %v %+v", statuses, got)
	}
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, `,"line":1`), s.anna()...), 409)
	rest := s.ship(o.ID, `,"eta":"2026-03-04T18:00:00Z"`)
	if got := s.order(o.ID, s.anna()); got.Status != "shipped" || len(got.Shipments) != 2 {
		t.Fatalf("all sent: %+v", got)
	}
	first := s.order(o.ID, s.anna()).Shipments[0].ID
	s.scan(first, scanned("delivered", 9, ""))
	if n := s.scan(rest.ID, scanned("customs", 8, "")); n.Status != "in_transit" || n.ETA == nil || s.order(o.ID, s.anna()).Status != "shipped" {
		t.Errorf("in customs: %+v", n)
	}
	s.scan(rest.ID, scanned("delivered", 10, ""))
	if got := s.order(o.ID, s.anna()); got.Status != "delivered" {
		t.Errorf("delivered: %+v", got)
	}
	s.audit()
}

// twoLines is a paid order of one A-1 and one A-2.
func (s *shop) twoLines() write.Order {
	s.t.Helper()
	s.exec(`update inventory set on_hand = 9 where sku = 'A-2' and store_id = 1`)
	s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-2', 1, 'receipt', 9, 'test')`)
	s.cart("POST", "/api/v1/cart/1", `{"store":"milano","sku":"A-2","quantity":1}`, s.anna()...)
	k := s.cart("POST", "/api/v1/cart/1", oneBoot, s.anna()...)
	var o write.Order
	s.want(s.request("POST", "/api/v1/checkout", body(k.Version, twoBootsTotal, "succeed"), append(s.anna(), "Idempotency-Key", "two")...), 201).decode(s.t, &o)
	s.work()
	s.backdate(o.ID)
	return s.order(o.ID, s.anna())
}

// TestCancelOfTheRestLeavesTheOrderShipped cancels the line that was not sent.
func TestCancelOfTheRestLeavesTheOrderShipped(t *testing.T) {
	s := newShop(t)
	o := s.twoLines()
	s.ship(o.ID, `,"lines":[1]`)
	s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, ""), s.anna()...), 200)
	s.work()
	if got := s.order(o.ID, s.anna()); got.Status != "shipped" || got.Payments[0].Refunded != 1500 {
		t.Errorf("the rest cancelled: %+v", got)
	}
	s.audit()
}

// TestCarrierEventsInAnyOrder tells a parcel's events in a random order, some of them twice: what is known in the end is the same.
func TestCarrierEventsInAnyOrder(t *testing.T) {
	s := newShop(t)
	o := s.paid("k")
	events := []string{
		scanned("in_transit", 8, `,"eta":"2026-03-03T12:00:00Z"`), scanned("delay", 9, `,"eta":"2026-03-05T12:00:00Z"`),
		scanned("lost", 10, ""), scanned("found", 11, `,"eta":"2026-03-06T12:00:00Z"`), scanned("delivered", 12, ""),
	}
	s.exec(`update order_items set status = 'shipped' where order_id = $1`, o.ID)
	rapid.Check(t, func(rt *rapid.T) {
		var parcel int64
		if err := s.pool.QueryRow(t.Context(), `insert into shipments (order_id, carrier) values ($1, 'rapido') returning id`, o.ID).Scan(&parcel); err != nil {
			rt.Fatal(err)
		}
		told := rapid.SampledFrom(events)
		all := rapid.Permutation(append(slices.Clone(events), rapid.SliceOfN(told, 0, 3).Draw(rt, "again")...)).Draw(rt, "order")
		counted := 0
		var last write.CarrierNoted
		for _, e := range all {
			if last = s.scan(parcel, e); last.Counted {
				counted++
			}
		}
		if counted != len(events) || last.Status != "delivered" || !last.ETA.Equal(time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)) {
			rt.Fatalf("%d counted, %+v", counted, last)
		}
	})
}

// TestCarriersTellWhatHasHappened: an event is as late as it likes, but not of times to come, nor from before the order.
func TestCarriersTellWhatHasHappened(t *testing.T) {
	s := newShop(t)
	p := s.ship(s.paid("k").ID, "")
	path, before := fmt.Sprintf("/api/v1/shipments/%d/events", p.ID), s.state()
	event := func(status string, at time.Time) string {
		return fmt.Sprintf(`{"status":%q,"at":%q,"eta":"2036-01-01T00:00:00Z"}`, status, at.Format(time.RFC3339))
	}
	placed := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{time.Now().AddDate(10, 0, 0), time.Now().Add(30 * time.Minute), placed.Add(-30 * time.Minute), placed.AddDate(-1, 0, 0)} {
		if r := s.want(s.request("POST", path, event("delivered", at)), 422); !slices.Equal(r.fields(t), []string{"at"}) {
			t.Errorf("an event of %s: the answer names %v", at, r.fields(t))
		}
	}
	if s.state() != before {
		t.Error("an event that can't be changed something")
	}
	for status, at := range map[string]time.Time{"delay": time.Now().Add(5 * time.Minute), "picked_up": placed.Add(-5 * time.Minute)} {
		if n := s.scan(p.ID, event(status, at)); !n.Counted || n.Status != "in_transit" {
			t.Errorf("an event of %s: %+v", at, n)
		}
	}
}

// TestReturnFromRequestToRefund sends two boots back one by one: the first is sold again, the second is broken.
func TestReturnFromRequestToRefund(t *testing.T) {
	s := newShop(t)
	o := s.paid("k")
	ask := fmt.Sprintf("/api/v1/orders/%d/returns", o.ID)
	s.want(s.request("POST", ask, `{"line":1,"quantity":1,"reason":"too small"}`, s.anna()...), 409)
	s.ship(o.ID, "")
	s.want(s.request("POST", ask, `{"line":2,"quantity":1,"reason":"too small"}`, s.anna()...), 422)
	s.want(s.request("POST", ask, `{"line":1,"quantity":3,"reason":"too small"}`, s.anna()...), 409)
	refused := s.sendBack(1, 2, o.ID)
	s.want(s.step(refused.ID, "reject", `{}`), 422)
	s.want(s.step(refused.ID, "reject", `{"note":"worn"}`), 200)
	statuses := s.gather(6, func(int) (reply, error) {
		return s.try("POST", ask, `{"line":1,"quantity":1,"reason":"too small"}`, s.anna()...)
	})
	if statuses[201] != 2 || statuses[409] != 4 {
		t.Fatalf("two boots were asked back %v", statuses)
	}
	first, second := refused.ID+1, s.number(`select max(id) from returns`)
	for _, early := range []string{"receive", "refund"} {
		s.want(s.step(first, early, map[string]string{"receive": `{"restock":true}`, "refund": `{}`}[early]), 409)
	}
	for _, id := range []int64{first, second} {
		s.want(s.step(id, "approve", `{}`), 200)
	}
	received := s.gather(6, func(int) (reply, error) {
		return s.try("POST", fmt.Sprintf("/api/v1/returns/%d/receive", first), `{"restock":true}`, s.as(auth.Support, 9)...)
	})
	s.want(s.step(second, "receive", `{"restock":false,"note":"the sole is off"}`), 200)
	if n := s.number(`select on_hand from inventory where sku = 'A-1' and store_id = 1`); n != 19 || received[200] != 1 {
		t.Errorf("%d on hand, want 19; received %v", n, received)
	}
	if n := s.number(`select count(*) from stock_movements r join stock_movements m on m.id = r.reverses where r.kind = 'return' and m.kind = 'sale'
		and r.quantity = 1 and m.quantity = -2 and r.order_id = m.order_id and r.actor = 'support/9' and r.reason = 'too small'`); n != 1 {
		t.Errorf("%d movements reverse the sale, want 1", n)
	}
	s.refundBoth(o.ID, first, second)
}

// refundBoth gives the money of the two returns back, each asked for several times at once.
func (s *shop) refundBoth(order, first, second int64) {
	s.t.Helper()
	for _, id := range []int64{first, second} {
		asked := s.gather(4, func(int) (reply, error) {
			return s.try("POST", fmt.Sprintf("/api/v1/returns/%d/refund", id), `{}`, s.as(auth.Support, 9)...)
		})
		if asked[200] != 1 || asked[409] != 3 {
			s.t.Errorf("the refund of return %d: %v", id, asked)
		}
		s.work()
	}
	got := s.order(order, s.anna())
	if got.Status != "refunded" || got.Lines[0].Status != "returned" || got.Payments[0].Refunded != twoBootsTotal || got.Returns[1].State != "refunded" || got.Returns[2].State != "refunded" {
		s.t.Errorf("all refunded: %+v", got)
	}
	if p := s.provider(order); p.Refunded != twoBootsTotal {
		s.t.Errorf("the provider gave %d back, want the shipping too: %d", p.Refunded, twoBootsTotal)
	}
	if n := s.number(`select amount from refunds where return_id = $1`, first); n != 1500 {
		s.t.Errorf("the first boot gave %d back, want its price", n)
	}
	s.audit()
}

// TestReturnOfALineWhoseRefundIsLess has support keep something for the wear.
func TestReturnWhoseRefundIsLess(t *testing.T) {
	s := newShop(t)
	o := s.paid("k")
	s.ship(o.ID, "")
	v := s.sendBack(1, 2, o.ID)
	s.want(s.step(v.ID, "approve", `{}`), 200)
	s.want(s.step(v.ID, "receive", `{"restock":true}`), 200)
	s.want(s.step(v.ID, "refund", `{"amount":999999}`), 409)
	s.want(s.step(v.ID, "refund", `{"amount":2000,"note":"worn"}`), 200)
	s.work()
	if got := s.order(o.ID, s.anna()); got.Status != "shipped" || got.Returns[0].State != "refunded" || *got.Returns[0].Note != "worn" || got.Payments[0].Refunded != 2000 {
		t.Errorf("refunded in part: %+v", got)
	}
	s.audit()
}

// TestReturnTooLate asks long after the delivery: support may still.
func TestReturnTooLate(t *testing.T) {
	s := newShop(t)
	o := s.paid("k")
	p := s.ship(o.ID, "")
	s.scan(p.ID, scanned("delivered", 9, ""))
	ask := fmt.Sprintf("/api/v1/orders/%d/returns", o.ID)
	s.want(s.request("POST", ask, `{"line":1,"quantity":1,"reason":"too small"}`, s.anna()...), 409)
	s.want(s.request("POST", ask, `{"line":1,"quantity":1,"reason":"goodwill"}`, s.as(auth.Support, 9)...), 201)
}

package write_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"freshet/api/write"
	"freshet/api/write/payment"
)

const events = "/api/v1/payments/sandbox/events"

// tell sends an event as the provider does.
func (s *shop) tell(e payment.Event, status int) reply {
	s.t.Helper()
	r, err := s.send(e)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.want(r, status)
}

// send is tell for goroutines.
func (s *shop) send(e payment.Event) (reply, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return reply{}, err
	}
	return s.try("POST", events, string(body), append(slices.Clone(anyone), payment.HeaderSignature, payment.Sign(secret, body))...)
}

func TestEventsThatAreNotBelieved(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "late")
	good := payment.Event{ID: "evt_1", State: payment.Captured, Reference: s.reference(o.ID), Amount: twoBootsTotal, Currency: "EUR"}
	body, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, signature := range map[string]string{
		"none": "", "another's": payment.Sign("another-secret-than-ours", body), "of another body": payment.Sign(secret, body[1:]),
		"cut": payment.Sign(secret, body)[:40],
	} {
		if r := s.request("POST", events, string(body), append(anyone, payment.HeaderSignature, signature)...); r.status != 401 {
			t.Errorf("signature %s: %d %s", name, r.status, r.body)
		}
	}
	s.want(s.request("POST", strings.Replace(events, "sandbox", "other", 1), string(body), append(anyone, payment.HeaderSignature, payment.Sign(secret, body))...), 404)
	change := func(f func(*payment.Event)) payment.Event {
		e := good
		f(&e)
		return e
	}
	s.tell(change(func(e *payment.Event) { e.ID, e.Amount = "evt_2", 1 }), 422)
	s.tell(change(func(e *payment.Event) { e.ID, e.Currency = "evt_3", "USD" }), 422)
	s.tell(change(func(e *payment.Event) { e.ID, e.State, e.Key = "evt_4", payment.Refunded, "task_1" }), 422)
	s.tell(change(func(e *payment.Event) { e.ID, e.Reference = "evt_5", "pay_of_nobody" }), 404)
	s.tell(change(func(e *payment.Event) { e.ID, e.State = "evt_6", payment.Pending }), 422)
	if o := s.order(o.ID, s.anna()); o.Status != "placed" || o.Payments[0].State != payment.Pending {
		t.Errorf("believed: %+v", o)
	}
	if n := s.number(`select count(*) from payment_events where refused is not null`); n != 3 {
		t.Errorf("%d refused events are on record, want 3", n)
	}
	s.audit()
}

// TestWebhookStorm tells the events of a payment in every order, with repetitions: the end is always the same.
func TestWebhookStorm(t *testing.T) {
	s := newShop(t)
	rng := rand.New(rand.NewPCG(11, 11))
	s.exec(`update inventory set on_hand = 2000 where sku = 'A-1' and store_id = 1`)
	s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-1', 1, 'receipt', 1980, 'test')`)
	states := []payment.State{payment.Authorized, payment.Captured, payment.Voided, payment.Failed}
	for n, order := range permutations(len(states)) {
		s.exec(`delete from idempotency_keys`)
		o := s.buy(s.anna(), "k", "late")
		for range 3 {
			order = append(order, rng.IntN(len(states)))
		}
		reference := s.reference(o.ID)
		counted := 0
		for _, i := range order {
			var noted write.PaymentNoted
			s.tell(payment.Event{
				ID: reference + string(states[i]), State: states[i], Reference: reference, Amount: twoBootsTotal, Currency: "EUR",
			}, 200).decode(t, &noted)
			if noted.Counted {
				counted++
			}
		}
		o = s.order(o.ID, s.anna())
		// Money that was taken is a fact: the order is paid, whatever else was told, unless it was gone when that came; then
		// the money goes back.
		refunds := s.number(`select count(*) from refunds where order_id = $1 and amount = $2`, o.ID, twoBootsTotal)
		if o.Payments[0].State != payment.Captured || counted != len(states) || (o.Status == "paid") == (refunds == 1) {
			t.Fatalf("permutation %d %v: %d counted, %d refunds, %+v", n, order, counted, refunds, o)
		}
	}
	s.audit()
}

// permutations returns all orders of n things.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			p := append([]int{}, shorter[:at]...)
			all = append(all, append(append(p, n-1), shorter[at:]...))
		}
	}
	return all
}

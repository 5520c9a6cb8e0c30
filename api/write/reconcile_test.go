package write_test

import (
	"context"
	"fmt"
	"testing"

	"freshet/api/write"
)

func (s *shop) reconcile(o write.ReconcileOptions) *write.Reconciliation {
	s.t.Helper()
	if o.Repair {
		o.Reason, o.Actor = "edited by hand", "test"
	}
	r, err := s.shop.Reconcile(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func checks(r *write.Reconciliation) string {
	names := ""
	for _, d := range r.Found {
		names += fmt.Sprintf("%s %d/%d;", d.Check, d.Have, d.Want)
	}
	return names
}

// TestReconcile breaks each invariant by SQL, and sees it found, halted and mended.
func TestReconcile(t *testing.T) {
	for name, tt := range map[string]struct {
		broken, want string
		halts        bool
	}{
		"a level that was edited":      {`update inventory set on_hand = 25 where sku = 'A-1' and store_id = 1`, "ledger 25/18;", true},
		"a movement without its units": {`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-1', 1, 'receipt', 4, 'x')`, "ledger 18/22;", true},
		"a row that is gone":           {`delete from inventory where sku = 'A-1' and store_id = 2`, "ledger 0/5;", false},
		"reserved by hand":             {`update inventory set reserved = 7 where sku = 'A-1' and store_id = 1`, "reserved 7/2;", true},
		"a hold that was deleted":      {`delete from reservations where state = 'active'`, "reserved 2/0;holds 2/0;", true},
		"a hold nobody wrote down":     {`insert into reservations (sku, store_id, product_id, quantity) values ('A-1', 1, 1, 3)`, "reserved 2/5;holds 2/5;", true},
		"a hold of an order that is over": {
			`update orders set status = 'cancelled', expires_at = null where customer_id = 2`, "stale hold 2/0;", true,
		},
		"paid by nothing": {`update payments set pays = false`, "unpaid 0/3490;", false},
		"money that pays nothing": {
			`insert into payments (order_id, provider, reference, state, amount, currency) select id, 'sandbox', 'twice', 'captured', 500, 'EUR' from orders where customer_id = 1`,
			"money owed 500/0;", false,
		},
		"a refund counted twice": {`update payments set refunded = 100 where pays`, "refunds 100/0;", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.paid("k")
			s.buy(s.bruno(), "held", "late")
			if r := s.reconcile(write.ReconcileOptions{}); len(r.Found) != 0 {
				t.Fatalf("found in books that agree: %+v", r.Found)
			}
			s.exec(tt.broken)
			if r := s.reconcile(write.ReconcileOptions{}); checks(r) != tt.want || r.Wrong() != len(r.Found) {
				t.Fatalf("found %+v, want %s", r.Found, tt.want)
			}
			s.reconcile(write.ReconcileOptions{Halt: true})
			k := s.cart("POST", "/api/v1/cart/1", oneBoot, s.bruno()...)
			status := s.request("POST", "/api/v1/checkout", body(k.Version, 1500+490, "late"), append(s.bruno(), "Idempotency-Key", "halted")...).status
			if (status == 409) != tt.halts {
				t.Errorf("a checkout of a SKU that is wrong: %d", status)
			}
			r := s.reconcile(write.ReconcileOptions{Repair: true})
			if r.Wrong() != 0 || (r.Resumed == 1) != tt.halts {
				t.Errorf("repaired: %+v", r)
			}
			if left := s.reconcile(write.ReconcileOptions{}); len(left.Found) != 0 {
				t.Errorf("left: %+v", left.Found)
			}
			if n := s.number(`select count(*) from inventory where halted`); n != 0 {
				t.Errorf("%d SKUs are still halted", n)
			}
			s.audit()
		})
	}
}

// TestReconcileOfWhatNoRuleMends leaves it halted, and says what to do.
func TestReconcileOfWhatNoRuleMends(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "late")
	s.exec(`update inventory set on_hand = 1, reserved = 1 where sku = 'A-1' and store_id = 1`)
	s.exec(`update orders set status = 'paid', expires_at = null where id = $1`, o.ID)
	r := s.reconcile(write.ReconcileOptions{Repair: true})
	if r.Wrong() != len(r.Found) || r.Resumed != 0 {
		t.Fatalf("mended: %+v", r.Found)
	}
	for _, d := range r.Found {
		if d.Why == "" {
			t.Errorf("%s doesn't say why: %+v", d.Check, d)
		}
	}
	if n := s.number(`select count(*) from inventory where halted`); n != 1 {
		t.Errorf("%d SKUs are halted, want 1", n)
	}
	if _, err := s.shop.Reconcile(t.Context(), write.ReconcileOptions{Repair: true}); err == nil {
		t.Error("a repair without a reason was carried out")
	}
}

// TestReconcileWhileTheShopIsOpen looks again and again while customers buy: nothing is ever wrong, and a level that was
// edited is mended beside them.
func TestReconcileWhileTheShopIsOpen(t *testing.T) {
	s := newShop(t)
	s.exec(`update inventory set on_hand = 500 where sku = 'A-1' and store_id = 1`)
	if r := s.reconcile(write.ReconcileOptions{Repair: true}); r.Wrong() != 0 {
		t.Fatalf("repaired: %+v", r.Found)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if r, err := s.shop.Reconcile(ctx, write.ReconcileOptions{}); err == nil && len(r.Found) > 0 {
				done <- fmt.Errorf("found while customers buy: %+v", r.Found)
				return
			}
		}
		done <- nil
	}()
	s.gather(40, func(i int) (reply, error) {
		return s.try("POST", "/api/v1/orders", `{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":2}]}`, "Idempotency-Key", fmt.Sprint(i))
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.audit()
}

package write_test

import (
	"fmt"
	"testing"

	"freshet/api/auth"
	"freshet/api/write/payment"
)

// TestARushOversellsNothing lets forty customers buy two each of the twenty that there are, while holds run out, orders are
// cancelled and payments come in: what is sold was there, and who paid has it.
func TestARushOversellsNothing(t *testing.T) {
	s := newShop(t)
	s.exec(`insert into customers (id, email) select i, 'c' || i || '@example.org' from generate_series(100, 139) i`)
	for i := range 40 {
		s.cart("POST", "/api/v1/cart/1", twoBoots, s.as(auth.Customer, int64(100+i))...)
	}
	methods := []string{"succeed", "decline", "timeout", "succeed+twice"}
	statuses := s.gather(40, func(i int) (reply, error) {
		who := s.as(auth.Customer, int64(100+i))
		r, err := s.try("POST", "/api/v1/checkout", body(1, twoBootsTotal, methods[i%len(methods)]), append(who, "Idempotency-Key", "k")...)
		if err != nil {
			return r, err
		}
		if _, err := s.shop.PayNext(t.Context()); err != nil {
			return r, fmt.Errorf("pay: %w", err)
		}
		return r, nil
	})
	if statuses[201] < 10 || statuses[201]+statuses[409] != 40 {
		t.Errorf("forty buyers of twenty boots: %v", statuses)
	}
	s.audit()
	s.work()
	s.exec(`update orders set expires_at = now() - interval '1 second' where expires_at is not null`)
	s.exec(`update reservations set expires_at = now() - interval '1 second' where state = 'active'`)
	s.sweep()
	s.work()
	sold := s.number(`select coalesce(sum(i.quantity), 0)::bigint from order_items i join orders o on o.id = i.order_id where o.status = 'paid'`)
	if left := s.number(`select on_hand from inventory where sku = 'A-1' and store_id = 1`); sold+left != 20 || sold == 0 {
		t.Errorf("%d sold and %d left of 20", sold, left)
	}
	paid := s.number(`select count(*) from orders where status = 'paid'`)
	if captured := s.number(`select count(*) from payments where state = $1`, payment.Captured); captured != paid {
		t.Errorf("%d paid orders and %d captured payments", paid, captured)
	}
	s.audit()
}

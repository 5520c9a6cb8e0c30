package write_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"freshet/api/write/payment"
)

// stories are what a provider may come to tell of a payment of which nothing has been asked yet.
var stories = map[string][]payment.State{
	"paid":                      {payment.Authorized, payment.Captured},
	"declined":                  {payment.Failed},
	"set aside and given free":  {payment.Authorized, payment.Voided},
	"set aside and never taken": {payment.Authorized, payment.Failed},
}

// TestEveryTellingOfAStoryEndsAlike tells each story in every order, every event twice, and all of it at once, lets the time
// run out, and wants one end: the same payment, the same money on its way back, the same stock.
func TestEveryTellingOfAStoryEndsAlike(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.exec(`update inventory set on_hand = 2000 where sku = 'A-1' and store_id = 1`)
			s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-1', 1, 'receipt', 1980, 'test')`)
			var first string
			tellings := repeated(len(story))
			for n, telling := range tellings {
				reference, id := s.begin(n)
				tell := func(i int) (reply, error) { return s.send(s.event(reference, story[i])) }
				if n == len(tellings)-1 {
					s.gather(len(telling), func(i int) (reply, error) { return tell(telling[i]) })
				} else {
					for _, i := range telling {
						if r, err := tell(i); err != nil || r.status != 200 {
							t.Fatalf("%s: %v %s", story[i], err, r.body)
						}
					}
				}
				s.runOut()
				end := s.end(id)
				if first == "" {
					first = end
				}
				if end != first {
					t.Errorf("told as %v it ends as %s, else as %s", telling, end, first)
				}
			}
			t.Logf("%d tellings: %s", len(tellings), first)
			s.audit()
		})
	}
}

// repeated returns all orders of n things that are there twice each, the last of them again, for a telling at once.
func repeated(n int) [][]int {
	seen := map[string]bool{}
	var all [][]int
	for _, p := range permutations(2 * n) {
		for i := range p {
			p[i] %= n
		}
		if key := fmt.Sprint(p); !seen[key] {
			seen[key] = true
			all = append(all, p)
		}
	}
	return append(all, all[len(all)-1])
}

// begin makes an order whose payment nobody has asked the provider for yet.
func (s *shop) begin(n int) (reference string, id int64) {
	s.t.Helper()
	o := s.buy(s.anna(), fmt.Sprintf("story-%d", n), "late")
	return s.reference(o.ID), o.ID
}

func (s *shop) event(reference string, state payment.State) payment.Event {
	return payment.Event{ID: reference + string(state), State: state, Reference: reference, Amount: twoBootsTotal, Currency: "EUR"}
}

// runOut lets the time of all orders that wait run out.
func (s *shop) runOut() {
	s.t.Helper()
	s.exec(`update reservations r set expires_at = now() - interval '1 second' from orders o where o.id = r.order_id and o.status = 'placed' and r.state = 'active'`)
	s.exec(`update orders set expires_at = now() - interval '1 second' where status = 'placed' and expires_at is not null`)
	s.sweep()
}

// end is where an order has come to. Whether an order without money is called expired or cancelled is when it was known; it
// is over.
func (s *shop) end(order int64) (end string) {
	s.t.Helper()
	const query = `select concat_ws(', ', 'order', case when status in ('expired', 'cancelled') then 'over' else status end,
		(select string_agg(l.status, '+' order by line) from order_items l where order_id = o.id),
		'payment', (select state || case when pays then ' that pays' else '' end || ' ' || refunded from payments where order_id = o.id),
		'refunds', (select coalesce(string_agg(state || ' ' || amount, '+' order by amount), 'none') from refunds where order_id = o.id),
		'sold', (select coalesce(sum(quantity), 0) from stock_movements where order_id = o.id and kind in ('sale', 'return')),
		'held', (select coalesce(sum(quantity), 0) from stock_movements where order_id = o.id and kind in ('hold', 'release')))
		from orders o where id = $1`
	if err := s.pool.QueryRow(s.t.Context(), query, order).Scan(&end); err != nil {
		s.t.Fatal(err)
	}
	return end
}

// TestEveryTellingOfRefundsEndsAlike has an order paid, cancels its lines one by one, and tells all that happened in every
// order, late, and with repetitions, before the answers to the tasks are heard.
func TestEveryTellingOfRefundsEndsAlike(t *testing.T) {
	s := newShop(t)
	seed := uint64(time.Now().UnixNano())
	dice := rand.New(rand.NewPCG(seed, 1))
	var first string
	for n, telling := range permutations(4) {
		o := s.buyBoth(s.anna())
		if found, err := s.shop.PayNext(t.Context()); err != nil || !found { // authorized and captured
			t.Fatalf("pay: %v %v", found, err)
		}
		s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, `,"line":1`), s.anna()...), 200)
		s.want(s.request("POST", "/api/v1/cancel", cancelBody(o.ID, ``), s.anna()...), 200)
		told := s.refundEvents(o.ID)
		for range 3 {
			telling = append(telling, dice.IntN(len(told)))
		}
		for _, i := range telling {
			s.tell(told[i], 200)
		}
		s.work()
		end := s.end(o.ID)
		if first == "" {
			first = end
		}
		if end != first {
			t.Errorf("seed %d: telling %d, %v, ends as %s, else as %s", seed, n, telling, end, first)
		}
		if p := s.provider(o.ID); p.Refunded != p.Amount || p.Captured != 1 {
			t.Errorf("seed %d: telling %d: the provider says %+v", seed, n, p)
		}
	}
	t.Log(first)
	s.audit()
}

// refundEvents are what the provider has to tell of a payment that was captured and of which two refunds are asked.
func (s *shop) refundEvents(order int64) []payment.Event {
	s.t.Helper()
	reference := s.reference(order)
	var total int64
	if err := s.pool.QueryRow(s.t.Context(), `select total from orders where id = $1`, order).Scan(&total); err != nil {
		s.t.Fatal(err)
	}
	told := []payment.Event{}
	for _, state := range []payment.State{payment.Authorized, payment.Captured} {
		told = append(told, payment.Event{ID: reference + string(state), State: state, Reference: reference, Amount: total, Currency: "EUR"})
	}
	rows, err := s.pool.Query(s.t.Context(), `select t.id, r.amount from payment_tasks t join refunds r on r.id = t.refund_id where r.order_id = $1 order by t.id`, order)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var task, amount int64
		if err := rows.Scan(&task, &amount); err != nil {
			s.t.Fatal(err)
		}
		key := fmt.Sprintf("task_%s_%d", reference, task)
		told = append(told, payment.Event{ID: key, State: payment.Refunded, Reference: reference, Key: key, Amount: amount, Currency: "EUR"})
	}
	if err := rows.Err(); err != nil || len(told) != 4 {
		s.t.Fatalf("%d events: %v", len(told), err)
	}
	return told
}

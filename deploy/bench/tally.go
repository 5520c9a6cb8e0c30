package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"freshet/api/write/invariant"
)

// tallies are counted from what was sold, moved and charged. None reads a column of stock levels, which is what may be wrong.
var tallies = []struct{ what, query string }{
	{"oversold", `select coalesce(sum(greatest(coalesce(s.n, 0) + coalesce(h.n, 0) - r.n, 0)), 0)::bigint
		from (select sku, sum(quantity) n from stock_movements where store_id = $1 and kind in ('receipt', 'adjustment') group by 1) r
		left join (select l.sku, sum(l.quantity) n from order_items l join orders o on o.id = l.order_id
		  where o.store_id = $1 and o.status in ('paid', 'shipped', 'delivered') and l.status <> 'cancelled' group by 1) s using (sku)
		left join (select sku, sum(quantity) n from reservations where store_id = $1 and state = 'active' group by 1) h using (sku)`},
	{"double effects", `select
		(select count(*) from orders where store_id = $1) - (select count(*) from idempotency_keys where response_status = 201 and scope in
		  (select 'checkout/' || customer_id from orders where store_id = $1))
		+ (select count(*) - count(distinct (order_id, sku)) from stock_movements where store_id = $1 and kind = 'sale')
		+ (select count(reverses) - count(distinct reverses) from stock_movements where store_id = $1)
		+ (select count(*) - count(distinct order_id) from payments join orders o on o.id = order_id where o.store_id = $1)
		+ (select count(*) - count(distinct payment_id) from refunds join orders o on o.id = order_id where o.store_id = $1)`},
}

// settleWithin is how long there may be no fewer payments under way after the last attempt; some are told late. After a crowd that
// pays faster than the shop asks its provider, many are. It is longer than the shop waits between two questions, five minutes at most.
const settleWithin = 6 * time.Minute

// count waits until the payments are through and says what was sold twice, done twice, or told to a buyer and lost. Orders
// that no buyer was told of are as many as there were answers lost, at most.
func (s *stall) count(ctx context.Context, row *Row, told map[int64]bool, lost int) (problems []string, err error) {
	left, err := s.settled(ctx, settleWithin)
	if err != nil {
		return nil, err
	}
	if left > 0 {
		problems = append(problems, fmt.Sprintf("%d payments are under way, and for %s not one less", left, settleWithin))
	}
	for _, tally := range tallies {
		var n int64
		if err := s.pool.QueryRow(ctx, tally.query, s.store).Scan(&n); err != nil {
			return nil, fmt.Errorf("count %s: %w", tally.what, err)
		}
		row.Set(tally.what, float64(n))
		if n != 0 {
			problems = append(problems, fmt.Sprintf("%d %s", n, tally.what))
		}
	}
	var gone, untold int
	const heard = `select (select count(*) from unnest($2::bigint[]) id where not exists (select from orders o where o.id = id and o.store_id = $1)),
		(select count(*) from orders o where store_id = $1 and o.id <> all($2))`
	if err := s.pool.QueryRow(ctx, heard, s.store, slices.Collect(maps.Keys(told))).Scan(&gone, &untold); err != nil {
		return nil, fmt.Errorf("count the orders that buyers were told of: %w", err)
	}
	row.Set("told and gone", float64(gone))
	if gone > 0 || untold > lost {
		problems = append(problems, fmt.Sprintf("%d orders that buyers were told of don't exist, and %d exist of which none was told", gone, untold))
	}
	broken, err := invariant.Broken(ctx, s.pool)
	return append(problems, broken...), err
}

// patiently does something by SQL again until it works, as long as the patience lasts: a benchmark may go on through the
// restart of a database.
func patiently(ctx context.Context, patience time.Duration, do func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := do()
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		sleepUntil(ctx, time.Now().Add(100*time.Millisecond))
	}
}

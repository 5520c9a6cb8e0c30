package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// kindVisit is a whole visit: from when it was due to the answer to its checkout.
const kindVisit = "whole visit"

// steady is the part of a benchmark in which there is enough, and orders come at a steady rate: each a visit that puts one
// unit into the cart, reads the cart and checks out.
func (cfg CheckoutConfig) steady(rate float64, t *Target, report *Report) func(context.Context, string, crowd, int) error {
	return func(ctx context.Context, what string, c crowd, units int) error {
		if err := c.stall.receive(ctx, units); err != nil {
			return err
		}
		t.Note("%s for %s", what, cfg.Duration)
		r := newRush(c, cfg, len(c.stall.products), units, 0)
		load := schedule{rate: rate, duration: cfg.Duration, workers: cfg.Workers, note: func(done, total int) { t.Note("%d of %d orders", done, total) }}
		_, took, err := load.run(ctx, r.visit)
		if err != nil {
			return err
		}
		row := Row{What: what}
		row.Set("orders", float64(len(r.orders)))
		row.Set("orders/s", float64(len(r.orders))/max(took, cfg.Duration).Seconds())
		if err := c.stall.paid(ctx, &row); err != nil {
			return err
		}
		if err := r.report(ctx, row, report, nil); err != nil {
			return err
		}
		for _, kind := range []string{kindAdd, kindCart, kindCheckout, kindVisit} {
			c.taken.row(report, what+": "+kind, kind)
		}
		c.taken.complain(report)
		return nil
	}
}

// errNothingSold says that a shop with enough of everything sold nothing: it didn't answer, or not what it should.
var errNothingSold = errors.New("a visit ended without an order")

// visit is the n-th buyer's: each comes round again after all others have been there, with what they wanted the time before.
func (r *rush) visit(ctx context.Context, n int, due time.Time) error {
	b := r.buyers[n%len(r.buyers)]
	b.mu.Lock()
	defer b.mu.Unlock()
	filled, err := r.fill(ctx, b, b.sku)
	if err != nil || !filled {
		return errors.Join(errNothingSold, err)
	}
	if _, known, err := r.ask(ctx, kindCart, b, sent{method: http.MethodGet, path: "/api/v1/cart?store=" + r.stall.code}); err != nil || !known {
		return errors.Join(errNothingSold, err)
	}
	b.method = "succeed"
	id, known, err := r.checkout(ctx, b, false)
	if err != nil || !known || id == 0 {
		return errors.Join(errNothingSold, err)
	}
	r.taken.add(kindVisit, time.Since(due), nil)
	r.has(b, id)
	return nil
}

// paid notes how many of a hundred orders were paid when the load ended: payments that fall behind would show later.
func (s *stall) paid(ctx context.Context, row *Row) error {
	var percent float64
	const query = `select coalesce(100.0 * count(*) filter (where status = 'paid') / nullif(count(*), 0), 0)::float8 from orders where store_id = $1`
	if err := s.pool.QueryRow(ctx, query, s.store).Scan(&percent); err != nil {
		return fmt.Errorf("count the paid orders: %w", err)
	}
	row.Set("% paid at the end", percent)
	return nil
}

package write

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// payers is how many payment tasks are under way at once.
const payers = 4

// Run does what no request does, until ctx ends: it asks the payment provider, lets orders and carts expire, and forgets
// old idempotency keys and sessions. Several processes may run it beside each other. Time is the database's alone.
func (s *Shop) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.provider != nil {
		for range payers {
			g.Go(func() error { return s.pay(ctx) })
		}
	}
	g.Go(func() error { return s.sweep(ctx, time.Second, "orders", s.expireOrders) })
	g.Go(func() error { return s.sweep(ctx, time.Minute, "carts", s.expireCarts) })
	g.Go(func() error { return s.sweep(ctx, time.Minute, "idempotency keys", s.forgetKeys) })
	g.Go(func() error { return s.sweep(ctx, time.Minute, "sessions", s.forgetSessions) })
	return g.Wait()
}

// sweep runs a batch every so often, and again at once while it finds something.
func (s *Shop) sweep(ctx context.Context, every time.Duration, what string, batch func(context.Context) (found bool, err error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		found, err := batch(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// What is over is over by the clock, swept or not; the next round gets it.
			s.log.Warn("sweep "+what, "error", err.Error())
		case found:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// expireOrders ends one order whose time has run out. Those that another transaction has in hand are left to it.
func (s *Shop) expireOrders(ctx context.Context) (found bool, err error) {
	const query = `select id from orders where status = 'placed' and expires_at <= now() order by expires_at limit 1 for no key update skip locked`
	_, err = s.transact(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query)
		if err != nil {
			return fmt.Errorf("find orders that ran out: %w", err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return fmt.Errorf("find orders that ran out: %w", err)
		}
		found = len(ids) > 0
		for _, id := range ids {
			o, err := lockOrder(ctx, tx, id)
			if err != nil {
				return err
			}
			if err := settle(ctx, tx, o); err != nil {
				return err
			}
		}
		return nil
	})
	return found && err == nil, err
}

// sweepBatch keeps deletes short.
const sweepBatch = 1000

// expireCarts forgets what was in carts that nobody touched for their time.
func (s *Shop) expireCarts(ctx context.Context) (bool, error) {
	const batch = `with over as (
			update carts set state = 'abandoned', updated_at = now() where id in (
				select id from carts where state = 'open' and expires_at <= now() limit $1 for update skip locked) returning id)
		delete from cart_items where cart_id in (select id from over)`
	tag, err := s.pool.Exec(ctx, batch, sweepBatch)
	return err == nil && tag.RowsAffected() >= sweepBatch, err
}

// forgetKeys deletes idempotency keys past their 24 hours.
func (s *Shop) forgetKeys(ctx context.Context) (bool, error) {
	const batch = `delete from idempotency_keys where (scope, key) in
		(select scope, key from idempotency_keys where created_at < now() - interval '24 hours' limit $1)`
	tag, err := s.pool.Exec(ctx, batch, sweepBatch)
	return err == nil && tag.RowsAffected() >= sweepBatch, err
}

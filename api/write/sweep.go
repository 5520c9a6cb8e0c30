package write

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// Run does what no request does, until ctx ends: it asks the payment provider, lets orders and carts expire, and forgets
// old idempotency keys and sessions. Several processes may run it beside each other. Time is the database's alone.
func (s *Shop) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.provider != nil {
		g.Go(func() error { return s.pay(ctx) })
	}
	g.Go(func() error { return s.sweep(ctx, time.Second, "orders", s.expireOrders) })
	g.Go(func() error { return s.sweep(ctx, time.Minute, "carts", s.expireCarts) })
	g.Go(func() error { return s.sweep(ctx, time.Minute, "idempotency keys", s.forgetKeys) })
	g.Go(func() error { return s.sweep(ctx, time.Minute, "sessions", s.forgetSessions) })
	g.Go(func() error { return s.sweep(ctx, time.Minute, "queued orders", s.forgetQueued) })
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

// expireBatch is how many orders are looked up at once; each is a transaction of its own.
const expireBatch = 100

// expireOrders ends orders whose time has run out. One that can't be ended keeps no other waiting.
func (s *Shop) expireOrders(ctx context.Context) (found bool, err error) {
	const query = `select id from orders where status = 'placed' and id > 0 and expires_at <= now() order by expires_at limit $1`
	rows, err := s.pool.Query(ctx, query, expireBatch)
	if err != nil {
		return false, fmt.Errorf("find orders that ran out: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return false, fmt.Errorf("find orders that ran out: %w", err)
	}
	var problems []error
	for _, id := range ids {
		problems = append(problems, s.expireOrder(ctx, id))
	}
	return len(ids) == expireBatch, errors.Join(problems...)
}

// expireOrder ends the order, unless another transaction has it in hand: to that it is left.
func (s *Shop) expireOrder(ctx context.Context, id int64) error {
	const query = `select id from orders where id = $1 and status = 'placed' and expires_at <= now() for no key update skip locked`
	err := s.transactUnread(ctx, func(tx *unit) error {
		tag, err := tx.Exec(ctx, query, id)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		o, err := lockOrder(ctx, tx, id)
		if err != nil {
			return err
		}
		return settle(ctx, tx, o)
	})
	if err != nil {
		return fmt.Errorf("expire order %d: %w", id, err)
	}
	return nil
}

// sweepBatch keeps deletes short.
const sweepBatch = 1000

// expireCarts forgets what was in carts that nobody touched for their time.
func (s *Shop) expireCarts(ctx context.Context) (bool, error) {
	const batch = `with over as (
			update carts set state = 'abandoned', updated_at = now() where id in (
				select id from carts where state = 'open' and id > 0 and expires_at <= now() limit $1 for update skip locked) returning id)
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

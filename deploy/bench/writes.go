package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// writes are a shop's writers: transactions of one changed price each, or of one movement of stock with its entry in the
// ledger. They keep away from the offers that are probed, and put everything back at the end.
type writes struct {
	pool       *pgxpool.Pool
	stockShare float64
	rows       []*writtenRow
}

// writtenRow is a SKU of a store that may be written.
type writtenRow struct {
	store    int64
	sku      string
	amount   int64        // as it was
	repriced atomic.Bool  // its price was changed
	received atomic.Int64 // units that we entered
	stocked  bool         // it has a row of stock
}

// writtenRows bounds how many different rows are written.
const writtenRows = 20_000

func newWrites(ctx context.Context, pool *pgxpool.Pool, probed []*candidate, stockShare float64) (*writes, error) {
	taken := map[offerKey]bool{}
	for _, c := range probed {
		taken[offerKey{c.store, c.product}] = true
	}
	w := &writes{pool: pool, stockShare: stockShare}
	rows, err := pool.Query(ctx, `select p.store_id, p.product_id, p.sku, p.amount, i.sku is not null
		from prices p left join inventory i using (store_id, sku) order by random() limit $1`, writtenRows+10*len(probed))
	if err != nil {
		return nil, fmt.Errorf("choose rows to write: %w", err)
	}
	var key offerKey
	var r writtenRow
	_, err = pgx.ForEachRow(rows, []any{&key.store, &key.product, &r.sku, &r.amount, &r.stocked}, func() error {
		if !taken[key] {
			w.rows = append(w.rows, &writtenRow{store: key.store, sku: r.sku, amount: r.amount, stocked: r.stocked})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("choose rows to write: %w", err)
	}
	if len(w.rows) == 0 {
		return nil, fmt.Errorf("every price of the shop belongs to an offer that is probed: %w", errEmpty)
	}
	return w, nil
}

// run writes at a rate and returns how many transactions per second were committed and how long each took from when it
// was due. With a rate of 0 it only waits.
func (w *writes) run(ctx context.Context, rate float64, duration time.Duration, connections int, taken *samples) (float64, error) {
	plan := schedule{rate: rate, duration: duration, workers: connections}
	done, took, err := plan.run(ctx, func(ctx context.Context, _ int, due time.Time) error {
		if err := w.one(ctx); err != nil {
			return err
		}
		taken.add("", time.Since(due), nil)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return float64(done) / max(took, duration).Seconds(), nil
}

// one commits one transaction.
func (w *writes) one(ctx context.Context) error {
	r := w.rows[rand.IntN(len(w.rows))]
	if r.stocked && rand.Float64() < w.stockShare {
		r.received.Add(1)
		_, err := w.pool.Exec(ctx, `with moved as (
				update inventory set on_hand = on_hand + 1, version = version + 1 where store_id = $1 and sku = $2 returning product_id)
			insert into stock_movements (store_id, sku, product_id, kind, quantity, reason, actor)
			select $1, $2, product_id, 'receipt', 1, 'benchmark', 'freshet bench' from moved`, r.store, r.sku)
		return err
	}
	r.repriced.Store(true)
	_, err := w.pool.Exec(ctx, "update prices set amount = $3 where store_id = $1 and sku = $2", r.store, r.sku, nearby(r.amount))
	return err
}

// maxAmount is the highest price that the table takes.
const maxAmount = 100_000_000_000

// nearby is a price within a tenth of the one there was, or one or two units above a small one.
func nearby(amount int64) int64 { return min(amount+rand.Int64N(amount/5+3)-amount/10, maxAmount) }

// putBack undoes all writes. Stock goes back through the ledger, and only what nobody has taken since.
func (w *writes) putBack(ctx context.Context) error {
	var stores, amounts, movedStores, units []int64
	var skus, movedSKUs []string
	for _, r := range w.rows {
		if r.repriced.Swap(false) {
			stores, skus, amounts = append(stores, r.store), append(skus, r.sku), append(amounts, r.amount)
		}
		if n := r.received.Swap(0); n > 0 {
			movedStores, movedSKUs, units = append(movedStores, r.store), append(movedSKUs, r.sku), append(units, n)
		}
	}
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `update prices p set amount = o.amount from unnest($1::bigint[], $2::text[], $3::bigint[]) o (store_id, sku, amount)
			where p.store_id = o.store_id and p.sku = o.sku and p.amount <> o.amount`, stores, skus, amounts); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `with moved as (
				update inventory i set on_hand = on_hand - o.units, version = version + 1
				from unnest($1::bigint[], $2::text[], $3::bigint[]) o (store_id, sku, units)
				where i.store_id = o.store_id and i.sku = o.sku and on_hand - o.units >= reserved
				returning i.store_id, i.sku, product_id, o.units)
			insert into stock_movements (store_id, sku, product_id, kind, quantity, reason, actor)
			select store_id, sku, product_id, 'adjustment', -units, 'benchmark', 'freshet bench' from moved`, movedStores, movedSKUs, units)
		return err
	})
	if err != nil {
		return fmt.Errorf("put back what was written: %w", err)
	}
	return nil
}

// together runs both and waits for both; if one fails, the other is stopped.
func together(ctx context.Context, one, other func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, f := range []func(context.Context) error{one, other} {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

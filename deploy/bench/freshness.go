package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// FreshnessConfig says under which loads the freshness is measured.
type FreshnessConfig struct {
	Rates       []float64     // transactions per second, one run each
	Duration    time.Duration // of each run
	Probes      float64       // changes that are watched, per second; default 2: with more, each is asked less often
	StockShare  float64       // of the transactions, how many move stock; the others change a price
	Connections int           // of the writers; default 16
	Timeout     time.Duration // after which a change counts as not shown; default 30 s
}

func (c *FreshnessConfig) defaults() {
	if c.Probes <= 0 {
		c.Probes = 2
	}
	if c.Connections <= 0 {
		c.Connections = 16
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
}

func (c *FreshnessConfig) setting() map[string]string {
	return map[string]string{
		"duration": c.Duration.String(), "probes": fmt.Sprintf("%g/s", c.Probes), "stock movements": fmt.Sprintf("%g%%", 100*c.StockShare),
		"connections": fmt.Sprint(c.Connections), "time-out": c.Timeout.String(),
	}
}

// probed bounds how many offers take turns being watched.
const probed = 300

// Freshness writes to the shop at each rate, changes the prices of offers on home pages meanwhile, and measures how long
// after its commit each change shows on the product page, on the category page and in the search result.
func Freshness(ctx context.Context, t Target, cfg FreshnessConfig) (report *Report, err error) {
	cfg.defaults()
	pool, err := openPool(ctx, t.PostgresURL, cfg.Connections+8)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	c, err := newClient(t.Read, "", 1024)
	if err != nil {
		return nil, err
	}
	defer c.close()
	f := &freshness{t: t, cfg: cfg, c: c, watch: newWatcher(c), pool: pool}
	if err := f.choose(ctx); err != nil {
		return nil, err
	}
	report = t.report(ctx, "freshness", cfg.setting())
	for _, rate := range cfg.Rates {
		if err := f.run(ctx, report, rate); err != nil {
			return nil, fmt.Errorf("at %g transactions per second: %w", rate, err)
		}
	}
	// What was put back is work too, and whoever measures next shall not measure it.
	if err := caughtUp(ctx, t.Note, c, pool); err != nil {
		return nil, err
	}
	return report, nil
}

// openPool connects to Postgres.
func openPool(ctx context.Context, url string, connections int) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the Postgres URL: %w", err)
	}
	cfg.MaxConns = int32(connections)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open Postgres: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return pool, nil
}

type freshness struct {
	t     Target
	cfg   FreshnessConfig
	c     *client
	watch *watcher
	pool  *pgxpool.Pool
	all   []*candidate    // those that are watched
	free  chan *candidate // those that nobody is watching
	write *writes
	next  atomic.Int64 // amount
}

// choose picks the offers to watch and the rows to write.
func (f *freshness) choose(ctx context.Context) error {
	chosen, err := readCandidates(ctx, f.c, f.pool, probed)
	if err != nil {
		return err
	}
	if f.write, err = newWrites(ctx, f.pool, chosen, f.cfg.StockShare); err != nil {
		return err
	}
	f.all, f.free = chosen, make(chan *candidate, len(chosen))
	for _, c := range chosen {
		f.free <- c
	}
	f.next.Store(firstAmount())
	f.t.Note("watching %d offers, writing %d SKUs", len(chosen), len(f.write.rows))
	return nil
}

// firstAmount begins a series of prices that no offer has: tens of millions, and never the same in two runs.
func firstAmount() int64 { return 3_000_000_000 + rand.Int64N(6_000_000_000) }

// run measures at one rate: first it waits until the readers have caught up with all that was written before.
func (f *freshness) run(ctx context.Context, report *Report, rate float64) (err error) {
	if err := caughtUp(ctx, f.t.Note, f.c, f.pool); err != nil {
		return err
	}
	f.t.Note("%g transactions per second for %s", rate, f.cfg.Duration)
	commits, shown := newSamples(), newSamples()
	var achieved float64
	defer func() { err = errors.Join(err, f.write.putBack(context.WithoutCancel(ctx))) }()
	err = together(ctx, func(ctx context.Context) error {
		var err error
		achieved, err = f.write.run(ctx, rate, f.cfg.Duration, f.cfg.Connections, commits)
		return err
	}, func(ctx context.Context) error { return f.probes(ctx, f.cfg.Duration, nil, shown) })
	if err != nil {
		return err
	}
	load := fmt.Sprintf("%g tx/s", rate)
	for _, model := range models {
		row := shown.row(report, load+": commit to "+model, model)
		row.Set("tx/s", achieved)
	}
	row := commits.row(report, load+": the writers' commit", "")
	row.Set("tx/s", achieved)
	shown.complain(report)
	return nil
}

// probes changes prices at a steady rate, for so long or until that is closed, and watches them.
func (f *freshness) probes(ctx context.Context, duration time.Duration, until <-chan struct{}, shown *samples) error {
	plan := schedule{rate: f.cfg.Probes, duration: duration, until: until, workers: cap(f.free), note: func(done, total int) {
		f.t.Note("%d of %d changes have shown everywhere", done, total)
	}}
	_, _, err := plan.run(ctx, func(ctx context.Context, _ int, _ time.Time) error {
		var c *candidate
		select {
		case c = <-f.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { f.free <- c }()
		return f.probe(ctx, c, shown)
	})
	return err
}

// probe changes one price, watches it, and puts it back.
func (f *freshness) probe(ctx context.Context, c *candidate, shown *samples) (err error) {
	defer func() { err = errors.Join(err, c.putBack(context.WithoutCancel(ctx), f.pool)) }()
	amount := f.next.Add(1)
	committed, err := c.set(ctx, f.pool, amount)
	if err != nil {
		return err
	}
	return f.watch.awaitAll(ctx, c.views(amount), committed, f.cfg.Timeout, func(model string, took time.Duration, err error) {
		if err != nil {
			err = fmt.Errorf("%s of product %d in store %d: %w", model, c.product, c.store, err)
		}
		shown.add(model, took, err)
	})
}

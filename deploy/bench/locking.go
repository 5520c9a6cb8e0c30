package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// LockingConfig says how many buy of how many SKUs.
type LockingConfig struct {
	Buyers []int // default 1, 8, 64, 512
	SKUs   []int // default 1, 10, 100, 1000
	// Duration is how long each strategy is tried by each number of buyers on each number of SKUs. Default 1 s.
	Duration time.Duration
	// Connections are how many the buyers share, as they do through a server's pool. Default 128.
	Connections int
}

func (c *LockingConfig) defaults() {
	if len(c.Buyers) == 0 {
		c.Buyers = []int{1, 8, 64, 512}
	}
	if len(c.SKUs) == 0 {
		c.SKUs = []int{1, 10, 100, 1000}
	}
	if c.Duration <= 0 {
		c.Duration = time.Second
	}
	if c.Connections <= 0 {
		c.Connections = 128
	}
}

// The figures of a cell, each a row of the report with a column for each strategy.
const (
	figureRate   = "purchases/s"
	figureP99    = "p99 ms"
	figureAborts = "aborts per purchase"
)

// Locking compares ways to take a unit of stock, on tables of its own in the schema bench_locking, which it removes. Every
// purchase is a transaction that takes one unit and writes a sale; what was lost on the way is counted at the end of each.
func Locking(ctx context.Context, t Target, cfg LockingConfig) (*Report, error) {
	cfg.defaults()
	pool, err := openPool(ctx, t.PostgresURL, cfg.Connections)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	report := t.report(ctx, "locking", map[string]string{"each for": cfg.Duration.String(), "connections at most": fmt.Sprint(cfg.Connections)})
	defer func() { _, _ = pool.Exec(context.WithoutCancel(ctx), `drop schema if exists bench_locking cascade`) }() // the next run removes it, too
	rows := map[string][]Row{}
	for _, skus := range cfg.SKUs {
		for _, buyers := range cfg.Buyers {
			t.Note("%d SKUs, %d buyers", skus, buyers)
			cell := map[string]*Row{}
			for _, figure := range []string{figureRate, figureP99, figureAborts} {
				cell[figure] = &Row{What: fmt.Sprintf("%s: %d SKUs, %d buyers", figure, skus, buyers)}
			}
			for _, s := range strategies {
				r, err := contend(ctx, pool, s, skus, buyers, cfg.Duration)
				if err != nil {
					return nil, fmt.Errorf("%s, %d SKUs, %d buyers: %w", s.name, skus, buyers, err)
				}
				r.into(s.name, cell)
				if r.lost != 0 {
					report.problem("%s, %d SKUs, %d buyers: %d units were lost", s.name, skus, buyers, r.lost)
				}
			}
			for figure, row := range cell {
				rows[figure] = append(rows[figure], *row)
			}
		}
	}
	for _, figure := range []string{figureRate, figureP99, figureAborts} {
		report.Rows = append(report.Rows, rows[figure]...)
	}
	return report, nil
}

// contention is what came of one strategy.
type contention struct {
	took   *samples
	aborts int64
	over   time.Duration
	lost   int64 // units that were taken without a sale, or sold without being taken
}

func (c *contention) into(name string, cell map[string]*Row) {
	var row Row
	row.latencies(c.took.took[""])
	n := row.Figures["n"]
	cell[figureRate].Set(name, n/c.over.Seconds())
	cell[figureP99].Set(name, row.Figures["p99 ms"])
	cell[figureAborts].Set(name, float64(c.aborts)/max(n, 1))
}

// plenty is how many units of each SKU there are: it is taking that is measured, not that there is nothing left.
const plenty = 1_000_000_000

func contend(ctx context.Context, pool *pgxpool.Pool, s strategy, skus, buyers int, duration time.Duration) (*contention, error) {
	if err := stockUp(ctx, pool, skus); err != nil {
		return nil, err
	}
	c := &contention{took: newSamples()}
	deadline, begun := time.Now().Add(duration), time.Now()
	var aborts atomic.Int64
	var wg sync.WaitGroup
	problems := make([]error, buyers)
	for b := range buyers {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(uint64(b), 1))
			for problems[b] == nil && time.Now().Before(deadline) {
				start := time.Now()
				n, err := s.purchase(ctx, pool, dice.IntN(skus), dice)
				aborts.Add(n)
				c.took.add("", time.Since(start), nil)
				problems[b] = err
			}
		})
	}
	wg.Wait()
	c.over, c.aborts = time.Since(begun), aborts.Load()
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	const count = `select coalesce(sum(abs($1 - on_hand - (select count(*) from bench_locking.sale l where l.sku = s.sku))), 0)::bigint from bench_locking.stock s`
	if err := pool.QueryRow(ctx, count, plenty).Scan(&c.lost); err != nil {
		return nil, fmt.Errorf("count what was lost: %w", err)
	}
	return c, nil
}

func stockUp(ctx context.Context, pool *pgxpool.Pool, skus int) error {
	for _, sql := range []string{
		`drop schema if exists bench_locking cascade`,
		`create schema bench_locking`,
		// Room in each page, so that a hot row is rewritten where it is, as that of a shop's inventory should be.
		`create table bench_locking.stock (sku int primary key, on_hand bigint not null, version bigint not null default 0) with (fillfactor = 50)`,
		`create table bench_locking.sale (id bigint generated always as identity primary key, sku int not null)`,
		fmt.Sprintf(`insert into bench_locking.stock select i, %d from generate_series(0, %d) i`, plenty, skus-1),
		`create index on bench_locking.sale (sku)`,
		`analyze bench_locking.stock`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// purchase tries until it has bought a unit, and returns how often it did not.
func (s strategy) purchase(ctx context.Context, pool *pgxpool.Pool, sku int, dice *rand.Rand) (aborts int64, err error) {
	for {
		err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: s.isolation}, func(tx pgx.Tx) error {
			if err := s.take(ctx, tx, sku); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `insert into bench_locking.sale (sku) values ($1)`, sku)
			return err
		})
		if !again(err) {
			return aborts, err
		}
		aborts++
		// At random and longer each time, or those who lost would meet again.
		sleepUntil(ctx, time.Now().Add(time.Duration(dice.Int64N(min(aborts, 20)*int64(time.Millisecond)))))
	}
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/api/write/invariant"
)

// CheckoutConfig says how many buy what.
type CheckoutConfig struct {
	// Sign makes the bearer token of a customer; required.
	Sign func(customer int64) (string, error)
	// Attempts to buy from one SKU, and as many from many. Default 20,000.
	Attempts int
	// Buyers are how many customers there are. Default 5,000.
	Buyers int
	// Units of the one SKU there are to begin with, and come in each time that so many attempts were made as there are
	// buyers. Default 100.
	Units int
	// SKUs are how many there are where there are many, the popular ones wanted more often (Zipf). Default 1,000.
	SKUs int
	// Workers are how many buyers act at once. Default 64.
	Workers int
	// Rates are how many orders a second are sustained, one after the other; none leaves that part out.
	Rates []float64
	// Duration is for how long. Default 30 s.
	Duration time.Duration
	// Patience is for how long a request that isn't answered is sent again. Default 10 s.
	Patience time.Duration
	// Seed chooses what buyers do. Default 1.
	Seed uint64
	// Attempted, if not nil, is told the number of each attempt that was made.
	Attempted func(n int)
}

func (c *CheckoutConfig) defaults() error {
	if c.Sign == nil {
		return errors.New("buyers need tokens")
	}
	for _, field := range []struct {
		value    *int
		standard int
	}{{&c.Attempts, 20_000}, {&c.Buyers, 5000}, {&c.Units, 100}, {&c.SKUs, 1000}, {&c.Workers, 64}} {
		if *field.value <= 0 {
			*field.value = field.standard
		}
	}
	if c.Buyers < 2*c.Workers {
		return fmt.Errorf("%d buyers are too few for %d at once: want twice as many", c.Buyers, c.Workers)
	}
	if c.Duration <= 0 {
		c.Duration = 30 * time.Second
	}
	if c.Patience <= 0 {
		c.Patience = answerTimeout
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	return nil
}

// Checkout has crowds buy from a store of their own over HTTP: more than there is of one SKU, more than there is of many,
// and then as much as there is at steady rates. What became of it is counted from the tables, and the invariants of the
// shop are asked all the while. The store is closed at the end; what it sold stays in the ledger.
func Checkout(ctx context.Context, t Target, cfg CheckoutConfig) (*Report, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	pool, err := openPool(ctx, t.PostgresURL, 4)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	report := t.report(ctx, "checkout", map[string]string{
		"buyers": fmt.Sprint(cfg.Buyers), "at once": fmt.Sprint(cfg.Workers), "attempts": fmt.Sprint(cfg.Attempts),
		"units a round": fmt.Sprint(cfg.Units), "seed": fmt.Sprint(cfg.Seed),
	})
	type part struct {
		what        string
		skus, units int
		do          func(ctx context.Context, what string, c crowd, units int) error
	}
	parts := []part{
		{"one SKU", 1, cfg.Units, cfg.rush(&t, report)},
		{fmt.Sprintf("%d SKUs", cfg.SKUs), cfg.SKUs, max(1, cfg.Units/20), cfg.rush(&t, report)},
	}
	for _, rate := range cfg.Rates {
		parts = append(parts, part{fmt.Sprintf("%g orders/s", rate), cfg.SKUs, 1_000_000, cfg.steady(rate, &t, report)})
	}
	for _, part := range parts {
		if err := inStall(ctx, &t, pool, cfg, part.skus, func(c crowd) error { return part.do(ctx, part.what, c, part.units) }); err != nil {
			return nil, fmt.Errorf("%s: %w", part.what, err)
		}
	}
	return report, nil
}

// inStall opens a stall, lets the crowd in, and closes it.
func inStall(ctx context.Context, t *Target, pool *pgxpool.Pool, cfg CheckoutConfig, skus int, do func(crowd) error) (err error) {
	c, err := newClient(t.Write, "", 2*cfg.Workers)
	if err != nil {
		return err
	}
	defer c.close()
	var s *stall
	if err := patiently(ctx, cfg.Patience, func() (err error) {
		s, err = openStall(ctx, pool, skus, cfg.Buyers)
		return err
	}); err != nil {
		return err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, patiently(ctx, cfg.Patience, func() error { return s.close(ctx) }))
	}()
	return do(crowd{stall: s, client: c, sign: cfg.Sign, patience: cfg.Patience, taken: newSamples()})
}

// rush is the part of a benchmark in which there is too little.
func (cfg CheckoutConfig) rush(t *Target, report *Report) func(context.Context, string, crowd, int) error {
	return func(ctx context.Context, what string, c crowd, units int) error {
		t.Note("%d attempts to buy of %s", cfg.Attempts, what)
		r := newRush(c, cfg, len(c.stall.products), units, cfg.Attempts)
		watch := startWatch(ctx, c.stall.pool)
		took, err := r.run(ctx, cfg.Seed)
		looks, broken := watch.stop()
		if err != nil {
			return err
		}
		row := Row{What: what}
		row.Set("attempts", float64(cfg.Attempts))
		row.Set("orders", float64(len(r.orders)))
		row.Set("too late", float64(r.late))
		row.Set("too many unpaid", float64(r.waited))
		row.Set("unknown", float64(r.lost))
		row.Set("attempts/s", float64(cfg.Attempts)/took.Seconds())
		row.Set("orders/s", float64(len(r.orders))/took.Seconds())
		row.Set("looks at the invariants", float64(looks))
		if err := r.report(ctx, row, report, broken); err != nil {
			return err
		}
		for _, kind := range []string{kindAdd, kindCheckout, kindCancel} {
			c.taken.row(report, what+": "+kind, kind)
		}
		return nil
	}
}

// watchEvery is how often the invariants are asked: they read whole tables, on the cores that are measured. When the tables
// have grown so that a look takes long, they are asked less often, for watchShare of the time at most.
const (
	watchEvery = 2 * time.Second
	watchShare = 0.1
)

// watch asks the invariants until it is stopped.
type watch struct {
	cancel context.CancelFunc
	done   chan struct{}
	looks  int
	broken []string
}

func startWatch(ctx context.Context, pool *pgxpool.Pool) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			begun := time.Now()
			// A database that is down can't be asked; the next round can.
			if broken, err := invariant.Broken(ctx, pool); err == nil {
				w.looks++
				w.broken = append(w.broken, broken...)
			}
			pause := max(watchEvery, time.Duration(float64(time.Since(begun))/watchShare))
			if !sleepUntil(ctx, time.Now().Add(pause)) {
				return
			}
		}
	}()
	return w
}

func (w *watch) stop() (looks int, broken []string) {
	w.cancel()
	<-w.done
	return w.looks, w.broken
}

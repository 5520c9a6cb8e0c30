package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// rush lets buyers fight over too little: attempts to buy one unit, many at once, some of them sent twice, repeated after
// they were answered, cancelled, or paid with a card that is declined. After each round of as many attempts as there are
// buyers some units come in, so that the fight goes on.
type rush struct {
	crowd
	buyers   []*buyer
	attempts int
	workers  int
	units    int // of each SKU that come in per round
	told     func(attempts int)

	next   atomic.Int64
	mu     sync.Mutex
	orders map[int64]bool // that a buyer was told of
	late   int            // attempts that found nothing left
	waited int            // attempts of buyers who had too many orders to pay
	lost   int            // attempts of which it isn't known what became of them
	wrong  []string       // answers that contradict each other
}

// The payment methods of the sandbox, with how many of a hundred buyers use them.
var methods = []struct {
	name  string
	share int
}{{"succeed", 65}, {"succeed+twice", 10}, {"decline", 15}, {"timeout", 5}, {"late", 5}}

func pickMethod(r *rand.Rand) string {
	n := r.IntN(100)
	for _, m := range methods {
		if n -= m.share; n < 0 {
			return m.name
		}
	}
	return methods[0].name
}

func newRush(c crowd, cfg CheckoutConfig, skus, units, attempts int) *rush {
	r := &rush{crowd: c, attempts: attempts, workers: cfg.Workers, units: units, told: cfg.Attempted, orders: map[int64]bool{}}
	pick := newZipf(newRand(cfg.Seed), skus)
	for _, id := range c.stall.customers {
		r.buyers = append(r.buyers, &buyer{customer: id, sku: pick.pick()})
	}
	return r
}

// run makes the attempts and returns how long they took, without the filling of the carts before.
func (r *rush) run(ctx context.Context, seed uint64) (time.Duration, error) {
	if err := r.restock(ctx); err != nil {
		return 0, err
	}
	if err := r.fillAll(ctx); err != nil {
		return 0, err
	}
	begun := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for w := range r.workers {
		g.Go(func() error {
			dice := rand.New(rand.NewPCG(seed, uint64(w)))
			for {
				n := int(r.next.Add(1))
				if n > r.attempts {
					return nil
				}
				if n%len(r.buyers) == 0 {
					if err := r.restock(ctx); err != nil {
						return err
					}
				}
				if err := r.attempt(ctx, dice); err != nil {
					return fmt.Errorf("attempt %d: %w", n, err)
				}
				if r.told != nil {
					r.told(n)
				}
			}
		})
	}
	err := g.Wait()
	return time.Since(begun), err
}

func (r *rush) fillAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.workers)
	for _, b := range r.buyers {
		g.Go(func() error {
			_, err := r.fill(ctx, b, b.sku)
			return err
		})
	}
	return g.Wait()
}

// restock brings the units of the next round.
func (r *rush) restock(ctx context.Context) error {
	return patiently(ctx, r.patience, func() error { return r.stall.receive(ctx, r.units) })
}

// report counts what became of the orders, and says what is wrong with it.
func (r *rush) report(ctx context.Context, row Row, report *Report, wrong []string) error {
	var problems []string
	if err := patiently(ctx, r.patience, func() (err error) {
		problems, err = r.stall.count(ctx, &row, r.orders, r.lost)
		return err
	}); err != nil {
		return err
	}
	report.Rows = append(report.Rows, row)
	for _, problem := range slices.Concat(r.wrong, wrong, problems) {
		report.problem("%s: %s", row.What, problem)
	}
	return nil
}

// take returns a buyer whom nobody else plays at the moment.
func (r *rush) take(dice *rand.Rand) *buyer {
	for {
		if b := r.buyers[dice.IntN(len(r.buyers))]; b.mu.TryLock() {
			return b
		}
	}
}

func (r *rush) attempt(ctx context.Context, dice *rand.Rand) error {
	b := r.take(dice)
	defer b.mu.Unlock()
	if b.version == 0 {
		filled, err := r.fill(ctx, b, b.sku)
		if err != nil {
			return err
		}
		if !filled {
			r.count(&r.late)
			return nil
		}
	}
	if b.method == "" {
		b.method = pickMethod(dice)
	}
	id, known, err := r.checkout(ctx, b, dice.IntN(10) == 0)
	switch {
	case errors.Is(err, errUnpaid):
		r.count(&r.waited)
		return r.makeRoom(ctx, b)
	case err != nil:
		return err
	case !known:
		r.count(&r.lost)
		return nil // the same is sent at the next attempt
	case id == 0:
		r.count(&r.late)
		return nil
	}
	if dice.IntN(4) == 0 {
		if err := r.again(ctx, b, id); err != nil {
			return err
		}
	}
	cancelled := b.method == "decline" || dice.IntN(4) == 0
	r.has(b, id)
	if cancelled {
		return r.cancel(ctx, b, id, 1+dice.IntN(2))
	}
	b.open = append(b.open, id)
	return nil
}

// makeRoom cancels what the buyer has ordered; what was paid for is given back.
func (r *rush) makeRoom(ctx context.Context, b *buyer) error {
	for _, id := range b.open {
		if err := r.cancel(ctx, b, id, 1); err != nil {
			return err
		}
	}
	b.open = nil
	return nil
}

// has notes that the buyer was told of the order.
func (r *rush) has(b *buyer, id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders[id] = true
	b.version, b.bought, b.method = 0, b.bought+1, ""
}

func (r *rush) count(n *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
}

// checkout sends the order, twice at once for a double click, and returns its id; 0 when nothing was left.
func (r *rush) checkout(ctx context.Context, b *buyer, double bool) (id int64, known bool, err error) {
	s := r.order(b)
	if !double {
		a, known, err := r.ask(ctx, kindCheckout, b, s)
		if err != nil || !known {
			return 0, known, err
		}
		id, err = placed(a)
		return id, true, err
	}
	var ids [2]int64
	var knew [2]bool
	g, gctx := errgroup.WithContext(ctx)
	for i := range ids {
		g.Go(func() error {
			a, known, err := r.ask(gctx, kindCheckout, b, s)
			if err != nil || !known {
				return err
			}
			knew[i] = true
			ids[i], err = placed(a)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, false, err
	}
	// One of them may have found nothing left and the other a unit that came back just then; two orders may not be.
	if ids[0] != 0 && ids[1] != 0 && ids[0] != ids[1] {
		r.contradiction("one key made the orders %d and %d", ids[0], ids[1])
	}
	return max(ids[0], ids[1]), knew[0] && knew[1] || max(ids[0], ids[1]) != 0, nil
}

// again repeats a request that was answered: the answer must be the same.
func (r *rush) again(ctx context.Context, b *buyer, id int64) error {
	a, known, err := r.ask(ctx, kindCheckout, b, r.order(b))
	if err != nil || !known {
		return err
	}
	if other, err := placed(a); err != nil || other != id {
		r.contradiction("order %d, asked for again, is %d: %v", id, other, err)
	}
	return nil
}

// cancel cancels the order so many times at once. One that is cancelled already is a conflict.
func (r *rush) cancel(ctx context.Context, b *buyer, id int64, times int) error {
	g, ctx := errgroup.WithContext(ctx)
	for range times {
		g.Go(func() error {
			a, known, err := r.ask(ctx, kindCancel, b, sent{
				method: http.MethodPost, path: "/api/v1/cancel", body: map[string]any{"order": id, "reason": "benchmark"},
			})
			if err != nil || !known {
				return err
			}
			if a.status != http.StatusOK && a.status != http.StatusConflict {
				return statusError("/api/v1/cancel", a.status, a.body)
			}
			return nil
		})
	}
	return g.Wait()
}

func (r *rush) contradiction(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

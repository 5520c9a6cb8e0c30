package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// load calls do at a steady rate for a duration with at most workers calls under way, and returns how long each took from
// the moment it was due. The first error ends it.
func load(ctx context.Context, rate float64, duration time.Duration, workers int, do func(ctx context.Context, n int) error) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		start = time.Now()
		total = int64(rate * duration.Seconds())
		next  atomic.Int64
		mu    sync.Mutex
		took  = make([]time.Duration, 0, total)
		wg    sync.WaitGroup
	)
	for range workers {
		wg.Go(func() {
			for {
				n := next.Add(1) - 1
				if n >= total {
					return
				}
				due := start.Add(time.Duration(float64(n) / rate * float64(time.Second)))
				if !sleepUntil(ctx, due) {
					return
				}
				if err := do(ctx, int(n)); err != nil {
					if ctx.Err() == nil {
						cancel(err)
					}
					return
				}
				d := time.Since(due)
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return took, err
	}
	return took, nil
}

func sleepUntil(ctx context.Context, at time.Time) bool {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// schedule is an open-loop load: calls are due at a steady rate, whatever became of those before. A call that finds all
// workers busy waits, and that wait counts.
type schedule struct {
	rate     float64 // calls per second
	duration time.Duration
	workers  int // calls under way at most
	// until, if not nil, ends the load early when it is closed: no call begins after that.
	until <-chan struct{}
	// note, if not nil, is told every few seconds how many calls are done.
	note func(done, total int)
}

// noteEvery is how often the progress of a load is told.
const noteEvery = 5 * time.Second

func (s schedule) total() int { return int(s.rate * s.duration.Seconds()) }

// due is when call n shall begin, after the load's start.
func (s schedule) due(n int) time.Duration {
	return time.Duration(float64(n) / s.rate * float64(time.Second))
}

// run makes the calls; do is told each call's number and when it was due. It returns how many came to their end and how
// long all took. The first error ends it.
func (s schedule) run(ctx context.Context, do func(ctx context.Context, n int, due time.Time) error) (done int, took time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		start     = time.Now()
		next, ran atomic.Int64
		wg        sync.WaitGroup
	)
	for range s.workers {
		wg.Go(func() {
			for {
				n := int(next.Add(1) - 1)
				due := start.Add(s.due(n))
				if n >= s.total() || !s.await(ctx, due) {
					return
				}
				if err := do(ctx, n, due); err != nil {
					cancel(err)
					return
				}
				ran.Add(1)
			}
		})
	}
	ended := make(chan struct{})
	var noting sync.WaitGroup
	noting.Go(func() { s.tell(ended, &ran) })
	wg.Wait()
	took = time.Since(start)
	close(ended)
	noting.Wait()
	return int(ran.Load()), took, context.Cause(ctx)
}

// await returns when a call is due, false if the load ended before.
func (s schedule) await(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.until: // nil is never ready
		return false
	case <-ctx.Done():
		return false
	}
	select {
	case <-s.until:
		return false
	default:
		return ctx.Err() == nil
	}
}

func (s schedule) tell(ended <-chan struct{}, ran *atomic.Int64) {
	if s.note == nil {
		return
	}
	ticker := time.NewTicker(noteEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			s.note(int(ran.Load()), s.total())
		}
	}
}

// sleepUntil returns false if the context ended before.
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

// samples collects durations of several kinds from many goroutines.
type samples struct {
	mu   sync.Mutex
	took map[string][]time.Duration
	bad  map[string]int // calls that went wrong, by kind
	why  error          // the first of them
}

func newSamples() *samples {
	return &samples{took: map[string][]time.Duration{}, bad: map[string]int{}}
}

// add notes a call; one that went wrong took its time all the same.
func (s *samples) add(kind string, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took[kind] = append(s.took[kind], took)
	if err != nil {
		s.bad[kind]++
		if s.why == nil {
			s.why = err
		}
	}
}

// row sums up the kinds in one row, and says in the report if any went wrong.
func (s *samples) row(report *Report, what string, kinds ...string) *Row {
	row := Row{What: what}
	var all []time.Duration
	bad := 0
	for _, kind := range kinds {
		all = append(all, s.took[kind]...)
		bad += s.bad[kind]
	}
	row.latencies(all)
	row.Set("errors", float64(bad))
	report.Rows = append(report.Rows, row)
	return &report.Rows[len(report.Rows)-1]
}

// complain reports that calls went wrong, with the reason of the first.
func (s *samples) complain(report *Report) {
	bad := 0
	for _, n := range s.bad {
		bad += n
	}
	if bad > 0 {
		report.problem("%d calls went wrong, the first: %v", bad, s.why)
	}
}

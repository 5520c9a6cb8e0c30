package projectors

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

type handlerFunc func(ctx context.Context, batch []Record) error

func (f handlerFunc) Handle(ctx context.Context, batch []Record) error { return f(ctx, batch) }

// newJointOf returns a joint whose handler says what it was given.
func newJointOf(window time.Duration, members int, handler handlerFunc) *joint {
	j := newJoint(window, members)
	j.handler = handler
	return j
}

// offsets are those of the records of a batch.
func offsets(batch []Record) (all []int64) {
	for _, r := range batch {
		all = append(all, r.Offset)
	}
	return all
}

// TestJointTakesWhatBeginsTogether: one that comes alone waits for nobody; of a steady stream those that begin at the same time
// are one handle, and one that is early waits for the others no longer than joinFor.
func TestJointTakesWhatBeginsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls [][]int64
		j := newJointOf(60*time.Millisecond, 3, func(_ context.Context, batch []Record) error {
			calls = append(calls, offsets(batch))
			return nil
		})
		handle := func(offset int64, after time.Duration) func() {
			return func() {
				time.Sleep(after)
				if err := j.Handle(t.Context(), []Record{{Offset: offset}}); err != nil {
					t.Error(err)
				}
			}
		}
		began := time.Now()
		handle(0, 0)()
		if took := time.Since(began); took != 0 {
			t.Errorf("the first waited %s", took)
		}
		var wg sync.WaitGroup
		for i := range int64(3) {
			wg.Go(handle(1+i, time.Duration(i)*time.Millisecond))
		}
		wg.Wait()
		if took := time.Since(began); took != 2*time.Millisecond {
			t.Errorf("three took %s, want no more than until the last has come", took)
		}
		wg.Go(handle(4, 0))
		wg.Go(handle(5, 2*joinFor))
		wg.Wait()
		for _, call := range calls {
			slices.Sort(call)
		}
		if want := [][]int64{{0}, {1, 2, 3}, {4}, {5}}; !slices.EqualFunc(calls, want, slices.Equal) {
			t.Errorf("handled %v, want %v", calls, want)
		}
	})
}

// TestJointGathersBehindASlowHandle: who comes while the handler is busy joins the next round.
func TestJointGathersBehindASlowHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls [][]int64
		j := newJointOf(60*time.Millisecond, 4, func(_ context.Context, batch []Record) error {
			calls = append(calls, offsets(batch))
			time.Sleep(time.Second)
			return nil
		})
		var wg sync.WaitGroup
		for i := range int64(4) {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				if err := j.Handle(t.Context(), []Record{{Offset: i}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if want := [][]int64{{0}, {1, 2, 3}}; !slices.EqualFunc(calls, want, slices.Equal) {
			t.Errorf("handled %v, want %v", calls, want)
		}
	})
}

// TestJointFailsNobodyForAnother: when a round fails each member's batch is handled by itself, and only the bad one fails.
func TestJointFailsNobodyForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad record")
		applied := map[int64]int{}
		j := newJointOf(time.Millisecond, 3, func(_ context.Context, batch []Record) error {
			time.Sleep(time.Second)
			for _, r := range batch {
				if r.Offset == 2 {
					return bad
				}
			}
			for _, r := range batch {
				applied[r.Offset]++
			}
			return nil
		})
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range int64(4) { // the first goes alone, and the others are one round
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				errs[i] = j.Handle(t.Context(), []Record{{Offset: i}})
			})
		}
		wg.Wait()
		for i, err := range errs {
			if want := i == 2; errors.Is(err, bad) != want || (applied[int64(i)] == 0) != want {
				t.Errorf("record %d: %v, applied %d times", i, err, applied[int64(i)])
			}
		}
	})
}

// TestJointEndsWithItsGeneration: a round that has not had its turn when the context ends is given up by all its members, and
// nothing of it is handled.
func TestJointEndsWithItsGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancelCause(t.Context())
		calls := 0
		j := newJointOf(time.Millisecond, 3, func(context.Context, []Record) error {
			calls++
			time.Sleep(time.Second)
			return nil
		})
		errs := make([]error, 3)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				errs[i] = j.Handle(ctx, make([]Record, 1))
			})
		}
		time.Sleep(100 * time.Millisecond)
		end(errDrained)
		wg.Wait()
		if calls != 1 || errs[0] != nil || !errors.Is(errs[1], errDrained) || !errors.Is(errs[2], errDrained) {
			t.Errorf("%d calls, and %v", calls, errs)
		}
	})
}

// TestJointBeginsAtWholeWindows: workers whose last handles began within one window begin the next at the same time, not
// later than a window after.
func TestJointBeginsAtWholeWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(1, 1000).Draw(t, "window"))
		j := newJoint(window, 2)
		last := j.began.Add(time.Duration(rapid.IntRange(0, 1_000_000).Draw(t, "last")))
		next := j.begin(last.Add(window))
		if next.Sub(j.began)%window != 0 || !next.After(last) || next.Sub(last) > window {
			t.Fatalf("window %s: %s after the first, next %s later", window, last.Sub(j.began), next.Sub(last))
		}
	})
}

// TestJointHandlesAllOnce: under failures that pass, every batch that was acknowledged has been applied before, each member's in
// its order, and the handler has one caller at a time.
func TestJointHandlesAllOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.IntRange(1, 5).Draw(t, "members")
		batches := rapid.IntRange(1, 20).Draw(t, "batches")
		failEvery := rapid.IntRange(2, 9).Draw(t, "fail every")
		var busy atomic.Bool
		calls := 0
		applied := make([]int64, members) // the last of each
		j := newJointOf(time.Microsecond, members, func(_ context.Context, batch []Record) error {
			if !busy.CompareAndSwap(false, true) {
				return errors.New("two callers")
			}
			defer busy.Store(false)
			if calls++; calls%failEvery == 0 {
				return errors.New("passing")
			}
			for _, r := range batch {
				if r.Offset > applied[r.Partition]+1 {
					return errors.New("out of order")
				}
				applied[r.Partition] = r.Offset
			}
			return nil
		})
		var wg sync.WaitGroup
		var failure atomic.Value
		for m := range members {
			wg.Go(func() {
				for offset := int64(1); offset <= int64(batches); {
					switch err := j.Handle(context.Background(), []Record{{Partition: m, Offset: offset}}); {
					case err == nil:
						offset++
					case err.Error() != "passing":
						failure.Store(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if err := failure.Load(); err != nil {
			t.Fatal(err)
		}
		for m, last := range applied {
			if last != int64(batches) {
				t.Fatalf("member %d: applied up to %d of %d", m, last, batches)
			}
		}
	})
}

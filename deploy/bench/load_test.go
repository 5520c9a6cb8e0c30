package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestCallsAreDueWhateverBecameOfThoseBefore: one worker that is held up must not move the later calls' due times, else
// the hold-up would show in one latency instead of in all.
func TestCallsAreDueWhateverBecameOfThoseBefore(t *testing.T) {
	plan := schedule{rate: 1000, duration: 10 * time.Millisecond, workers: 1}
	var dues []time.Time
	done, _, err := plan.run(t.Context(), func(ctx context.Context, n int, due time.Time) error {
		dues = append(dues, due)
		if n == 0 {
			sleepUntil(ctx, due.Add(20*time.Millisecond))
		}
		return nil
	})
	if err != nil || done != 10 {
		t.Fatalf("%d calls, %v", done, err)
	}
	for n, due := range dues {
		if want := dues[0].Add(time.Duration(n) * time.Millisecond); !due.Equal(want) {
			t.Errorf("call %d was due at %s, want %s", n, due, want)
		}
	}
}

func TestEveryCallIsMadeOnce(t *testing.T) {
	var mu sync.Mutex
	var calls []int
	plan := schedule{rate: 100_000, duration: 5 * time.Millisecond, workers: 8}
	if _, _, err := plan.run(t.Context(), func(_ context.Context, n int, _ time.Time) error {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, n)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(calls)
	for n := range plan.total() {
		if n >= len(calls) || calls[n] != n {
			t.Fatalf("calls: %v", calls)
		}
	}
	if len(calls) != plan.total() {
		t.Errorf("%d calls, want %d", len(calls), plan.total())
	}
}

func TestTheFirstErrorEndsTheLoad(t *testing.T) {
	broken := errors.New("broken")
	plan := schedule{rate: 10, duration: time.Hour, workers: 4}
	done, _, err := plan.run(t.Context(), func(_ context.Context, n int, _ time.Time) error {
		if n == 1 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || done > 4 {
		t.Errorf("%d calls, error %v", done, err)
	}
}

func TestTogetherEndsBothWhenOneFails(t *testing.T) {
	broken := errors.New("broken")
	err := together(t.Context(), func(context.Context) error { return broken }, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if err := together(t.Context(), func(context.Context) error { return nil }, func(context.Context) error { return nil }); err != nil {
		t.Errorf("error %v", err)
	}
}

func TestPacerKeepsQuestionsApart(t *testing.T) {
	p := &pacer{apart: time.Hour}
	if !p.wait(t.Context()) {
		t.Fatal("the first had to wait")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p.wait(ctx) {
		t.Error("the second did not have to wait")
	}
}

// TestALoadEndsEarly: those that wait for calls due much later don't keep it.
func TestALoadEndsEarly(t *testing.T) {
	until := make(chan struct{})
	plan := schedule{rate: 0.5, duration: time.Hour, workers: 50, until: until}
	done, took, err := plan.run(t.Context(), func(context.Context, int, time.Time) error {
		close(until)
		return nil
	})
	if err != nil || done != 1 || took > time.Minute {
		t.Errorf("%d calls in %s, %v", done, took, err)
	}
}

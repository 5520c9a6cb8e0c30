package projectors_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"freshet/projectors"
)

// gate is a handler whose batches end when the test says so.
type gate struct {
	mu    sync.Mutex
	begun []chan error // of the batches in the order they began
}

func (g *gate) Handle(ctx context.Context, batch []projectors.Record) error {
	end := make(chan error, 1)
	g.mu.Lock()
	g.begun = append(g.begun, end)
	g.mu.Unlock()
	select {
	case err := <-end:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.begun)
}

func (g *gate) end(i int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case g.begun[i] <- err:
	default: // it has its end already
	}
}

// Batches of a stage that allows it are handled side by side and become durable in any order; offsets are committed in the
// topic's.
func TestBatchesInFlightCommitInOrder(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	g := &gate{}
	r, _ := b.runtime(b.config())
	stop := b.start(r, projectors.Stage{
		Name: "s", Topics: []string{b.topic("a")}, InFlight: 3, MaxBatch: 1,
		New: func(context.Context, int) (projectors.Handler, error) { return g, nil },
	})
	b.produce("a", 0, numbers(0, 4)...)
	eventually(t, "three batches under way", func() bool { return g.count() == 3 })
	g.end(2, nil)
	g.end(1, nil)
	// Both are durable, and nothing may be committed: the first batch is not. Its own end lets all three through at once.
	g.end(0, nil)
	eventually(t, "the fourth batch", func() bool { return g.count() == 4 })
	eventually(t, "the commit of three", func() bool { return b.committed("s", "a", 0) == 3 })
	g.end(3, nil)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := b.committed("s", "a", 0); got != 4 {
		t.Errorf("committed up to %d, want 4", got)
	}
}

// A batch that is given up takes those behind it along: their offsets would cover its records.
func TestABatchGivenUpIsNotPassed(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	g := &gate{}
	r, _ := b.runtime(b.config())
	stop := b.start(r, projectors.Stage{
		Name: "s", Topics: []string{b.topic("a")}, InFlight: 2, MaxBatch: 1,
		New: func(context.Context, int) (projectors.Handler, error) { return g, nil },
	})
	b.produce("a", 0, numbers(0, 2)...)
	eventually(t, "two batches under way", func() bool { return g.count() == 2 })
	g.end(1, nil)
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	// It is retried until the generation has ended, and then given up.
	g.end(0, errors.New("the store is away"))
	eventually(t, "the end", func() bool {
		for i := range g.count() {
			g.end(i, fmt.Errorf("the store is away, attempt %d", i))
		}
		select {
		case err := <-stopped:
			if err != nil {
				t.Fatal(err)
			}
			return true
		default:
			return false
		}
	})
	if got := b.committed("s", "a", 0); got > 0 {
		t.Errorf("committed up to %d past a batch that was given up", got)
	}
}

package projectors_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"freshet/projectors"
)

// gate is a handler whose batches, of one record each, end when the test says so.
type gate struct {
	mu    sync.Mutex
	begun map[int64]chan error // by offset; of one that is tried again, the newest attempt
}

func (g *gate) Handle(ctx context.Context, batch []projectors.Record) error {
	end := make(chan error, 1)
	g.mu.Lock()
	g.begun[batch[0].Offset] = end
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

// end ends the batch at an offset; one that has its end already keeps it.
func (g *gate) end(offset int64, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case g.begun[offset] <- err:
	default:
	}
}

// Batches of a stage that allows it are handled side by side and become durable in any order; offsets are committed in the
// topic's.
func TestBatchesInFlightCommitInOrder(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	g := &gate{begun: map[int64]chan error{}}
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
	g := &gate{begun: map[int64]chan error{}}
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
	// The first one is tried again until the generation has ended, and then given up.
	eventually(t, "the end", func() bool {
		g.end(0, errors.New("the store is away"))
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

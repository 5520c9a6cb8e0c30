package projectors_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"freshet/projectors"
)

// keeper is a handler with work of its own, which fails once.
type keeper struct {
	handle
	calls, running *atomic.Int64
}

func (k keeper) Run(ctx context.Context) error {
	if k.calls.Add(1) == 1 {
		return errors.New("not yet")
	}
	k.running.Add(1)
	defer k.running.Add(-1)
	<-ctx.Done()
	return nil
}

// TestARunnerLivesAsLongAsItsPartition has one partition's handler do work of its own: it is called again after an error, goes on
// beside the batches, and has ended when the runtime has.
func TestARunnerLivesAsLongAsItsPartition(t *testing.T) {
	b := newBench(t, map[string]int{"a": 2})
	var calls, running, handled atomic.Int64
	plain := handle(func(_ context.Context, batch []projectors.Record) error { handled.Add(int64(len(batch))); return nil })
	s := projectors.Stage{Name: "s", Topics: []string{b.topic("a")}, New: func(_ context.Context, partition int) (projectors.Handler, error) {
		if partition == 0 {
			return keeper{plain, &calls, &running}, nil
		}
		return plain, nil
	}}
	r, _ := b.runtime(b.config())
	stop := b.start(r, s)
	eventually(t, "the handler's own work", func() bool { return running.Load() == 1 })
	b.produce("a", 0, "x")
	b.produce("a", 1, "y")
	eventually(t, "the records", func() bool { return handled.Load() == 2 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 2 || running.Load() != 0 {
		t.Errorf("called %d times, %d still run", calls.Load(), running.Load())
	}
}

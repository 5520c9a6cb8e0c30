package projectors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"freshet/projectors"
)

func numbers(from, to int) (values []string) {
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprint(i))
	}
	return values
}

// TestDeliversInOrder writes to two co-partitioned topics and one of a single partition.
func TestDeliversInOrder(t *testing.T) {
	b := newBench(t, map[string]int{"a": 4, "b": 4, "one": 1})
	j := &journal{}
	const n = 3000
	for p := range 4 {
		b.produce("a", p, numbers(0, n)...)
		b.produce("b", p, numbers(0, n)...)
	}
	b.produce("one", 0, numbers(0, n)...)
	r, _ := b.runtime(b.config())
	stop := b.start(r, j.stage(b, "s", "a", "b", "one"))
	eventually(t, "all records", func() bool { return j.len() >= 9*n })
	b.produce("one", 0, "late")
	eventually(t, "the late record", func() bool { return j.len() >= 9*n+1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for p := range 4 {
		for _, topic := range []string{"a", "b"} {
			if got := j.values(b.topic(topic), p); !slices.Equal(got, numbers(0, n)) {
				t.Errorf("%s/%d: %d records, not 0 to %d in order", topic, p, len(got), n)
			}
			if got := b.committed("s", topic, p); got != n {
				t.Errorf("%s/%d is committed up to %d, want %d", topic, p, got, n)
			}
		}
	}
	if got := b.committed("s", "one", 0); got != n+1 {
		t.Errorf("one/0 is committed up to %d, want %d", got, n+1)
	}
}

// TestLatencyOfAnIdleStage: a record that arrives when nothing happens is handled within milliseconds, not at the next
// poll.
func TestLatencyOfAnIdleStage(t *testing.T) {
	b := newBench(t, map[string]int{"a": 4})
	var seen atomic.Int64
	s := projectors.Stage{Name: "s", Topics: []string{b.topic("a")}, New: func(context.Context, int) (projectors.Handler, error) {
		return handle(func(_ context.Context, batch []projectors.Record) error { seen.Add(int64(len(batch))); return nil }), nil
	}}
	r, _ := b.runtime(b.config())
	b.start(r, s)
	b.produce("a", 0, "warm")
	eventually(t, "the first record", func() bool { return seen.Load() == 1 })
	var times []time.Duration
	for i := range 20 {
		began := time.Now()
		b.produce("a", i%4, "x")
		eventually(t, "the record", func() bool { return seen.Load() == int64(i+2) })
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	t.Logf("produce to handled, polled every 5 ms: median %s, worst %s", times[10], times[19])
	if times[10] > 100*time.Millisecond {
		t.Errorf("median %s", times[10])
	}
}

// TestCommitsOnlyWhatIsHandled ends the process while a batch fails, then starts anew: nothing is lost.
func TestCommitsOnlyWhatIsHandled(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	j := &journal{}
	b.produce("a", 0, numbers(0, 100)...)
	s := j.stage(b, "s", "a")
	s.MaxBatch = 10
	failing := s
	failing.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(_ context.Context, batch []projectors.Record) error {
			if batch[0].Offset >= 50 {
				return errors.New("the store is down")
			}
			j.add(batch)
			return nil
		}), nil
	}
	r, _ := b.runtime(b.config())
	stop := b.start(r, failing)
	eventually(t, "half of the records", func() bool { return j.len() == 50 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := b.committed("s", "a", 0); got != 50 {
		t.Fatalf("committed up to %d, want 50", got)
	}
	r, _ = b.runtime(b.config())
	b.start(r, s)
	eventually(t, "all records", func() bool { return j.len() >= 100 })
	if got := j.values(b.topic("a"), 0); !slices.Equal(got, numbers(0, 100)) {
		t.Fatalf("got %v", got)
	}
}

// TestFinishesTheBatchInHand: cancelling lets a running Handle finish, and commits it.
func TestFinishesTheBatchInHand(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1})
	b.produce("a", 0, numbers(0, 10)...)
	entered, leave := make(chan struct{}), make(chan struct{})
	s := projectors.Stage{Name: "s", Topics: []string{b.topic("a")}, New: func(context.Context, int) (projectors.Handler, error) {
		return handle(func(ctx context.Context, _ []projectors.Record) error {
			close(entered)
			<-leave
			return ctx.Err()
		}), nil
	}}
	r, _ := b.runtime(b.config())
	stop := b.start(r, s)
	<-entered
	stopped := make(chan error)
	go func() { stopped <- stop() }()
	select {
	case <-stopped:
		t.Fatal("Run returned while a batch was in hand")
	case <-time.After(200 * time.Millisecond):
	}
	close(leave)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if got := b.committed("s", "a", 0); got != 10 {
		t.Fatalf("committed up to %d, want 10", got)
	}
}

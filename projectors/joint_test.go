package projectors_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"freshet/ingest/change"
	"freshet/projectors"
)

// TestPartitionsAreHandledTogether: what comes to three partitions at about the same time is one handle; a record of one of them
// that can't be applied is parked, all others are applied in order, and each partition's offset is committed.
func TestPartitionsAreHandledTogether(t *testing.T) {
	b := newBench(t, map[string]int{"a": 3})
	j := &journal{}
	var together atomic.Bool
	s := j.stage(b, "s", "a")
	s.Joint, s.Window = true, 20*time.Millisecond
	s.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(_ context.Context, batch []projectors.Record) error {
			var poison projectors.Poison
			partitions := map[int]bool{}
			for _, r := range batch {
				if partitions[r.Partition] = true; string(r.Value) == "bad" {
					poison.Add(r, fmt.Errorf("%w: bad", change.ErrMalformed))
				}
			}
			if err := poison.Err(); err != nil {
				return err
			}
			if j.add(batch); len(partitions) == 3 {
				together.Store(true)
			}
			return nil
		}), nil
	}
	r, _ := b.runtime(b.config())
	stop := b.start(r, s)
	rounds := 0
	for ; rounds < 10 || !together.Load(); rounds++ { // whether three come to one handle is a matter of time
		if rounds == 1000 {
			t.Fatal("three partitions were never handled together")
		}
		if rounds == 5 {
			b.produce("a", 1, "bad")
		}
		for partition := range 3 {
			b.produce("a", partition, fmt.Sprint(rounds))
		}
	}
	eventually(t, "all that can be applied", func() bool { return j.len() == 3*rounds })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for partition := range 3 {
		for i, v := range j.values(b.topic("a"), partition) {
			if v != fmt.Sprint(i) {
				t.Fatalf("partition %d: record %d is %s", partition, i, v)
			}
		}
		if got, want := b.committed("s", "a", partition), int64(rounds); got != want && (partition != 1 || got != want+1) {
			t.Errorf("partition %d: committed up to %d of %d", partition, got, want)
		}
	}
	if letters := b.all(change.DeadLetterTopic(b.prefix)); len(letters) != 1 || string(letters[0].Value) != "bad" {
		t.Errorf("%d dead letters, want the one that is bad", len(letters))
	}
}

// TestFullBatchesAreHandledBesideEachOther: the backlogs of two partitions don't wait for one handler.
func TestFullBatchesAreHandledBesideEachOther(t *testing.T) {
	b := newBench(t, map[string]int{"a": 2})
	j := &journal{}
	s := j.stage(b, "s", "a")
	s.Joint, s.Window, s.MaxBatch = true, 20*time.Millisecond, 3
	var entered atomic.Int32
	both := make(chan struct{})
	s.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(ctx context.Context, batch []projectors.Record) error {
			if entered.Add(1) == 2 {
				close(both)
			}
			if err := opened(ctx, both); err != nil {
				return err
			}
			j.add(batch)
			return nil
		}), nil
	}
	for i := range s.MaxBatch {
		for partition := range 2 {
			b.produce("a", partition, fmt.Sprint(i))
		}
	}
	r, _ := b.runtime(b.config())
	stop := b.start(r, s)
	eventually(t, "both backlogs", func() bool { return j.len() == 2*s.MaxBatch })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

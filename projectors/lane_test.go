package projectors_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/projectors"
)

var bulkHeader = kafka.Header{Key: projectors.HeaderLane, Value: []byte(projectors.LaneBulk)}

// isBulk is the test's own mark.
func isBulk(r projectors.Record) bool { return strings.HasPrefix(string(r.Value), "bulk") }

// TestAHotRecordOvertakesBulk has bulk stand still at its first batch, far more of it than a worker holds: a hot record
// behind all of it is handled meanwhile, and nothing of the bulk is committed. Then all is handled, each record once.
func TestAHotRecordOvertakesBulk(t *testing.T) {
	b := newBench(t, map[string]int{"a": 1, "ordered": 1})
	gate := make(chan struct{})
	var applied journal
	config := b.config()
	config.PartitionBytes, config.FetchBytes, config.FetchPause = 8<<10, 8<<10, time.Millisecond
	config.Hurry = time.Hour
	r, _ := b.runtime(config)
	stop := b.start(r, projectors.Stage{
		Name: "s", Topics: []string{b.topic("a"), b.topic("ordered")}, Overtake: []string{b.topic("a")}, MaxBatch: 50, BulkBatch: 20, InFlight: 2,
		New: func(context.Context, int) (projectors.Handler, error) {
			return handle(func(ctx context.Context, batch []projectors.Record) error {
				if slices.ContainsFunc(batch, isBulk) {
					if err := opened(ctx, gate); err != nil {
						return err
					}
				}
				applied.add(batch)
				return nil
			}), nil
		},
	})
	open := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(open)
	b.produce("a", 0, "first") // somebody is in a hurry
	eventually(t, "the first record", func() bool { return applied.len() == 1 })
	filler := strings.Repeat("x", 100)
	b.produceAs("a", 0, bulkHeader, slices.Repeat([]string{"bulk " + filler}, 2000)...)
	b.produce("a", 0, "hot")
	eventually(t, "the hot record", func() bool { return slices.Contains(applied.values(b.topic("a"), 0), "hot") })
	end := b.produce("a", 0, "hotter")
	eventually(t, "the next one", func() bool { return slices.Contains(applied.values(b.topic("a"), 0), "hotter") })
	if n, committed := applied.len(), b.committed("s", "a", 0); n != 3 || committed > 1 {
		t.Errorf("%d records applied, committed up to %d, while the bulk stands still", n, committed)
	}
	b.produce("ordered", 0, "in its turn")
	open()
	eventually(t, "all", func() bool { return b.committed("s", "a", 0) == end && applied.len() >= int(end)+1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n := applied.len(); n != int(end)+1 {
		t.Errorf("%d records handled, want each of %d once", n, end+1)
	}
}

// TestBulkAloneIsNotHeldUp: with nobody in a hurry a stage takes bulk in full batches, of all partitions at a time.
func TestBulkAloneIsNotHeldUp(t *testing.T) {
	b := newBench(t, map[string]int{"a": 2})
	var mu sync.Mutex
	var largest, under int
	r, _ := b.runtime(b.config())
	both := make(chan struct{})
	meet := sync.OnceFunc(func() { close(both) })
	b.start(r, projectors.Stage{
		Name: "s", Topics: []string{b.topic("a")}, Overtake: []string{b.topic("a")}, MaxBatch: 50, BulkBatch: 5,
		New: func(context.Context, int) (projectors.Handler, error) {
			return handle(func(ctx context.Context, batch []projectors.Record) error {
				mu.Lock()
				largest, under = max(largest, len(batch)), under+1
				if under == 2 {
					meet()
				}
				mu.Unlock()
				defer func() { mu.Lock(); under--; mu.Unlock() }()
				return opened(ctx, both)
			}), nil
		},
	})
	for partition := range 2 {
		b.produceAs("a", partition, bulkHeader, numbers(0, 100)...)
	}
	eventually(t, "all", func() bool { return b.committed("s", "a", 0) == 100 && b.committed("s", "a", 1) == 100 })
	mu.Lock()
	defer mu.Unlock()
	if largest != 50 {
		t.Errorf("the largest batch had %d records, want 50", largest)
	}
}

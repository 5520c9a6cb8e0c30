package projectors_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/progress"
)

// source is ingest as the stages see it: it writes records, and says up to which LSN it has, by which offsets.
type source struct {
	b     *bench
	topic string
	ends  []int64
	lsn   change.LSN
	full  bool
}

func (s *source) write(partition int, values ...string) {
	s.ends[partition] = s.b.produce(s.topic, partition, values...)
}

// announce moves the LSN on, as for an idle stream when nothing was written.
func (s *source) announce() change.LSN {
	s.b.t.Helper()
	s.lsn += 100
	p := change.Progress{
		Stage: "ingest", LSN: s.lsn, Time: time.UnixMilli(int64(s.lsn)).UTC(), Full: !s.full,
		Ends: map[string][]int64{s.b.topic(s.topic): append([]int64(nil), s.ends...)},
	}
	s.full = true
	_, value, err := p.Encode()
	if err != nil {
		s.b.t.Fatal(err)
	}
	s.b.produce("progress", 0, string(value))
	return s.lsn
}

// forward is a stage that copies its input to an output topic through the runtime's producer.
func forward(b *bench, r *projectors.Runtime, name, from, to, upstream string, j *journal) projectors.Stage {
	s := projectors.Stage{Name: name, Topics: []string{b.topic(from)}, Upstream: []string{upstream}}
	if to != "" {
		s.Outputs = []string{b.topic(to)}
	}
	s.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(ctx context.Context, batch []projectors.Record) error {
			var out []projectors.Message
			for _, record := range batch {
				// Another key than the input's: what one worker reads goes to all partitions.
				out = append(out, projectors.Message{Topic: b.topic(to), Key: record.Value, Value: record.Value})
			}
			if to != "" {
				if _, err := r.Producer().Publish(ctx, out); err != nil {
					return err
				}
			}
			j.add(batch)
			return nil
		}), nil
	}
	return s
}

// TestWatermarksThroughTwoStages: a reader who waits for an LSN finds everything written before it at the end of the
// chain, and waits for nothing else: partitions without data advance with the stream.
func TestWatermarksThroughTwoStages(t *testing.T) {
	b := newBench(t, map[string]int{"in": 3, "mid": 3})
	r, _ := b.runtime(b.config())
	var first, last journal
	b.start(r, forward(b, r, "first", "in", "mid", "ingest", &first), forward(b, r, "last", "mid", "", "first", &last))
	src := &source{b: b, topic: "in", ends: make([]int64, 3)}
	if _, ok := r.Tracker().Watermark("last"); ok {
		t.Error("a watermark before anything was announced")
	}

	var times []time.Duration
	for round := range 30 {
		for i := range round % 4 { // every fourth round writes nothing
			src.write(i%3, numbers(round*100+i*10, round*100+i*10+5)...)
		}
		written := int(src.ends[0] + src.ends[1] + src.ends[2])
		began := time.Now()
		lsn := src.announce()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := r.Tracker().Wait(ctx, lsn, "last", "first"); err != nil {
			t.Fatal(err)
		}
		cancel()
		times = append(times, time.Since(began))
		if first.len() != written || last.len() != written {
			t.Fatalf("round %d: the watermark passed %s with %d and %d of %d records applied", round, lsn, first.len(), last.len(), written)
		}
		w, _ := r.Tracker().Watermark("last")
		if w.LSN != lsn || !w.Time.Equal(time.UnixMilli(int64(lsn))) {
			t.Fatalf("watermark %+v, want %s", w, lsn)
		}
	}
	t.Logf("announced to passed by two stages: %s", mustJSON(t, times[10:]))
}

// TestWatermarkWaitsForHandle: not before the batch is durable.
func TestWatermarkWaitsForHandle(t *testing.T) {
	b := newBench(t, map[string]int{"in": 2})
	r, _ := b.runtime(b.config())
	var hold sync.Mutex
	var entered atomic.Bool
	s := projectors.Stage{Name: "s", Topics: []string{b.topic("in")}, Upstream: []string{"ingest"}}
	s.New = func(context.Context, int) (projectors.Handler, error) {
		return handle(func(context.Context, []projectors.Record) error {
			entered.Store(true)
			hold.Lock()
			defer hold.Unlock()
			return nil
		}), nil
	}
	b.start(r, s)
	src := &source{b: b, topic: "in", ends: make([]int64, 2)}
	before := src.announce()
	if err := r.Tracker().Wait(t.Context(), before, "s"); err != nil {
		t.Fatal(err)
	}
	hold.Lock()
	src.write(1, "x")
	lsn := src.announce()
	eventually(t, "the handler", entered.Load)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := r.Tracker().Wait(ctx, lsn, "s"); err == nil {
		t.Error("the watermark passed a record that was being handled")
	}
	if w, _ := r.Tracker().Watermark("s"); w.LSN != before {
		t.Errorf("watermark %s, want %s", w.LSN, before)
	}
	hold.Unlock()
	if err := r.Tracker().Wait(t.Context(), lsn, "s"); err != nil {
		t.Fatal(err)
	}
}

// TestWatermarkSurvivesRestart: a new process and a reader that starts now both learn everything from the topic.
func TestWatermarkSurvivesRestart(t *testing.T) {
	b := newBench(t, map[string]int{"in": 2, "mid": 2})
	src := &source{b: b, topic: "in", ends: make([]int64, 2)}
	for round := range 2 {
		r, _ := b.runtime(b.config())
		var j journal
		stop := b.start(r, forward(b, r, "first", "in", "mid", "ingest", &j))
		src.write(round, fmt.Sprint(round))
		lsn := src.announce()
		reader, err := progress.New(progress.Config{Brokers: b.brokers, Prefix: b.prefix}, b.logger())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- reader.Run(ctx) }()
		if err := reader.Wait(t.Context(), lsn, "first"); err != nil {
			t.Fatal(err)
		}
		cut, ok := reader.Cut([]string{"first"}, []string{b.topic("mid")})
		if !ok || cut.LSN != lsn || cut.Ends[b.topic("mid")][0]+cut.Ends[b.topic("mid")][1] != int64(round+1) {
			t.Errorf("cut %+v, %v", cut, ok)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

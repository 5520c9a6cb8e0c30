package progress_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors/progress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type topic struct {
	t       *testing.T
	brokers []string
	prefix  string
	client  *kafka.Client
}

func newTopic(t *testing.T) *topic {
	t.Helper()
	brokers, prefix := stacktest.Kafka(t)
	transport := &kafka.Transport{MetadataTTL: 200 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	p := &topic{t: t, brokers: brokers, prefix: prefix, client: &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}}
	answer, err := p.client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: change.ProgressTopic(prefix), NumPartitions: 1, ReplicationFactor: 1}},
	})
	if err != nil || answer.Errors[change.ProgressTopic(prefix)] != nil {
		t.Fatal(err, answer)
	}
	return p
}

func (p *topic) publish(values ...string) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		var records []kafka.Record // anew for each attempt: sending consumes them
		for _, v := range values {
			records = append(records, kafka.Record{Value: kafka.NewBytes([]byte(v))})
		}
		answer, err := p.client.Produce(p.t.Context(), &kafka.ProduceRequest{
			Topic: change.ProgressTopic(p.prefix), RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
		})
		if err == nil && answer.Error == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatal(err, answer)
		}
	}
}

func record(stage string, lsn change.LSN, full bool) string {
	_, value, err := change.Progress{Stage: stage, LSN: lsn, Time: time.UnixMilli(int64(lsn)).UTC(), Full: full, Ends: map[string][]int64{"in": {int64(lsn)}}}.Encode()
	if err != nil {
		panic(err)
	}
	return string(value)
}

// follow runs a tracker until the test ends.
func (p *topic) follow(lookBack int64) *progress.Tracker {
	p.t.Helper()
	logger := slog.New(slog.NewTextHandler(p.t.Output(), nil))
	tracker, err := progress.New(progress.Config{Brokers: p.brokers, Prefix: p.prefix, LookBack: lookBack, MaxWait: 100 * time.Millisecond}, logger)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tracker.Run(ctx) }()
	p.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
	})
	return tracker
}

func TestFollows(t *testing.T) {
	p := newTopic(t)
	tracker := p.follow(0)
	p.publish(record("a", 10, true), record("b", 7, true))
	wait(t, tracker, 7, "a", "b")
	cut, ok := tracker.Cut([]string{"a", "b"}, []string{"in"})
	if !ok || cut.LSN != 7 || cut.Ends["in"][0] != 10 {
		t.Errorf("cut %+v, %v", cut, ok)
	}
	p.publish(record("b", 12, false))
	wait(t, tracker, 10, "a", "b")
	if w, ok := tracker.Lowest("a", "b"); !ok || w.LSN != 10 || !w.Time.Equal(time.UnixMilli(10)) {
		t.Errorf("lowest %+v, %v", w, ok)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := tracker.Wait(ctx, 11, "a", "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait for what was not announced: %v", err)
	}
}

func wait(t *testing.T, tracker *progress.Tracker, lsn change.LSN, stages ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := tracker.Wait(ctx, lsn, stages...); err != nil {
		t.Fatal(err)
	}
}

// TestLooksBack begins within a long topic: what was said before is known, what lies further back is not needed.
func TestLooksBack(t *testing.T) {
	p := newTopic(t)
	p.publish(record("forgotten", 5, true))
	for i := range change.LSN(100) {
		p.publish(record("a", 100+i, i%50 == 49))
	}
	tracker := p.follow(60)
	wait(t, tracker, 199, "a")
	if _, ok := tracker.Cut([]string{"a"}, nil); !ok {
		t.Error("a full record 50 from the end was not heard")
	}
	if _, ok := tracker.Watermark("forgotten"); ok {
		t.Error("it read from the beginning")
	}
}

// TestCatchesUp: who has caught up knows a stage by what it said last, though the topic takes several fetches.
func TestCatchesUp(t *testing.T) {
	p := newTopic(t)
	const last = 80
	p.long(last)
	tracker := p.follow(0)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := tracker.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if w, ok := tracker.Watermark("a"); !ok || w.LSN != last {
		t.Errorf("watermark %+v, %v, want %d", w, ok, last)
	}
	stopped, err := progress.New(progress.Config{Brokers: p.brokers, Prefix: p.prefix}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := stopped.CatchUp(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that doesn't run has caught up: %v", err)
	}
}

// long publishes records of a stage up to a position, which are together larger than a fetch may be.
func (p *topic) long(last change.LSN) {
	p.t.Helper()
	ends := make([]int64, 20_000)
	for lsn := change.LSN(1); lsn <= last; lsn++ {
		for i := range ends {
			ends[i] = int64(lsn) + 1_000
		}
		_, value, err := change.Progress{Stage: "a", LSN: lsn, Time: time.UnixMilli(int64(lsn)).UTC(), Full: true, Ends: map[string][]int64{"in": ends}}.Encode()
		if err != nil {
			p.t.Fatal(err)
		}
		p.publish(string(value))
	}
}

// TestMalformedRecord: it may have been a delta, so cuts wait for the next full records.
func TestMalformedRecord(t *testing.T) {
	p := newTopic(t)
	tracker := p.follow(0)
	p.publish(record("a", 10, true), "{", record("a", 11, false))
	wait(t, tracker, 11, "a")
	if cut, ok := tracker.Cut([]string{"a"}, nil); ok {
		t.Errorf("cut %+v after a record that can't be understood", cut)
	}
	p.publish(record("a", 12, true))
	wait(t, tracker, 12, "a")
	if cut, ok := tracker.Cut([]string{"a"}, nil); !ok || cut.LSN != 12 {
		t.Errorf("cut %+v, %v", cut, ok)
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := progress.New(progress.Config{}, slog.Default()); err == nil {
		t.Error("an empty configuration was taken")
	} else if want := "progress: no brokers\nno topic prefix"; fmt.Sprint(err) != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

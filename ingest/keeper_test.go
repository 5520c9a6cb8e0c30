package ingest

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/ingest/topic"
)

// TestPositionCutOffKeepsItsMarks stops a session while it stores a position, as an orderly stop may: the marks of the
// transactions that are durable were taken by then, and the last store of the session must hold them.
func TestPositionCutOffKeepsItsMarks(t *testing.T) {
	k, p := newKeeperRig(t, nil, nil)
	k.position = position{State: snapshotting, Generation: 1, Slot: k.position.Slot, Remaining: []string{"public.products"}}

	tx := p.begin()
	tx.mark = func(p *position) { p.State, p.Remaining = streaming, nil }
	p.commit(tx, 100, 0)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if k.keep(stopped) == nil {
		t.Fatal("a store that is cut off says nothing")
	}
	if k.acked.Load() != 0 {
		t.Error("a position that was not stored is acknowledged")
	}
	if !k.behind(p.state()) {
		t.Fatal("nothing is left to store")
	}
	if err := k.keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored, err := k.store.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stored.State != streaming || len(stored.Remaining) > 0 || stored.LSN != 100 || k.acked.Load() != 100 || k.behind(p.state()) {
		t.Errorf("stored %+v, acknowledged %d", stored, k.acked.Load())
	}
}

// TestFirstRecordsAreToldOf: the position must not pass a topic's first records before it says that there are some, or a
// topic that is made again would count as one that held nothing.
func TestFirstRecordsAreToldOf(t *testing.T) {
	k, p := newKeeperRig(t, map[string][]int64{"products": {0, 0}, "prices": {7}}, map[string]string{"products": "a", "prices": "b"})
	if err := k.keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	steps := []struct {
		topic  string
		offset int64 // that its first partition reaches
		cut    bool  // the store fails
		told   bool  // the position tells of the ends
	}{
		{"prices", 8, false, false},
		{"products", 3, true, true},
		{"products", 4, false, true}, // what could not be stored is told by the next
		{"products", 5, false, false},
	}
	tx := p.begin()
	for i, step := range steps {
		next := p.begin() // a stream with nothing under way tells of all ends as well
		tx.pending = 1
		p.acknowledged(p.partitions(step.topic)[0], &batch{txs: []*transaction{tx}, buf: make([]byte, batchHeaderSize)}, step.offset)
		p.commit(tx, change.LSN(100+i), 0)
		tx = next
		ctx := t.Context()
		if step.cut {
			ctx = stopped
		}
		if err := k.keep(ctx); (err != nil) != step.cut {
			t.Fatalf("%+v: %v", step, err)
		}
		got := k.position
		if told := got.Ends != nil; told != step.told || (told && (got.Ends["products"][0] != step.offset || got.IDs["products"] != "a")) {
			t.Errorf("%+v: the position tells of ends %v, ids %v", step, got.Ends, got.IDs)
		}
	}
}

// newKeeperRig makes a keeper on a topic of its own, and its publisher.
func newKeeperRig(t *testing.T, ends map[string][]int64, ids map[string]string) (*keeper, *publisher) {
	t.Helper()
	brokers, prefix := stacktest.Kafka(t)
	config := Config{Prefix: prefix, Slot: prefix, Brokers: brokers, BufferBytes: 1 << 20, BatchBytes: 1 << 16}
	if err := topic.Ensure(t.Context(), config.cluster(), []topic.Spec{positionSpec(prefix)}); err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	transport := &kafka.Transport{} // of its own: the default one knows the topics of some seconds ago
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 20 * time.Second}
	all := map[string][]int64{change.DeadLetterTopic(prefix): {0}}
	maps.Copy(all, ends)
	p := newPublisher(t.Context(), &config, client, m, all, ids)
	return newKeeper(positionStore{client, change.PositionTopic(prefix)}, p, position{State: streaming, Generation: 1, Slot: prefix}), p
}

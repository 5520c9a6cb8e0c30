package ingest

import (
	"context"
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
	store := positionStore{client, change.PositionTopic(prefix)}
	p := newPublisher(t.Context(), &config, client, m, map[string][]int64{change.DeadLetterTopic(prefix): {0}}, nil)
	k := newKeeper(store, p, position{State: snapshotting, Generation: 1, Slot: prefix, Remaining: []string{"public.products"}})

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
	stored, err := store.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if stored.State != streaming || len(stored.Remaining) > 0 || stored.LSN != 100 || k.acked.Load() != 100 || k.behind(p.state()) {
		t.Errorf("stored %+v, acknowledged %d", stored, k.acked.Load())
	}
}

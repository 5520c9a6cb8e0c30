package tail_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/topic"
	"freshet/projectors"
	"freshet/projectors/tail"
)

// TestBackAndEach: the newest match is found however many records stand behind it, up to the bound, and what was looked
// through is told; a range is read whole and no further.
func TestBackAndEach(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	cluster := broker.Cluster{Addresses: brokers}
	if err := topic.Ensure(t.Context(), cluster, topic.Flow(prefix, 2, time.Hour)); err != nil {
		t.Fatal(err)
	}
	transport := broker.Security{}.Transport("test", 0)
	t.Cleanup(transport.CloseIdleConnections)
	client := cluster.Client(transport, 20*time.Second)
	name, reader := change.OfferViewTopic(prefix), tail.New(client)
	if n, err := reader.Partitions(t.Context(), name); err != nil || n != 2 {
		t.Fatalf("%d partitions, %v", n, err)
	}
	if _, err := reader.Partitions(t.Context(), prefix+".nowhere"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("a topic that is not there: %v", err)
	}
	const records = 2500
	batch := make([]kafka.Record, records)
	for i := range batch {
		batch[i] = kafka.Record{Value: kafka.NewBytes(fmt.Appendf(nil, "%d", i))}
	}
	answer, err := client.Produce(t.Context(), &kafka.ProduceRequest{Topic: name, Partition: 1, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(batch...)})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		wanted       string
		most, looked int64
		found, all   bool
	}{
		{"2499", 5000, 1000, true, false},
		{"100", 5000, 2500, true, true},
		{"100", 1200, 1200, false, false},
		{"none", 5000, 2500, false, true},
	} {
		record, looked, all, err := reader.Back(t.Context(), name, 1, c.most, func(r projectors.Record) bool { return string(r.Value) == c.wanted })
		if err != nil {
			t.Fatal(err)
		}
		if (record != nil) != c.found || looked != c.looked || all != c.all {
			t.Errorf("%+v: found %v, looked through %d, all %t", c, record != nil, looked, all)
		}
		if record != nil && (string(record.Value) != c.wanted || fmt.Sprint(record.Offset) != c.wanted) {
			t.Errorf("%+v: found %s at %d", c, record.Value, record.Offset)
		}
	}
	var got []int64
	if err := reader.Each(t.Context(), name, 1, 1498, 1501, func(r projectors.Record) error { got = append(got, r.Offset); return nil }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[1498 1499 1500]" {
		t.Errorf("read %v", got)
	}
	stop := errors.New("enough")
	if err := reader.Each(t.Context(), name, 1, 0, records, func(projectors.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a reader that has enough: %v", err)
	}
}

package ingest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/ingest/topic"
)

// TestElsewhere has rows go from one partition to the next: whether one lives says the newest record in all of them,
// whichever partition is looked at last.
func TestElsewhere(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	config := Config{Brokers: brokers}
	name := change.Topic(prefix, "public", "lines")
	if err := topic.Ensure(t.Context(), config.cluster(), []topic.Spec{{Name: name, Partitions: 4}}); err != nil {
		t.Fatal(err)
	}
	transport := &kafka.Transport{} // of its own: the default one knows the topics of some seconds ago
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 20 * time.Second}
	var parts []*partition
	for id := range 4 {
		parts = append(parts, &partition{topic: name, id: id})
	}
	put := func(partition int, key string, commit change.LSN, index int, value []byte) {
		t.Helper()
		_, err := client.Produce(t.Context(), &kafka.ProduceRequest{
			Topic: name, Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{
				Key: kafka.NewBytes([]byte(key)), Value: kafka.NewBytes(value),
				Headers: []kafka.Header{
					{Key: change.HeaderCommitLSN, Value: change.AppendLSN(nil, commit)}, {Key: change.HeaderTxIndex, Value: fmt.Append(nil, index)},
				},
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	row := []byte("{}")
	for _, key := range []string{"back", "gone", "moved", "old", "nowhere"} {
		put(3, key, 50, 1, row)
	}
	put(2, "back", 110, 1, row) // and from there to 1, which is looked at before
	put(2, "back", 120, 1, nil)
	put(1, "back", 120, 2, row)
	put(1, "gone", 110, 1, row)
	put(1, "gone", 120, 1, nil)
	put(0, "moved", 110, 1, row)
	put(0, "old", 40, 1, row)

	var gone []vanished
	for _, key := range []string{"back", "gone", "moved", "old", "nowhere"} {
		gone = append(gone, vanished{part: parts[3], key: key})
	}
	alive, err := leftover{client: client, since: 100}.elsewhere(t.Context(), parts, gone)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(alive, func(_ string, is bool) bool { return !is })
	if got := slices.Sorted(maps.Keys(alive)); !slices.Equal(got, []string{"back", "moved"}) {
		t.Errorf("%v live elsewhere", got)
	}
}

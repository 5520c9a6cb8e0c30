package topic_test

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/broker"
	"freshet/ingest/topic"
)

// TestEnsure is pitfall 35: another number of partitions is refused.
func TestEnsure(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	flow := topic.Flow(prefix, 3, time.Hour)
	stores, prices := len(flow), len(flow)+1
	specs := append(flow,
		topic.Table(prefix, "public", "stores", 3, time.Hour, topic.Dimensions()),
		topic.Table(prefix, "public", "prices", 3, time.Hour, topic.Dimensions()),
		topic.Spec{Name: prefix + ".position", Partitions: 1, KeepBytes: 16 << 20})
	for range 2 { // twice is harmless
		if err := topic.Ensure(t.Context(), broker.Cluster{Addresses: brokers}, specs); err != nil {
			t.Fatal(err)
		}
	}
	if specs[stores].Partitions != 1 || specs[prices].Partitions != 3 {
		t.Errorf("partitions: %+v", specs[stores:])
	}
	var mismatch *topic.MismatchError
	specs[prices].Partitions = 5
	if err := topic.Ensure(t.Context(), broker.Cluster{Addresses: brokers}, specs); !errors.As(err, &mismatch) {
		t.Errorf("a changed partition count: %v", err)
	}
}

// TestEnsureRefusesCompaction is pitfall 35 too: kafka-go's readers stop at what compaction leaves.
func TestEnsureRefusesCompaction(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	client := &kafka.Client{Addr: kafka.TCP(brokers...)}
	name := prefix + ".compacted"
	answer, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: name, NumPartitions: 1, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: "compact"}},
	}}})
	if err != nil || answer.Errors[name] != nil {
		t.Fatal(err, answer)
	}
	var mismatch *topic.MismatchError
	err = topic.Ensure(t.Context(), broker.Cluster{Addresses: brokers}, []topic.Spec{{Name: name, Partitions: 1, Retention: time.Hour}})
	if !errors.As(err, &mismatch) {
		t.Errorf("a compacted topic: %v", err)
	}
}

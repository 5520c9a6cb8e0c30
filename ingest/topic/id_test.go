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

// TestIDs: a topic keeps its id, and one that is made again under its name has another.
func TestIDs(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	cluster := broker.Cluster{Addresses: brokers}
	transport := cluster.Transport("test", 200*time.Millisecond)
	t.Cleanup(transport.CloseIdleConnections)
	client := cluster.Client(transport, 15*time.Second)
	specs := []topic.Spec{{Name: prefix + ".a", Partitions: 2, Retention: time.Hour}, {Name: prefix + ".b", Partitions: 1, Retention: time.Hour}}
	ask := func() (a, b string) {
		t.Helper()
		if err := topic.Ensure(t.Context(), cluster, specs); err != nil {
			t.Fatal(err)
		}
		ids, err := topic.IDs(t.Context(), client, specs[0].Name, specs[1].Name)
		if err != nil || len(ids) != 2 {
			t.Fatal(ids, err)
		}
		return ids[specs[0].Name], ids[specs[1].Name]
	}
	a, b := ask()
	if a == b || len(a) != 22 {
		t.Errorf("ids %q and %q", a, b)
	}
	if again, _ := ask(); again != a {
		t.Errorf("%q became %q", a, again)
	}
	answer, err := client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{specs[0].Name}})
	if err != nil || answer.Errors[specs[0].Name] != nil {
		t.Fatal(err, answer)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err := topic.IDs(t.Context(), client, specs[0].Name); errors.Is(err, kafka.UnknownTopicOrPartition) {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("a topic that is deleted: %v", err)
		}
	}
	if remade, kept := ask(); remade == a || kept != b {
		t.Errorf("%q and %q became %q and %q, of which the first was made again", a, b, remade, kept)
	}
}

package ingest_test

import (
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"freshet/ingest"
	"freshet/ingest/change"
)

// TestOversize is pitfalls 34 and 37: it parks rows that are larger than our limit, and rows that only the broker finds too large, and lets the
// others pass.
func TestOversize(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key, note text)`, `create publication freshet for table products`)
	r.config.MaxRecordBytes = 300_000
	// A topic whose limit is lower than ours.
	topics := make([]kafka.TopicConfig, 1)
	topics[0] = kafka.TopicConfig{
		Topic: change.Topic(r.prefix, "public", "products"), NumPartitions: r.config.Partitions, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: "100000"}},
	}
	if answer, err := r.client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: topics}); err != nil || answer.Errors[topics[0].Topic] != nil {
		t.Fatal(err, answer)
	}
	r.start(func(c *ingest.Config) { c.Partitions = 3 })
	r.settle()
	r.exec(`insert into products select i, case i when 3 then repeat('x', 400000) when 5 then repeat('y', 200000) else 'small' end from generate_series(1, 30) i`)
	r.settle()
	events := r.events("products")
	if len(events) != 28 {
		t.Errorf("%d events, want 28", len(events))
	}
	letters, err := r.read(change.DeadLetterTopic(r.prefix), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, l := range letters {
		if l.header("dl_stage") != "ingest" || l.header("dl_topic") != topics[0].Topic || l.header(change.HeaderTxIndex) == "" || len(l.header("dl_size")) != 6 {
			t.Errorf("headers: %v", l.headers)
		}
		reasons[string(l.key)] = l.header("dl_reason")
	}
	if len(reasons) != 2 || !strings.Contains(reasons[`{"id":3}`], "the limit is 300000") || !strings.Contains(reasons[`{"id":5}`], "Message Size Too Large") {
		t.Errorf("dead letters: %v", reasons)
	}
}

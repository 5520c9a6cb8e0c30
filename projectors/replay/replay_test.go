package replay_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/topic"
	"freshet/projectors/replay"
)

type bench struct {
	t      *testing.T
	client *kafka.Client
	prefix string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	brokers, prefix := stacktest.Kafka(t)
	specs := append(topic.Flow(prefix, 2, time.Hour), topic.Spec{Name: prefix + ".public.products", Partitions: 2, Retention: time.Hour})
	if err := topic.Ensure(t.Context(), broker.Cluster{Addresses: brokers}, specs); err != nil {
		t.Fatal(err)
	}
	transport := broker.Security{}.Transport("test", 0)
	t.Cleanup(transport.CloseIdleConnections)
	return &bench{t, broker.Cluster{Addresses: brokers}.Client(transport, 20*time.Second), prefix}
}

func (b *bench) produce(topic string, partition int, key, value string, headers ...string) {
	b.t.Helper()
	record := kafka.Record{Key: kafka.NewBytes([]byte(key))}
	if value != "" {
		record.Value = kafka.NewBytes([]byte(value))
	}
	for i := 0; i < len(headers); i += 2 {
		record.Headers = append(record.Headers, kafka.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	answer, err := b.client.Produce(b.t.Context(), &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(record),
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// records renders a partition, a record a line.
func (b *bench) records(topic string, partition int) (lines []string) {
	b.t.Helper()
	answer, err := b.client.Fetch(b.t.Context(), &kafka.FetchRequest{Topic: topic, Partition: partition, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		b.t.Fatal(err)
	}
	for {
		r, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			b.t.Fatal(err)
		}
		key, _ := kafka.ReadAll(r.Key)
		value, _ := kafka.ReadAll(r.Value)
		line := fmt.Sprintf("%s=%s", key, value)
		for _, h := range r.Headers {
			line += " " + h.Key + ":" + string(h.Value)
		}
		lines = append(lines, line)
	}
}

// TestReplay sends a projector's letters again as they were, fetches the value of one that was too large for its letter, and
// names the command for a row that ingest could not publish.
func TestReplay(t *testing.T) {
	b := newBench(t)
	dead, products := change.DeadLetterTopic(b.prefix), b.prefix+".public.products"
	b.produce(products, 1, `{"id":1}`, "large", "commit_lsn", "0/10", "tx_index", "1")
	b.produce(dead, 0, `{"id":2}`, "value", "commit_lsn", "0/20", "tx_index", "3",
		"dl_topic", products, "dl_partition", "1", "dl_offset", "7", "dl_stage", "index", "dl_reason", "mapping", "dl_time", "now")
	b.produce(dead, 0, `{"id":1}`, "", "dl_topic", products, "dl_partition", "1", "dl_offset", "0", "dl_stage", "index", "dl_truncated", "true")
	b.produce(dead, 0, `{"store_id":3,"sku":"it's"}`, "", "dl_topic", b.prefix+".public.prices", "dl_partition", "-1", "dl_stage", "ingest", "dl_truncated", "true")
	b.produce(dead, 0, `{"id":9}`, "", "dl_topic", products, "dl_partition", "1", "dl_offset", "99", "dl_stage", "index", "dl_truncated", "true")
	desk := replay.New(b.client, b.prefix)
	var commands, failures []string
	var positions []string
	if err := desk.Each(t.Context(), func(l *replay.Letter) error {
		command, err := l.Command(b.prefix)
		if err != nil {
			return err
		}
		if command != "" {
			commands = append(commands, command)
		}
		positions = append(positions, l.Position())
		if err := desk.Send(t.Context(), l); err != nil {
			failures = append(failures, err.Error())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"id":1}=large commit_lsn:0/10 tx_index:1`,
		`{"id":2}=value commit_lsn:0/20 tx_index:3 replayed:` + dead + `@0`,
		`{"id":1}=large replayed:` + dead + `@1`,
	}
	if got := b.records(products, 1); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if fmt.Sprint(commands) != `[freshet snapshot public.prices --keys '[["3","it'\''s"]]']` {
		t.Errorf("commands %v", commands)
	}
	if len(failures) != 2 || !strings.Contains(failures[0], "holds no record") || !strings.Contains(failures[1], "letter 3") {
		t.Errorf("failures %v", failures)
	}
	if positions[0] != "0/20:3" {
		t.Errorf("positions %v", positions)
	}
}

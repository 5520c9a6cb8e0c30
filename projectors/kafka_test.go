package projectors_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a test's corner of Kafka with the topics the runtime needs.
type bench struct {
	t       *testing.T
	brokers []string
	prefix  string
	client  *kafka.Client
}

func newBench(t *testing.T, topics map[string]int) *bench {
	t.Helper()
	brokers, prefix := stacktest.Kafka(t)
	transport := &kafka.Transport{MetadataTTL: 200 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	b := &bench{t: t, brokers: brokers, prefix: prefix, client: &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 20 * time.Second}}
	all := map[string]int{change.ProgressTopic(prefix): 1, change.DeadLetterTopic(prefix): 1}
	for topic, n := range topics {
		all[b.topic(topic)] = n
	}
	b.create(all, nil)
	return b
}

func (b *bench) topic(name string) string { return b.prefix + "." + name }

func (b *bench) create(topics map[string]int, entries []kafka.ConfigEntry) {
	b.t.Helper()
	request := &kafka.CreateTopicsRequest{}
	for topic, n := range topics {
		request.Topics = append(request.Topics, kafka.TopicConfig{Topic: topic, NumPartitions: n, ReplicationFactor: 1, ConfigEntries: entries})
	}
	answer, err := b.client.CreateTopics(b.t.Context(), request)
	if err != nil {
		b.t.Fatal(err)
	}
	for topic, err := range answer.Errors {
		if err != nil {
			b.t.Fatalf("create %s: %v", topic, err)
		}
	}
}

// produce writes values to one partition and returns the offset after them.
func (b *bench) produce(topic string, partition int, values ...string) int64 {
	b.t.Helper()
	return b.produceAs(topic, partition, kafka.Header{Key: "own", Value: []byte("h")}, values...)
}

// produceAs gives each of the records a header.
func (b *bench) produceAs(topic string, partition int, header kafka.Header, values ...string) int64 {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		records := make([]kafka.Record, len(values)) // anew for each attempt: sending consumes them
		for i, v := range values {
			records[i] = kafka.Record{Key: kafka.NewBytes([]byte("k")), Value: kafka.NewBytes([]byte(v)), Headers: []kafka.Header{header}}
		}
		answer, err := b.client.Produce(b.t.Context(), &kafka.ProduceRequest{
			Topic: b.topic(topic), Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
		})
		if err == nil {
			err = answer.Error
		}
		if err == nil {
			return answer.BaseOffset + int64(len(values))
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("produce to %s/%d: %v", topic, partition, err)
		}
	}
}

func (b *bench) config() projectors.Config {
	return projectors.Config{Brokers: b.brokers, Prefix: b.prefix, CommitInterval: 20 * time.Millisecond, RetryMin: 5 * time.Millisecond}
}

func (b *bench) runtime(config projectors.Config) (*projectors.Runtime, *prometheus.Registry) {
	b.t.Helper()
	registry := prometheus.NewRegistry()
	r, err := projectors.NewRuntime(config, b.logger(), registry)
	if err != nil {
		b.t.Fatal(err)
	}
	return r, registry
}

func (b *bench) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b.t.Output(), nil)) }

// start runs the stages until stop is called or the test ends, and returns what Run returned.
func (b *bench) start(r *projectors.Runtime, stages ...projectors.Stage) (stop func() error) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- r.Run(ctx, stages...) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	b.t.Cleanup(func() {
		if err := stop(); err != nil {
			b.t.Logf("run: %v", err)
		}
	})
	return stop
}

// compacted makes a topic from which the broker may take records.
var compacted = []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: "compact"}}

// commit stores an offset for a group without members.
func (b *bench) commit(stage, topic string, partition int, offset int64) {
	b.t.Helper()
	eventually(b.t, "the commit", func() bool {
		answer, err := b.client.OffsetCommit(b.t.Context(), &kafka.OffsetCommitRequest{
			GroupID: b.prefix + "." + stage, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{b.topic(topic): {{Partition: partition, Offset: offset}}},
		})
		return err == nil && answer.Topics[b.topic(topic)][0].Error == nil
	})
}

// deleteRecords makes the broker forget the records before the offset; kafka-go has no such request.
func (b *bench) deleteRecords(topic string, partition int32, offset int64) {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 10_000
	request.Topics = []kmsg.DeleteRecordsRequestTopic{{
		Topic: b.topic(topic), Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: offset}},
	}}
	answer, err := request.RequestWith(b.t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		b.t.Fatalf("delete records of %s/%d: %v", topic, partition, err)
	}
}

// committed returns the committed offset of a partition, -1 when there is none.
func (b *bench) committed(stage, topic string, partition int) int64 {
	b.t.Helper()
	answer, err := b.client.OffsetFetch(b.t.Context(), &kafka.OffsetFetchRequest{
		GroupID: b.prefix + "." + stage, Topics: map[string][]int{b.topic(topic): {partition}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range answer.Topics[b.topic(topic)] {
		return p.CommittedOffset
	}
	return -1
}

// all reads a one-partition topic from its beginning to its end.
func (b *bench) all(topic string) []projectors.Record {
	b.t.Helper()
	var out []projectors.Record
	for offset := int64(0); ; {
		answer, err := b.client.Fetch(b.t.Context(), &kafka.FetchRequest{Topic: topic, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 50 * time.Millisecond})
		if err == nil {
			err = answer.Error
		}
		if err != nil {
			b.t.Fatal(err)
		}
		for {
			r, err := answer.Records.ReadRecord()
			if err != nil {
				break
			}
			key, _ := kafka.ReadAll(r.Key)
			value, _ := kafka.ReadAll(r.Value)
			record := projectors.Record{Topic: topic, Offset: r.Offset, Key: key, Value: value}
			for _, h := range r.Headers {
				record.Headers = append(record.Headers, change.Header{Key: h.Key, Value: h.Value})
			}
			out = append(out, record)
			offset = r.Offset + 1
		}
		if offset >= answer.HighWatermark {
			return out
		}
	}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(40 * time.Second); !condition(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting: %s", what)
		}
	}
}

// opened waits until the gate is open; the error is why the context ended before.
func opened(ctx context.Context, gate <-chan struct{}) error {
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// journal is a durable store as the tests see it: what every handler of a stage has applied, in order.
type journal struct {
	mu      sync.Mutex
	applied []projectors.Record
}

func (j *journal) add(batch []projectors.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.applied = append(j.applied, batch...)
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.applied)
}

func (j *journal) values(topic string, partition int) (values []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.applied {
		if r.Topic == topic && r.Partition == partition {
			values = append(values, string(r.Value))
		}
	}
	return values
}

// handle is a handler made of a function.
type handle func(ctx context.Context, batch []projectors.Record) error

func (h handle) Handle(ctx context.Context, batch []projectors.Record) error { return h(ctx, batch) }

func (j *journal) stage(b *bench, name string, topics ...string) projectors.Stage {
	s := projectors.Stage{Name: name, New: func(context.Context, int) (projectors.Handler, error) {
		return handle(func(_ context.Context, batch []projectors.Record) error { j.add(batch); return nil }), nil
	}}
	for _, topic := range topics {
		s.Topics = append(s.Topics, b.topic(topic))
	}
	return s
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

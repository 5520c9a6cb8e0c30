package projectors_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"freshet/ingest/change"
	"freshet/projectors"
)

// end is where the first partition of a topic ends by what the producer knows.
func end(p *projectors.Producer, topic string) int64 {
	_, ends := p.Ends(topic)
	return ends[0]
}

// fakeBench is a bench on three brokers that fail on demand.
func fakeBench(t *testing.T) (*bench, *kfake.Cluster) {
	t.Helper()
	const prefix = "fake"
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3),
		kfake.SeedTopics(3, prefix+".in", prefix+".out"),
		kfake.SeedTopics(1, change.ProgressTopic(prefix), change.DeadLetterTopic(prefix)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	transport := &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(cluster.ListenAddrs()...), Transport: transport, Timeout: 20 * time.Second}
	return &bench{t: t, brokers: cluster.ListenAddrs(), prefix: prefix, client: client}, cluster
}

// TestSurvivesFaults: produces that time out although they were applied, requests that are refused, leaders that move.
// Every record comes through, in order but for repetitions, and the watermark is right at the end.
func TestSurvivesFaults(t *testing.T) {
	b, cluster := fakeBench(t)
	r, _ := b.runtime(b.config())
	var first, last journal
	b.start(r, forward(b, r, "first", "in", "out", "ingest", &first), forward(b, r, "last", "out", "", "first", &last))
	src := &source{b: b, topic: "in", ends: make([]int64, 3)}
	faults := []func(){
		func() {
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: b.topic("out"), Err: kerr.RequestTimedOut, Count: 3})
		},
		func() {
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: b.topic("out"), Err: kerr.UnknownServerError, Count: 3})
		},
		func() {
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: b.topic("in"), Err: kerr.NotLeaderForPartition, Count: 3})
		},
		func() {
			for p := range int32(3) {
				if err := cluster.MoveTopicPartition(b.topic("in"), p, (p+1)%3); err != nil {
					t.Error(err)
				}
				if err := cluster.MoveTopicPartition(b.topic("out"), p, (p+2)%3); err != nil {
					t.Error(err)
				}
			}
		},
		func() {
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorNotAvailable, Count: 3})
		},
	}
	const perRound = 40
	for round, fault := range faults {
		fault()
		for p := range 3 {
			src.write(p, labelled(p, round*perRound, (round+1)*perRound)...)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		if err := r.Tracker().Wait(ctx, src.announce(), "last"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		cancel()
		if seen := last.distinct(); len(seen) != 3*perRound*(round+1) {
			t.Fatalf("round %d: the watermark passed with %d of %d records applied", round, len(seen), 3*perRound*(round+1))
		}
	}
	for p := range 3 {
		if got, want := first.distinct(), perRound*len(faults)*3; len(got) != want {
			t.Fatalf("%d records, want %d", len(got), want)
		}
		if got := firsts(first.values(b.topic("in"), p)); !slices.Equal(got, labelled(p, 0, perRound*len(faults))) {
			t.Errorf("in/%d: not in order: %v", p, got)
		}
	}
}

func labelled(p, from, to int) (values []string) {
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprintf("%d:%d", p, i))
	}
	return values
}

func (j *journal) distinct() map[string]bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := make(map[string]bool)
	for _, r := range j.applied {
		seen[string(r.Value)] = true
	}
	return seen
}

// firsts leaves out repetitions.
func firsts(values []string) (first []string) {
	seen := make(map[string]bool)
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			first = append(first, v)
		}
	}
	return first
}

// TestPublishRepeatsTheSameBatch: a batch whose acknowledgement was lost is in the topic twice, whole and in order; what
// followed it follows it.
func TestPublishRepeatsTheSameBatch(t *testing.T) {
	b, cluster := fakeBench(t)
	p, err := projectors.NewProducer(projectors.ProducerConfig{Brokers: b.brokers, Compression: "lz4"}, b.logger(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	topic := change.DeadLetterTopic(b.prefix)
	var batch []projectors.Message
	for i := range 10 {
		batch = append(batch, projectors.Message{Topic: topic, Key: []byte("k"), Value: fmt.Append(nil, i), Headers: []change.Header{{Key: "h", Value: []byte("v")}}})
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut})
	ends, err := p.Publish(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), []projectors.Message{{Topic: topic, Value: []byte("next")}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range b.all(topic) {
		got = append(got, string(r.Value))
	}
	if want := append(append(numbers(0, 10), numbers(0, 10)...), "next"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if ends[topic][0] != 20 || end(p, topic) != 21 {
		t.Errorf("ends %v, then %d", ends, end(p, topic))
	}
}

// TestPublishSizes: batches are split, a single record that is too large is named; and a context that ends is an error.
func TestPublishSizes(t *testing.T) {
	b, cluster := fakeBench(t)
	p, err := projectors.NewProducer(projectors.ProducerConfig{Brokers: b.brokers, MaxRecordBytes: 1000}, b.logger(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	topic := change.DeadLetterTopic(b.prefix)
	small, large := []byte(strings.Repeat("s", 300)), []byte(strings.Repeat("l", 1000))
	_, err = p.Publish(t.Context(), []projectors.Message{{Topic: topic, Value: small}, {Topic: topic, Value: large}})
	var oversize *projectors.OversizeError
	if !errors.As(err, &oversize) || !slices.Equal(oversize.Indexes, []int{1}) {
		t.Fatalf("published a record that is too large: %v", err)
	}
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge}) // the broker's limit is lower than ours
	messages := make([]projectors.Message, 7)
	for i := range messages {
		messages[i] = projectors.Message{Topic: topic, Value: fmt.Appendf(nil, "%d%s", i, small)}
	}
	if _, err := p.Publish(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	// The fake broker may have kept what it refused, so look at the end.
	records := b.all(topic)
	for i, r := range records[len(records)-7:] {
		if r.Value[0] != byte('0'+i) {
			t.Errorf("record %d begins with %c", i, r.Value[0])
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Publish(ctx, messages); !errors.Is(err, context.Canceled) {
		t.Errorf("publish after the end: %v", err)
	}
}

package projectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/broker"
	"freshet/ingest/change"
)

// Message is a record to publish. It goes to the partition of its key, by change.Partition: all topics of the projectors
// are keyed by what routes them.
type Message struct {
	Topic   string
	Key     []byte
	Value   []byte // nil for a tombstone
	Headers []change.Header
}

// size is what the record takes in a batch, rounded up.
func (m *Message) size() int {
	const frame = 64 // lengths, deltas and the share of the batch's header
	n := frame + len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value) + 10
	}
	return n
}

// OversizeError says which messages are larger than a record may be. Publish sent none of the call's messages if it found
// out by itself; if the broker refused one, others may have been sent. Publishing the rest again is right in both cases.
type OversizeError struct {
	Indexes []int // of the slice given to Publish
	Limit   int   // bytes; 0 when it is the broker's
}

func (e *OversizeError) Error() string {
	return fmt.Sprintf("%d messages are too large for a record (limit %d bytes), the first is number %d", len(e.Indexes), e.Limit, e.Indexes[0])
}

// ProducerConfig says where and how to publish.
type ProducerConfig struct {
	Brokers        []string           // "host:port"; required
	Security       broker.Security    // how they are reached; not looked at when Transport is given
	Transport      kafka.RoundTripper // connection pool to share; nil makes one of our own, see Close
	MaxRecordBytes int                // default 900 KiB; must stay below the broker's message.max.bytes
	Compression    string             // "none" (default) or "lz4"
}

// Producer publishes durably: acknowledged by all in-sync replicas, one batch in flight per partition, the same batch sent
// again until it succeeds. So one producer's messages of a key keep their order; a lost acknowledgement repeats a batch,
// and every reader takes repetitions. Its methods may be called from any goroutine.
type Producer struct {
	client      *kafka.Client
	own         *kafka.Transport
	maxBytes    int
	compression kafka.Compression
	logger      *slog.Logger
	retries     *prometheus.CounterVec

	mu     sync.Mutex
	topics map[string]*target
}

// target is a topic that is published to.
type target struct {
	name  string
	lanes []*lane

	mu   sync.Mutex
	id   string  // of the topic whose ends these are, "" where Kafka was not asked or knows none
	ends []int64 // next offset of each partition as far as we know, -1 before we know any
}

// lane is one partition. Its turn is held while a batch is in flight.
type lane struct {
	*target
	partition int
	turn      chan struct{}
}

// NewProducer returns a producer; retries, which may be nil, counts the repeated batches by topic.
func NewProducer(config ProducerConfig, logger *slog.Logger, retries *prometheus.CounterVec) (*Producer, error) {
	setDefault(&config.MaxRecordBytes, 900<<10)
	setDefault(&config.Compression, "none")
	p := &Producer{maxBytes: config.MaxRecordBytes, logger: logger, retries: retries, topics: make(map[string]*target)}
	switch config.Compression {
	case "none":
	case "lz4":
		p.compression = kafka.Lz4
	default:
		return nil, fmt.Errorf("producer: compression %q is neither none nor lz4", config.Compression)
	}
	if len(config.Brokers) == 0 || config.MaxRecordBytes < 1 {
		return nil, fmt.Errorf("producer: %d brokers, MaxRecordBytes %d", len(config.Brokers), config.MaxRecordBytes)
	}
	transport := config.Transport
	if transport == nil {
		p.own = newTransport(config.Security)
		transport = p.own
	}
	p.client = &kafka.Client{Addr: kafka.TCP(config.Brokers...), Transport: transport, Timeout: produceTimeout}
	return p, nil
}

func newTransport(security broker.Security) *kafka.Transport {
	return security.Transport("freshet", 2*time.Second)
}

// Close frees the connections of a producer that made its own.
func (p *Producer) Close() {
	if p.own != nil {
		p.own.CloseIdleConnections()
	}
}

// Publish returns once every message is durable, with the next offset of each partition it wrote to (-1 for the others),
// or with why not: an OversizeError, or the context's end, after which any of them may have been published or not.
func (p *Producer) Publish(ctx context.Context, messages []Message) (map[string][]int64, error) {
	if err := p.checkSizes(messages); err != nil {
		return nil, err
	}
	parts, err := p.split(ctx, messages)
	if err != nil {
		return nil, err
	}
	ends := make(map[string][]int64)
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		if i == len(parts)-1 { // the last, mostly the only one, needs no goroutine
			errs[i] = p.publish(ctx, part)
			break
		}
		wg.Go(func() { errs[i] = p.publish(ctx, part) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, part := range parts {
		l := part.lane
		if ends[l.name] == nil {
			ends[l.name] = slices.Repeat([]int64{-1}, len(l.lanes))
		}
		_, all := l.known()
		ends[l.name][l.partition] = all[l.partition]
	}
	return ends, nil
}

func (p *Producer) checkSizes(messages []Message) error {
	var oversize []int
	for i := range messages {
		if messages[i].size() > p.maxBytes {
			oversize = append(oversize, i)
		}
	}
	if oversize != nil {
		return &OversizeError{Indexes: oversize, Limit: p.maxBytes}
	}
	return nil
}

// part is the messages of one call for one partition, in their order.
type part struct {
	lane     *lane
	messages []Message
	indexes  []int // of the messages in the call
}

func (p *Producer) split(ctx context.Context, messages []Message) ([]*part, error) {
	var parts []*part
	byLane := make(map[*lane]*part)
	for i, m := range messages {
		t, err := p.target(ctx, m.Topic)
		if err != nil {
			return nil, err
		}
		l := t.lanes[change.Partition(m.Key, len(t.lanes))]
		if byLane[l] == nil {
			byLane[l] = &part{lane: l}
			parts = append(parts, byLane[l])
		}
		byLane[l].messages = append(byLane[l].messages, m)
		byLane[l].indexes = append(byLane[l].indexes, i)
	}
	return parts, nil
}

// target returns a topic, whose count of partitions is fixed when it is made; it waits for one that is not there yet.
func (p *Producer) target(ctx context.Context, topic string) (*target, error) {
	p.mu.Lock()
	t := p.topics[topic]
	p.mu.Unlock()
	if t != nil {
		return t, nil
	}
	counts, err := waitTopics(ctx, p.client, p.logger, []string{topic})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.topics[topic] == nil {
		t = &target{name: topic, ends: slices.Repeat([]int64{-1}, counts[topic])}
		for i := range t.ends {
			t.lanes = append(t.lanes, &lane{target: t, partition: i, turn: make(chan struct{}, 1)})
		}
		p.topics[topic] = t
	}
	return p.topics[topic], nil
}

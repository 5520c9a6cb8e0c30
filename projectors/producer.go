package projectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	topics map[string][]*lane
}

// lane is one partition. Its turn is held while a batch is in flight.
type lane struct {
	topic     string
	partition int
	turn      chan struct{}

	mu  sync.Mutex
	end int64 // next offset as far as we know, -1 before we know any
}

// NewProducer returns a producer; retries, which may be nil, counts the repeated batches by topic.
func NewProducer(config ProducerConfig, logger *slog.Logger, retries *prometheus.CounterVec) (*Producer, error) {
	setDefault(&config.MaxRecordBytes, 900<<10)
	setDefault(&config.Compression, "none")
	p := &Producer{maxBytes: config.MaxRecordBytes, logger: logger, retries: retries, topics: make(map[string][]*lane)}
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
		for len(ends[part.lane.topic]) < part.of {
			ends[part.lane.topic] = append(ends[part.lane.topic], -1)
		}
		ends[part.lane.topic][part.lane.partition] = part.lane.known()
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
	of       int // partitions of the topic
	messages []Message
	indexes  []int // of the messages in the call
}

func (p *Producer) split(ctx context.Context, messages []Message) ([]*part, error) {
	var parts []*part
	byLane := make(map[*lane]*part)
	for i, m := range messages {
		lanes, err := p.lanes(ctx, m.Topic)
		if err != nil {
			return nil, err
		}
		l := lanes[change.Partition(m.Key, len(lanes))]
		if byLane[l] == nil {
			byLane[l] = &part{lane: l, of: len(lanes)}
			parts = append(parts, byLane[l])
		}
		byLane[l].messages = append(byLane[l].messages, m)
		byLane[l].indexes = append(byLane[l].indexes, i)
	}
	return parts, nil
}

// lanes returns the topic's partitions, whose count is fixed when the topic is made; it waits for a topic that is not
// there yet.
func (p *Producer) lanes(ctx context.Context, topic string) ([]*lane, error) {
	p.mu.Lock()
	lanes := p.topics[topic]
	p.mu.Unlock()
	if lanes != nil {
		return lanes, nil
	}
	counts, err := waitTopics(ctx, p.client, p.logger, []string{topic})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.topics[topic] == nil {
		for i := range counts[topic] {
			p.topics[topic] = append(p.topics[topic], &lane{topic: topic, partition: i, turn: make(chan struct{}, 1), end: -1})
		}
	}
	return p.topics[topic], nil
}

func (l *lane) known() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

func (l *lane) raise(end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = max(l.end, end)
}

// Ends returns the next offset of each partition of the topic as far as this producer knows, -1 where it does not.
func (p *Producer) Ends(topic string) []int64 {
	p.mu.Lock()
	lanes := p.topics[topic]
	p.mu.Unlock()
	ends := make([]int64, len(lanes))
	for i, l := range lanes {
		ends[i] = l.known()
	}
	return ends
}

// Refresh asks the brokers where the topics end, so that Ends covers what others have published before.
func (p *Producer) Refresh(ctx context.Context, topics ...string) error {
	for _, topic := range topics {
		lanes, err := p.lanes(ctx, topic)
		if err != nil {
			return err
		}
		ends, err := listOffsets(ctx, p.client, topic, len(lanes), kafka.LastOffset)
		if err != nil {
			return err
		}
		for i, l := range lanes {
			l.raise(ends[i])
		}
	}
	return nil
}

package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// publisher carries records to Kafka and knows what is durable there. One goroutine appends (the reader, or the snapshot
// before it); each partition has at most one batch in flight, and batches of different partitions travel side by side, small
// ones together (see courier). A batch goes when the one before it is acknowledged: under load batches grow by themselves.
type publisher struct {
	config  *Config
	courier *courier
	metrics *metrics
	dead    *partition
	ctx     context.Context // of the sends; ends when the session's drain is over

	sends sync.WaitGroup
	space chan struct{} // has a token when the buffer shrank or the publisher failed

	mu        sync.Mutex
	topics    map[string][]*partition
	ids       map[string]string // Kafka's, of those topics
	dirty     []*partition      // have records and no send in flight
	buffered  int64
	queue     []*transaction // in order of commit, not yet durable
	marks     []func(*position)
	filled    bool // a partition that held nothing does now, and the position does not say so
	durable   change.LSN
	delivered change.LSN // end of the last durable transaction
	time      int64      // commit time that belongs to durable, microseconds since the Unix epoch
	changed   chan struct{}
	err       error
	pool      []*batch
}

// partition is one partition's queue.
type partition struct {
	topic   string
	id      int
	open    *batch
	full    []*batch
	sending bool
	dirty   bool
	next    int64 // offset after the last acknowledged record
	moved   bool  // since the last progress record
}

// kickBytes is how much a partition gathers before it is sent without waiting for the reader to run dry.
const kickBytes = 64 << 10

func newPublisher(ctx context.Context, config *Config, client *kafka.Client, m *metrics, ends map[string][]int64, ids map[string]string) *publisher {
	p := &publisher{
		config: config, courier: newCourier(client, config.Linger), metrics: m, ctx: ctx, space: make(chan struct{}, 1),
		topics: map[string][]*partition{}, ids: map[string]string{}, changed: make(chan struct{}),
	}
	p.addTopics(ends, ids)
	p.dead = p.partitions(change.DeadLetterTopic(config.Prefix))[0]
	return p
}

// addTopics makes topics known, with the offset each partition ends at, and the topics' ids.
func (p *publisher) addTopics(ends map[string][]int64, ids map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, offsets := range ends {
		if p.topics[name] != nil {
			continue
		}
		if id := ids[name]; id != "" {
			p.ids[name] = id
		}
		for i, next := range offsets {
			p.topics[name] = append(p.topics[name], &partition{topic: name, id: i, next: next})
		}
	}
}

// partitions returns a topic's partitions, nil when it is not known.
func (p *publisher) partitions(topic string) []*partition {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topics[topic]
}

// append adds a record to a partition and says whether the buffer is full, in which case the caller waits on space before
// the next one.
func (p *publisher) append(tx *transaction, part *partition, r *record, now time.Time) (full bool) {
	if failpoint.OneIn("drop-one-in-N") {
		return false
	}
	estimate := len(r.key) + len(r.value) + 256
	p.mu.Lock()
	defer p.mu.Unlock()
	b := part.open
	if b != nil && b.count > 0 && b.size()+estimate > p.config.BatchBytes {
		part.full = append(part.full, b)
		b = nil
	}
	if b == nil {
		b = p.takeBatch()
		part.open = b
	}
	before := b.size()
	b.add(r, now)
	added := int64(b.size() - before)
	p.buffered += added
	p.metrics.bytes.Add(float64(added))
	if n := len(b.txs); n == 0 || b.txs[n-1] != tx {
		b.txs = append(b.txs, tx)
		tx.pending++
	}
	switch {
	case part.sending:
	case b.size() >= kickBytes:
		p.start(part)
	case !part.dirty:
		part.dirty = true
		p.dirty = append(p.dirty, part)
	}
	return p.buffered > p.config.BufferBytes
}

// flush starts sending what was gathered; the reader calls it when nothing more is at hand.
func (p *publisher) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.dirty {
		part.dirty = false
		if !part.sending {
			p.start(part)
		}
	}
	clear(p.dirty)
	p.dirty = p.dirty[:0]
}

// isFull says whether the caller has to wait before it appends more.
func (p *publisher) isFull() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err == nil && p.buffered > p.config.BufferBytes
}

func (p *publisher) takeBatch() *batch {
	var b *batch
	if n := len(p.pool); n > 0 {
		b, p.pool = p.pool[n-1], p.pool[:n-1]
	} else {
		b = &batch{}
	}
	b.reset()
	return b
}

// start sends a partition's batches, one after the other, until none is left. The lock is held.
func (p *publisher) start(part *partition) {
	if p.err != nil || (part.open == nil && len(part.full) == 0) {
		return
	}
	part.sending = true
	p.sends.Go(func() { p.send(part) })
}

func (p *publisher) send(part *partition) {
	for {
		b := p.nextBatch(part)
		if b == nil {
			return
		}
		next, err := p.deliver(part, b)
		if err != nil {
			p.fail(err)
			return
		}
		p.acknowledged(part, b, next)
	}
}

func (p *publisher) nextBatch(part *partition) (b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.err != nil:
		part.sending = false
	case len(part.full) > 0:
		b = part.full[0]
		part.full = part.full[1:]
	case part.open != nil:
		b, part.open = part.open, nil
	default:
		part.sending = false
	}
	return b
}

// acknowledged counts a batch as durable and gives its memory back.
func (p *publisher) acknowledged(part *partition, b *batch, next int64) {
	p.metrics.batches.Inc()
	p.mu.Lock()
	p.filled = p.filled || (part.next == 0 && next > 0)
	part.next, part.moved = max(part.next, next), true
	for _, tx := range b.txs {
		tx.pending--
	}
	p.buffered -= int64(b.size() - batchHeaderSize)
	p.metrics.buffered.Set(float64(p.buffered))
	// A batch that one huge row blew up is left to the collector.
	if cap(b.buf) <= 2*p.config.BatchBytes && len(p.pool) < 64 {
		p.pool = append(p.pool, b)
	}
	p.advance()
	p.mu.Unlock()
	select {
	case p.space <- struct{}{}:
	default:
	}
}

// fail ends the publisher: what is in flight stays unacknowledged and will be read again.
func (p *publisher) fail(err error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
		p.notify()
	}
	p.mu.Unlock()
	select {
	case p.space <- struct{}{}:
	default:
	}
}

// land waits until no request is under way, or the context ends. One that is cut off may yet be carried out, behind what
// the session after this one has published, and lie there as if it were newer.
func (p *publisher) land(ctx context.Context) {
	landed := make(chan struct{})
	go func() {
		p.sends.Wait()
		close(landed)
	}()
	select {
	case <-landed:
	case <-ctx.Done():
	}
}

// Package queue keeps orders on Kafka while Postgres is away, and places them when it is back.
//
// api/write adds orders to it and asks what waits; cmd/freshet runs it beside the write server. The topic has one
// partition, so its order is that of arrival. Every process that runs a Queue reads the topic from its start and places
// what it finds, one after the other: placing an order that is placed already does nothing, so several placers, and one
// that begins again, do no harm, and no offset is kept that could disagree with the database. Guarantee: an order that
// Add took is placed or refused once, after all that were taken before it, whatever dies meanwhile.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freshet/api/write"
	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/topic"
	"freshet/projectors"
	"freshet/projectors/tail"
)

const (
	// retention is for how long the topic keeps orders. What became of them is in Postgres; here they only wait.
	retention = 7 * 24 * time.Hour
	// most is how many orders may wait. Each is a few hundred bytes, held in memory by every process.
	most = 100_000
	// look is how often the topic is looked at for what other processes took.
	look = 250 * time.Millisecond
	// againMin and againMax bound the pause before an order is tried again.
	againMin, againMax = 100 * time.Millisecond, 2 * time.Second
)

// Config is what a Queue is made of.
type Config struct {
	Brokers  []string
	Security broker.Security
	Prefix   string // of the topic
	Log      *slog.Logger
	// Metrics is where the collectors are registered. Default: a registry nobody reads.
	Metrics prometheus.Registerer
}

// Place carries an order out, once however often it is called; an error means that it isn't decided. write.Shop has it.
type Place func(ctx context.Context, order write.Queued, try int) error

// Queue is the orders that wait. Its methods may be called from any goroutine.
type Queue struct {
	cfg      Config
	topic    string
	producer *projectors.Producer

	mu      sync.Mutex
	started bool  // the topic is there and was read to its end
	end     int64 // behind the last order that we know of
	done    int64 // behind the last that is decided
	waiting map[string]write.Queued
	list    []entry // what was read and is not decided
	wake    chan struct{}

	settled, retries prometheus.Counter
}

type entry struct {
	offset int64
	order  write.Queued
	bad    error // it can't be read
}

// New returns a Queue; Run has to run for anything to be taken.
func New(cfg Config) (*Queue, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	producer, err := projectors.NewProducer(projectors.ProducerConfig{Brokers: cfg.Brokers, Security: cfg.Security}, cfg.Log, nil)
	if err != nil {
		return nil, fmt.Errorf("make the producer of queued orders: %w", err)
	}
	q := &Queue{
		cfg: cfg, topic: change.QueueTopic(cfg.Prefix), producer: producer, waiting: map[string]write.Queued{}, wake: make(chan struct{}, 1),
	}
	if err := q.measure(cfg.Metrics); err != nil {
		producer.Close()
		return nil, err
	}
	return q, nil
}

// Close gives the connections back.
func (q *Queue) Close() { q.producer.Close() }

// Waiting says whether orders wait.
func (q *Queue) Waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.done < q.end
}

// Find returns an order that waits.
func (q *Queue) Find(id string) (write.Queued, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	order, ok := q.waiting[id]
	return order, ok
}

// Ready says whether orders are taken.
func (q *Queue) Ready(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case !q.started:
		return errors.New("the queue for orders was not read yet")
	case len(q.waiting) >= most:
		return fmt.Errorf("%d orders wait: the queue is full", most)
	}
	return nil
}

// Add keeps an order durably. One that waits already is known by its id.
func (q *Queue) Add(ctx context.Context, order write.Queued) (replayed bool, err error) {
	if err := q.Ready(ctx); err != nil {
		return false, err
	}
	if known, ok := q.Find(order.ID); ok {
		if string(known.Request) != string(order.Request) {
			return false, write.ErrOtherRequest
		}
		return true, nil
	}
	value, err := json.Marshal(order)
	if err != nil {
		return false, fmt.Errorf("encode queued order %s: %w", order.ID, err)
	}
	ends, err := q.producer.Publish(ctx, []projectors.Message{{Topic: q.topic, Key: []byte(order.ID), Value: value}})
	if err != nil {
		return false, fmt.Errorf("queue order %s: %w", order.ID, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if end := ends[q.topic]; len(end) == 1 && end[0] > q.done {
		q.end = max(q.end, end[0])
		q.waiting[order.ID] = order
	}
	return false, nil
}

// Run makes the topic, reads it, and places what waits, until ctx ends.
func (q *Queue) Run(ctx context.Context, place Place) error {
	cluster := broker.Cluster{Addresses: q.cfg.Brokers, Security: q.cfg.Security}
	transport := q.cfg.Security.Transport("freshet-queue", time.Second)
	defer transport.CloseIdleConnections()
	reader := tail.New(cluster.Client(transport, 15*time.Second))
	var placer sync.WaitGroup
	placer.Go(func() { q.place(ctx, place) })
	defer placer.Wait()
	made, well := false, true
	for sleep(ctx, look) {
		err := error(nil)
		if !made {
			err = topic.Ensure(ctx, cluster, []topic.Spec{{Name: q.topic, Partitions: 1, Retention: retention}})
			made = err == nil
		}
		if err == nil {
			err = q.read(ctx, reader)
		}
		if err != nil && well && ctx.Err() == nil {
			q.cfg.Log.Warn("orders can't be queued", "topic", q.topic, "error", err.Error())
		}
		well = err == nil
	}
	return nil
}

// read takes what is new on the topic.
func (q *Queue) read(ctx context.Context, reader *tail.Reader) error {
	first, end, err := reader.Ends(ctx, q.topic, 0)
	if err != nil {
		return err
	}
	from := q.from(first)
	err = reader.Each(ctx, q.topic, 0, from, end, func(r projectors.Record) error {
		e := entry{offset: r.Offset}
		if err := json.Unmarshal(r.Value, &e.order); err != nil {
			e.bad = err
		}
		q.push(e)
		return nil
	})
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.started = true
	return nil
}

// from is where to read on. What lies before the topic's first record was kept for its time and is gone.
func (q *Queue) from(first int64) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) > 0 {
		return max(first, q.list[len(q.list)-1].offset+1)
	}
	q.done = max(q.done, first)
	q.end = max(q.end, q.done)
	return q.done
}

func (q *Queue) push(e entry) {
	q.mu.Lock()
	q.list = append(q.list, e)
	q.end = max(q.end, e.offset+1)
	if _, known := q.waiting[e.order.ID]; !known && e.bad == nil {
		q.waiting[e.order.ID] = e.order
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

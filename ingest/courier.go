package ingest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// soloBytes is the size from which a batch has a request of its own: what it adds to a shared one is no longer small.
const soloBytes = 16 << 10

// maxRequests bounds the requests at one time that are not shared; more only queue in the broker.
const maxRequests = 24

// After a shared request to a broker the next one is held back for as long as that took, so that the broker has half of the
// time for others, but no longer than until roundEvery after that one began, or for the linger. A change that comes alone is not
// kept; at hundreds of transactions a second, each would else be a request, and on a busy machine each is dear. A pause
// below leastPause is none: a timer would make it longer than it is.
const (
	roundEvery = 5 * time.Millisecond
	leastPause = time.Millisecond
)

// courier carries small batches of several partitions in one request, since a client and a broker pay for a request as much as
// for many records. While one shared request to a broker is under way, and in the pause after it, the next gathers. The order of a partition's
// batches is the caller's to keep, who waits for one before it sends the next.
type courier struct {
	client *kafka.Client
	linger time.Duration // between the beginnings of two shared requests to a broker, at least
	slots  chan struct{} // bounds the requests that aren't shared

	mu      sync.Mutex
	leaders map[place]int // as Kafka last told
	rounds  map[int]*rounds
}

// place is a partition of a topic.
type place struct {
	topic string
	id    int
}

// rounds are the shared requests to one broker.
type rounds struct {
	turn      sync.Mutex // held while one waits or is under way
	next      time.Time  // when the next may begin; guarded by turn
	gathering *round     // nil when none gathers; guarded by the courier's mu
}

// round is a shared request and who waits for it.
type round struct {
	parcels []*parcel
	done    chan struct{}
}

func newCourier(client *kafka.Client, linger time.Duration) *courier {
	return &courier{client: client, linger: linger, slots: make(chan struct{}, maxRequests), leaders: map[place]int{}, rounds: map[int]*rounds{}}
}

// carry sends a batch once and returns its first offset.
func (c *courier) carry(ctx context.Context, at place, wire []byte) (base int64, err error) {
	p := &parcel{place: at, wire: wire}
	leader, known := c.leader(ctx, at)
	if !known || len(wire) >= soloBytes || !c.shared(ctx, leader, p) {
		c.alone(ctx, p)
	}
	if p.err != nil {
		c.forget(at)
	}
	return p.base, p.err
}

func (c *courier) alone(ctx context.Context, p *parcel) {
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	produceTogether(ctx, c.client, p)
}

// shared sends the parcel with those that gather beside it, false if one of them is for the same partition: of dead letters
// several may come at once, and a request has room for one batch of each.
func (c *courier) shared(ctx context.Context, leader int, p *parcel) bool {
	lane, r, first := c.join(leader, p)
	if r == nil {
		return false
	}
	if !first {
		<-r.done
		return true
	}
	lane.turn.Lock()
	defer lane.turn.Unlock()
	if pause := time.Until(lane.next); pause >= leastPause {
		sleep(ctx, pause)
	}
	began := time.Now()
	c.mu.Lock()
	lane.gathering = nil // who comes now would be left out
	c.mu.Unlock()
	produceTogether(ctx, c.client, r.parcels...)
	lane.next = began.Add(max(c.linger, min(roundEvery, 2*time.Since(began))))
	close(r.done)
	return true
}

// join adds the parcel to the round that gathers; nil if it can't. The first of a round sends it.
func (c *courier) join(leader int, p *parcel) (lane *rounds, r *round, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lane = c.rounds[leader]; lane == nil {
		lane = &rounds{}
		c.rounds[leader] = lane
	}
	if first = lane.gathering == nil; first {
		lane.gathering = &round{done: make(chan struct{})}
	}
	r = lane.gathering
	if slices.ContainsFunc(r.parcels, func(q *parcel) bool { return q.place == p.place }) {
		return lane, nil, false
	}
	r.parcels = append(r.parcels, p)
	return lane, r, first
}

// leader returns which broker the partition is written to; false when nobody knows, and the request will say why.
func (c *courier) leader(ctx context.Context, at place) (id int, known bool) {
	c.mu.Lock()
	id, known = c.leaders[at]
	c.mu.Unlock()
	if known {
		return id, true
	}
	// kafka-go answers it from what it knows, without a request, and chooses the broker by the same knowledge.
	answer, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{at.topic}})
	if err != nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if p.Error == nil && t.Error == nil {
				c.leaders[place{t.Name, p.ID}] = p.Leader.ID
			}
		}
	}
	id, known = c.leaders[at]
	return id, known
}

// forget makes the next call ask who leads the partition: after a failure it may be another broker.
func (c *courier) forget(at place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.leaders, at)
}

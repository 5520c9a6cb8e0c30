package ingest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

const (
	// positionEvery bounds how often the position is stored; each store is a record.
	positionEvery = 50 * time.Millisecond
	// idleEvery does so while only other databases or unpublished tables move the log.
	idleEvery = time.Second
	// progressEvery bounds progress records.
	progressEvery = 20 * time.Millisecond
	// fullEvery is how often a progress record names every partition, so that a reader that just came need not go far back.
	fullEvery = time.Second
)

// keeper turns what the publisher made durable into our stored position, and that into the acknowledgement of the slot: in
// this order, always. The reader sends what acked holds.
type keeper struct {
	store     positionStore
	publisher *publisher
	position  position // with all marks that were taken, whether stored yet or not
	cutOff    bool     // the last store failed
	acked     atomic.Uint64
	ended     time.Time // when the topics' ends were last stored; zero when they must be
}

func newKeeper(store positionStore, p *publisher, start position) *keeper {
	k := &keeper{store: store, publisher: p, position: start}
	k.acked.Store(uint64(start.LSN))
	return k
}

// run stores positions until the context ends.
func (k *keeper) run(ctx context.Context) error {
	// What a snapshot or the session before published counts from now on, however soon this one ends.
	if err := k.keep(ctx); err != nil {
		return err
	}
	for {
		s := k.publisher.state()
		if s.err != nil {
			return s.err
		}
		if !k.behind(s) {
			select {
			case <-ctx.Done():
				return nil
			case <-s.changed:
			}
			continue
		}
		if err := k.keep(ctx); err != nil {
			return err
		}
		pause := positionEvery
		if s.idle {
			pause = k.idlePause(ctx)
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// idlePause keeps an idle stream's position from being stored for every keepalive, yet wakes for the first transaction.
func (k *keeper) idlePause(ctx context.Context) time.Duration {
	deadline := time.After(idleEvery)
	for {
		s := k.publisher.state()
		if !s.idle || s.marked || s.err != nil || s.delivered > k.position.LSN {
			return positionEvery
		}
		select {
		case <-ctx.Done():
			return 0
		case <-deadline:
			return 0
		case <-s.changed:
			if !sleep(ctx, positionEvery) {
				return 0
			}
		}
	}
}

// behind says whether there is something to store.
func (k *keeper) behind(s state) bool { return s.durable > k.position.LSN || s.marked || k.cutOff }

// keep stores the position. One that is cut off is stored by the next call, with its marks: nobody else has them.
func (k *keeper) keep(ctx context.Context) error {
	failpoint.Hit("ingest-after-produce-before-position")
	s, marks := k.publisher.takeMarks()
	p := &k.position
	for _, mark := range marks {
		mark(p)
	}
	p.LSN, p.Time = s.durable, time.UnixMicro(s.time).UTC()
	p.Ends, p.IDs = nil, nil
	if k.publisher.takeFilled() {
		k.ended = time.Time{}
	}
	now := time.Now()
	if s.idle || now.Sub(k.ended) >= fullEvery {
		p.Ends, p.IDs = k.publisher.held()
	}
	k.cutOff = true
	if err := k.store.save(ctx, *p); err != nil {
		return err
	}
	failpoint.Hit("ingest-after-position-before-ack")
	if k.cutOff = false; p.Ends != nil {
		k.ended = now
	}
	k.acked.Store(uint64(p.LSN))
	return nil
}

// progress publishes the stage's progress records.
type progress struct {
	client    *kafka.Client
	topic     string
	publisher *publisher
	metrics   *metrics
	// written is where the server's log ended when the session began.
	written change.LSN

	last change.LSN
	full time.Time
}

func (g *progress) run(ctx context.Context) error {
	if err := g.resume(ctx); err != nil {
		return err
	}
	for {
		s := g.publisher.state()
		if s.err != nil {
			return s.err
		}
		if s.durable <= g.last {
			select {
			case <-ctx.Done():
				return nil
			case <-s.changed:
			}
			continue
		}
		if err := g.publish(ctx); err != nil {
			return err
		}
		if !sleep(ctx, progressEvery) {
			return nil
		}
	}
}

func (g *progress) publish(ctx context.Context) error {
	full := time.Since(g.full) >= fullEvery
	ends, ids, s := g.publisher.ends(full)
	if s.durable <= g.last {
		return nil
	}
	key, value, err := change.Progress{
		Stage: "ingest", LSN: s.durable, Time: time.UnixMicro(s.time).UTC(), Full: full, Ends: ends, IDs: ids,
	}.Encode()
	if err != nil {
		return err
	}
	if err := publishOne(ctx, g.client, g.topic, &record{key: key, value: value}); err != nil {
		return err
	}
	if g.last = s.durable; full {
		g.full = time.Now()
	}
	g.metrics.durable.Set(float64(s.durable))
	return nil
}

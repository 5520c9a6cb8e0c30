package projectors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"freshet/ingest/change"
)

// fullInterval is how often an active partition names all its ends, so that a tracker that starts now soon knows them.
const fullInterval = time.Second

// announcer publishes the progress of all workers of the process. What arrives while a batch is on its way, or sooner
// than the interval after the partition's previous record, is merged: an idle system with many partitions costs a few
// dozen small requests a second.
type announcer struct {
	producer *Producer
	topic    string
	interval time.Duration
	wake     chan struct{}

	mu      sync.Mutex
	pending map[announced]change.Progress // with complete ends
	last    map[announced]*lastAnnounced
}

type announced struct {
	stage     string
	partition int
}

// lastAnnounced is what the topic holds of one partition.
type lastAnnounced struct {
	lsn  change.LSN
	at   time.Time
	full time.Time
	ends map[string][]int64
	ids  map[string]string
}

func newAnnouncer(producer *Producer, topic string, interval time.Duration) *announcer {
	return &announcer{
		producer: producer, topic: topic, interval: interval, wake: make(chan struct{}, 1),
		pending: make(map[announced]change.Progress), last: make(map[announced]*lastAnnounced),
	}
}

// put hands over what a partition has reached, with all its ends. It never blocks.
func (a *announcer) put(p change.Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := announced{p.Stage, p.Partition}
	if old, ok := a.pending[key]; ok && old.LSN >= p.LSN {
		return
	}
	if last := a.last[key]; last != nil && last.lsn >= p.LSN {
		return
	}
	a.pending[key] = p
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// forget makes the partition's next record a full one: somebody else may have announced it meanwhile.
func (a *announcer) forget(stage string, partition int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.last, announced{stage, partition})
}

// run publishes until the context ends. Progress is a statement that the next one repeats: what is pending at the end
// need not be published.
func (a *announcer) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-a.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		batch, next := a.batch(time.Now())
		if next > 0 {
			timer.Reset(next)
		}
		if len(batch) == 0 {
			continue
		}
		if err := a.publish(ctx, batch); err != nil {
			// Only the context's end or a record that is too large ends up here; the producer has repeated the rest.
			a.producer.logger.Warn("progress was not announced", "topic", a.topic, "error", err)
		}
	}
}

// batch takes what is due, and says how long until more is. The interval is each partition's own: in a process that runs
// a chain of stages the later ones need not wait for the earlier ones' interval.
func (a *announcer) batch(now time.Time) (batch []change.Progress, next time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, p := range a.pending {
		last := a.last[key]
		if last == nil {
			last = &lastAnnounced{}
			a.last[key] = last
		}
		if wait := a.interval - now.Sub(last.at); wait > 0 {
			if next == 0 || wait < next {
				next = wait
			}
			continue
		}
		delete(a.pending, key)
		batch = append(batch, last.delta(p, now))
	}
	return batch, next
}

// delta returns the record to publish, without the ends that did not move since the partition's previous one. Of a topic that was
// made again all ends have moved.
func (l *lastAnnounced) delta(p change.Progress, now time.Time) change.Progress {
	ends, ids := p.Ends, p.IDs
	if p.Full = now.Sub(l.full) >= fullInterval || !maps.Equal(ids, l.ids); p.Full {
		l.full = now
	} else {
		p.Ends, p.IDs = movedEnds(l.ends, ends), maps.Clone(ids)
		maps.DeleteFunc(p.IDs, func(topic, _ string) bool { return p.Ends[topic] == nil })
	}
	l.at, l.lsn, l.ends, l.ids = now, p.LSN, ends, ids
	return p
}

func (a *announcer) publish(ctx context.Context, batch []change.Progress) error {
	messages := make([]Message, len(batch))
	for i, p := range batch {
		key, value, err := p.Encode()
		if err != nil {
			return err
		}
		messages[i] = Message{Topic: a.topic, Key: key, Value: value}
	}
	_, err := a.producer.Publish(ctx, messages)
	if err != nil {
		// The next records must not leave out what these would have said.
		for _, p := range batch {
			a.forget(p.Stage, p.Partition)
		}
		var oversize *OversizeError
		if errors.As(err, &oversize) {
			return fmt.Errorf("the stage has too many output partitions for one progress record: %w", err)
		}
	}
	return err
}

// movedEnds returns the ends that differ from the previous ones, -1 for the others, without the topics where none does.
func movedEnds(previous, ends map[string][]int64) map[string][]int64 {
	moved := make(map[string][]int64)
	for topic, now := range ends {
		before := previous[topic]
		delta := slices.Repeat([]int64{-1}, len(now))
		any := false
		for i := range now {
			if i >= len(before) || before[i] != now[i] {
				delta[i], any = now[i], true
			}
		}
		if any {
			moved[topic] = delta
		}
	}
	return moved
}

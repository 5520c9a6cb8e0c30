package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/topic"
)

// A topic that is deleted and made again takes with it what was published, and nothing but its offsets and its id tells. So
// the position says from time to time where the topics ended and which ones they were, and no topic may ever end before that
// or be another: neither at a start, nor in the answer to a batch, nor while there is nothing to publish. The id also tells
// of a topic that has outgrown what the old one held, but brokers before 2.8 have none.

const (
	// watchEvery is how often the topics are looked at while nothing else would tell.
	watchEvery = 10 * time.Second
	// endsPatience is how long a topic's end may lie before the one we know: a new leader needs a moment to learn how far the
	// old one was.
	endsPatience = 5 * time.Second
)

// verifyTopics refuses topics that end before what was published, by the stored position or by this process' own knowledge.
// It returns the ends, and the topics' ids.
func (s *session) verifyTopics(ctx context.Context, stored *position) (ends map[string][]int64, ids map[string]string, err error) {
	deadline := time.Now().Add(endsPatience)
	for {
		ends, ids, err = s.tableEnds(ctx, s.tables)
		if err != nil || stored == nil {
			return ends, ids, err
		}
		now := published{stored.Generation, ends, ids}
		err = now.lacks(published{stored.Generation, stored.Ends, stored.IDs})
		if err == nil {
			err = now.lacks(s.published)
		}
		if err == nil || time.Now().After(deadline) {
			return ends, ids, err
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return nil, nil, ctx.Err()
		}
	}
}

// watchTopics ends the session when a topic is gone, or ends before what it held: what is committed next may be hours away.
func (s *session) watchTopics(ctx context.Context, p *publisher) error {
	for sleep(ctx, watchEvery) {
		err := s.lookAtTopics(ctx, p)
		if !isLoss(err) {
			if err != nil && ctx.Err() == nil {
				s.log.Warn("can't look at the topics", "error", err)
			}
			continue
		}
		if !sleep(ctx, endsPatience) {
			break
		}
		if again := s.lookAtTopics(ctx, p); isLoss(again) {
			return again
		}
	}
	return nil
}

// errAnother says that a topic was made again while it held nothing: nothing is lost, but the next session has to learn its id.
var errAnother = errors.New("it was deleted and made again while it held nothing")

func isLoss(err error) bool {
	return isUnknown(err) || errors.As(err, new(*RefusedError)) || errors.Is(err, errAnother)
}

// lookAtTopics compares where the topics end with what Kafka has acknowledged before.
func (s *session) lookAtTopics(ctx context.Context, p *publisher) error {
	known, ids := p.held()
	request := map[string][]kafka.OffsetRequest{}
	for name, ends := range known {
		for i := range ends {
			request[name] = append(request[name], kafka.LastOffsetOf(i))
		}
	}
	now, err := s.listEnds(ctx, request)
	if err != nil {
		return err
	}
	if err := shrunk(known, now); err != nil {
		return err
	}
	found, err := topic.IDs(ctx, s.client, slices.Collect(maps.Keys(known))...)
	if err != nil {
		return err
	}
	return remade(known, ids, found)
}

func (s *session) listEnds(ctx context.Context, request map[string][]kafka.OffsetRequest) (map[string][]int64, error) {
	answer, err := s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: request})
	if err != nil {
		return nil, fmt.Errorf("list the topics' ends: %w", err)
	}
	ends := map[string][]int64{}
	for name, parts := range answer.Topics {
		ends[name] = make([]int64, len(request[name]))
		for _, part := range parts {
			if part.Error != nil {
				return nil, fmt.Errorf("end of %s/%d: %w", name, part.Partition, part.Error)
			}
			ends[name][part.Partition] = part.LastOffset
		}
	}
	return ends, nil
}

// published is what topics hold in one life of the slot, by what this process was told or the position says.
type published struct {
	generation int
	ends       map[string][]int64
	ids        map[string]string
}

// lacks refuses topics that no longer hold what they once did. One that held nothing may be another by now: the session
// learns its id as it begins.
func (p published) lacks(before published) error {
	if p.generation != before.generation {
		return nil
	}
	if err := shrunk(before.ends, p.ends); err != nil {
		return err
	}
	if err := remade(before.ends, before.ids, p.ids); !errors.Is(err, errAnother) {
		return err
	}
	return nil
}

// remade refuses a topic that has another id than it once had. It is errAnother when all such topics held nothing.
func remade(ends map[string][]int64, before, now map[string]string) (err error) {
	for name, id := range now {
		switch {
		case before[name] == "" || before[name] == id:
		case slices.ContainsFunc(ends[name], func(end int64) bool { return end > 0 }):
			return &RefusedError{Reason: fmt.Sprintf("topic %s was deleted and made again", name), Repair: repairResnapshot}
		default:
			err = fmt.Errorf("topic %s: %w", name, errAnother)
		}
	}
	return err
}

// shrunk refuses the first topic that ends before it once did. Topics of tables that left the publication are not asked for.
func shrunk(before, now map[string][]int64) error {
	for name, ends := range before {
		for i, end := range ends {
			if i < len(now[name]) && now[name][i] < end {
				return topicShrunk(name, i, now[name][i], end)
			}
		}
	}
	return nil
}

func topicShrunk(topic string, partition int, now, before int64) error {
	return &RefusedError{
		Reason: fmt.Sprintf("topic %s, partition %d ends at offset %d, but %d was reached: the topic was deleted and made again, or Kafka lost its end",
			topic, partition, now, before),
		Repair: repairResnapshot,
	}
}

// takeFilled says whether a partition holds its first records since the last call. A topic that held nothing may be made
// again without loss, so the position must not pass a topic's first records before it says that there are some.
func (p *publisher) takeFilled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	filled := p.filled
	p.filled = false
	return filled
}

// held returns where every partition ends by what Kafka has acknowledged, and the ids that the topics had when the session
// began to publish to them.
func (p *publisher) held() (ends map[string][]int64, ids map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ends = make(map[string][]int64, len(p.topics))
	for name, parts := range p.topics {
		ends[name] = make([]int64, len(parts))
		for i, part := range parts {
			ends[name][i] = part.next
		}
	}
	return ends, maps.Clone(p.ids)
}

// verifyBase refuses an acknowledgement that puts a batch before what the partition held already.
func (p *publisher) verifyBase(part *partition, base int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if base < part.next {
		return topicShrunk(part.topic, part.id, base, part.next)
	}
	return nil
}

// ends returns the offsets that partitions have reached, and the ids of their topics: all of them, or those that moved since the
// last call.
func (p *publisher) ends(all bool) (ends map[string][]int64, ids map[string]string, s state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ends, ids = map[string][]int64{}, map[string]string{}
	for name, parts := range p.topics {
		for _, part := range parts {
			if !all && !part.moved {
				continue
			}
			if ends[name] == nil {
				ends[name] = unmoved(len(parts))
				if id := p.ids[name]; id != "" {
					ids[name] = id
				}
			}
			ends[name][part.id] = part.next
			part.moved = false
		}
	}
	return ends, ids, p.stateLocked()
}

func unmoved(n int) []int64 {
	offsets := make([]int64, n)
	for i := range offsets {
		offsets[i] = -1
	}
	return offsets
}

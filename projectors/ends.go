package projectors

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/topic"
)

// lookEvery is how often a process asks whether its outputs were made again. Who does not publish to one meanwhile has no
// other way to learn it, and while one process still announces where the old topic ended, the stages behind it wait.
const lookEvery = 5 * time.Second

// known returns where the topic ends as far as we know, and its id.
func (t *target) known() (id string, ends []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id, slices.Clone(t.ends)
}

// raise notes that a batch, sent while the topic had the id, lies from base to end. It says false when that can't be of the
// topic that we know.
func (t *target) raise(id string, partition int, base, end int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id != id || base < t.ends[partition] {
		return false
	}
	t.ends[partition] = end
	return true
}

// learn takes the ends that the brokers have named. Those of the same topic never fall; another one's replace them.
func (t *target) learn(id string, ends []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, end := range ends {
		if t.id != id || end > t.ends[i] {
			t.ends[i] = end
		}
	}
	t.id = id
}

// Ends returns the next offset of each partition of the topic as far as this producer knows, -1 where it does not, and the
// id of the topic, "" where that is not known.
func (p *Producer) Ends(name string) (id string, ends []int64) {
	p.mu.Lock()
	t := p.topics[name]
	p.mu.Unlock()
	if t == nil {
		return "", nil
	}
	return t.known()
}

// Refresh asks the brokers where the topics end, so that Ends covers what others have published before.
func (p *Producer) Refresh(ctx context.Context, topics ...string) error {
	targets, listed := make([]*target, len(topics)), make([][]int64, len(topics))
	for i, name := range topics {
		var err error
		if targets[i], err = p.target(ctx, name); err != nil {
			return err
		}
	}
	ids, err := topic.During(ctx, p.client, topics, func() (err error) {
		for i, t := range targets {
			if listed[i], err = listOffsets(ctx, p.client, t.name, len(t.lanes), kafka.LastOffset); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, t := range targets {
		t.learn(ids[t.name], listed[i])
	}
	return nil
}

// landed notes where a batch lies that was sent while the topic had the id. One that lies before the end we knew, as one that was
// sent meanwhile, says that the topic was made again: then nobody but the brokers knows where it ends.
func (p *Producer) landed(ctx context.Context, l *lane, id string, base, end int64) error {
	if l.raise(id, l.partition, base, end) {
		return nil
	}
	pause := newBackoff(produceRetryMin, produceRetryMax)
	for {
		err := p.Refresh(ctx, l.name)
		if err == nil {
			return nil
		}
		if pause.loud() && ctx.Err() == nil {
			p.logger.Warn("asking where a topic ends failed, trying again", "topic", l.name, "error", err)
		}
		if !pause.wait(ctx) {
			return fmt.Errorf("learn where %s ends: %w", l.name, err)
		}
	}
}

// watch keeps up with topics that are made again until the context ends.
func (p *Producer) watch(ctx context.Context) {
	pause := newBackoff(lookEvery, lookEvery)
	for pause.wait(ctx) {
		if err := p.look(ctx); err != nil && ctx.Err() == nil && pause.loud() {
			p.logger.Warn("can't look whether topics were made again", "error", err)
		}
	}
}

// look learns the ends of the topics that were made again since their ends were learnt.
func (p *Producer) look(ctx context.Context) error {
	p.mu.Lock()
	had := make(map[string]string, len(p.topics))
	for name, t := range p.topics {
		if id, _ := t.known(); id != "" {
			had[name] = id
		}
	}
	p.mu.Unlock()
	var names, again []string
	for name := range had {
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil
	}
	now, err := topic.IDs(ctx, p.client, names...)
	if err != nil {
		return err
	}
	for name, id := range now {
		if id != had[name] {
			again = append(again, name)
		}
	}
	if len(again) == 0 {
		return nil
	}
	p.logger.Warn("topics were deleted and made again", "topics", again)
	return p.Refresh(ctx, again...)
}

package projectors

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
)

// Control is what operators ask of a stage. It outlives every process of it.
type Control struct {
	Paused bool
	Reason string // of the pause, for the log
	Skips  []Skip
	Replay *Replay
}

// Skip names a record that a stage is to park instead of applying.
type Skip struct {
	Topic     string `bson:"topic" json:"topic"`
	Partition int    `bson:"partition" json:"partition"`
	Offset    int64  `bson:"offset" json:"offset"`
	Reason    string `bson:"reason" json:"reason"`
}

// Replay asks a stage to handle once more what has come since an instant.
type Replay struct {
	ID    string    `bson:"id" json:"id"`
	Since time.Time `bson:"since" json:"since"` // zero for all that the topics hold
	Done  []int     `bson:"done" json:"done"`   // partitions that have gone back
}

// Controls is where the runtime learns what is asked; control.Board is such a place.
type Controls interface {
	// Of returns what is asked of a stage; false until that is known, which the stage waits for before it begins.
	Of(stage string) (Control, bool)
	// Changed is closed when the next answer may differ.
	Changed() <-chan struct{}
	// Replayed notes durably that a partition has gone back as the replay asks.
	Replayed(ctx context.Context, stage string, partition int, id string) error
}

// skippedError is the reason of a record that was parked by order.
type skippedError struct{ reason string }

func (e skippedError) Error() string { return "skipped by order: " + e.reason }

// admitted waits until the stage may take its next batch, and says whether it may before the context ends. A batch in hand
// is not held up: pausing is between two of them.
func (w *worker) admitted(ctx context.Context) bool {
	controls := w.config.Controls
	if controls == nil {
		return true
	}
	for said := false; ; said = true {
		changed := controls.Changed()
		asked, _ := controls.Of(w.stage.Name)
		w.metrics.paused.WithLabelValues(w.stage.Name, w.label).Set(boolean(asked.Paused))
		if !asked.Paused {
			return true
		}
		if !said {
			w.logger.Info("the stage is paused", "partition", w.partition, "reason", asked.Reason)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// skip parks the records of a batch that operators want left out, and returns the others. It is asked before each attempt,
// so that a batch that fails for ever can be freed of what it fails by.
func (w *worker) skip(ctx context.Context, batch []Record) ([]Record, error) {
	if w.config.Controls == nil {
		return batch, nil
	}
	asked, _ := w.config.Controls.Of(w.stage.Name)
	if len(asked.Skips) == 0 {
		return batch, nil
	}
	var poison Poison
	for _, r := range batch {
		for _, s := range asked.Skips {
			if s.Topic == r.Topic && s.Partition == r.Partition && s.Offset == r.Offset {
				poison.Add(r, skippedError{s.Reason})
				break
			}
		}
	}
	if poison.Err() == nil {
		return batch, nil
	}
	return w.park(ctx, batch, &poison)
}

// watchReplay ends the generation when a replay is asked for that its partitions have not followed: the next one goes back
// before it begins.
func (g *generation) watchReplay(ctx context.Context, end func()) {
	for controls := g.config.Controls; controls != nil; {
		changed := controls.Changed()
		back := g.replay()
		if back != nil && slices.ContainsFunc(g.workers, func(w *worker) bool { return !slices.Contains(back.Done, w.partition) }) {
			g.logger.Info("the stage goes back", "replay", back.ID, "since", back.Since)
			end()
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// heard waits until it is known what is asked of the stage. One that began before, and was to go back since records are gone,
// would read on where they were and stop for good.
func (g *generation) heard(ctx context.Context) error {
	controls := g.config.Controls
	for said := false; controls != nil; said = true {
		changed := controls.Changed()
		if _, known := controls.Of(g.stage.Name); known {
			break
		}
		if !said {
			g.logger.Info("the stage waits until it knows what is asked of it")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// replay returns the replay that is asked for, nil for none.
func (g *generation) replay() *Replay {
	if g.config.Controls == nil {
		return nil
	}
	asked, _ := g.config.Controls.Of(g.stage.Name)
	return asked.Replay
}

// goBack moves the starts of the partitions that have not followed the replay, commits them, and notes that. A crash in
// between goes back again, which repeats deliveries and nothing else.
func (g *generation) goBack(ctx context.Context, back *Replay, starts map[string]map[int]int64) error {
	if back == nil {
		return nil
	}
	moved, partitions := map[string]map[int]int64{}, map[int]bool{}
	for topic, offsets := range starts {
		for partition, offset := range offsets {
			if slices.Contains(back.Done, partition) {
				continue
			}
			partitions[partition] = true
			since, err := offsetSince(ctx, g.client, topic, partition, back.Since)
			if err != nil {
				return err
			}
			// From the beginning is also the way out for a stage whose records are gone: it starts at the first there is.
			if since < offset || back.Since.IsZero() {
				if moved[topic] == nil {
					moved[topic] = map[int]int64{}
				}
				moved[topic][partition], offsets[partition] = since, since
			}
		}
	}
	if len(moved) > 0 {
		if err := g.assigned.CommitOffsets(moved); err != nil {
			return fmt.Errorf("go back: commit offsets: %w", err)
		}
	}
	for partition := range partitions {
		if err := g.config.Controls.Replayed(ctx, g.stage.Name, partition, back.ID); err != nil {
			return fmt.Errorf("go back: %w", err)
		}
	}
	return nil
}

// offsetSince returns the offset of the first record that came at or after an instant, of the first there is for the zero
// instant, and the end where none came since.
func offsetSince(ctx context.Context, client *kafka.Client, topic string, partition int, since time.Time) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ask := func(request kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
		answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {request}}})
		if err == nil && len(answer.Topics[topic]) != 1 {
			err = kafka.UnknownTopicOrPartition
		}
		if err == nil {
			err = answer.Topics[topic][0].Error
		}
		if err != nil {
			return kafka.PartitionOffsets{}, fmt.Errorf("list offsets of %s/%d: %w", topic, partition, err)
		}
		return answer.Topics[topic][0], nil
	}
	if since.IsZero() {
		first, err := ask(kafka.FirstOffsetOf(partition))
		return first.FirstOffset, err
	}
	at, err := ask(kafka.TimeOffsetOf(partition, since))
	if err != nil {
		return 0, err
	}
	for offset := range at.Offsets {
		if offset >= 0 {
			return offset, nil
		}
	}
	last, err := ask(kafka.LastOffsetOf(partition))
	return last.LastOffset, err
}

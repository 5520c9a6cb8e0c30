package projectors

import (
	"context"
	"errors"
	"strconv"
	"time"

	"freshet/ingest/topic"
	"freshet/projectors/progress"
)

// remadeEvery is the least time between two questions to Kafka whether a topic was made again.
const remadeEvery = time.Second

// remade finds out that a topic was deleted and made again beneath its readers. A fetch mostly tells: it fails while there is
// no topic, or asks for an offset that the new one does not have. Where the new one has it, announced ends tell, which are of
// another topic than ours.
type remade struct {
	*generation
	asked time.Time
}

// found says whether the generation has to end for it: because it reads another topic than it began with. The stage stops for
// good if it had read some of the old one, since what it had not read there is lost.
func (r *remade) found(ctx context.Context, cut progress.Cut) bool {
	strange := false
	for _, name := range r.stage.Topics {
		strange = strange || foreign(cut, name, r.ids)
	}
	if !strange || time.Since(r.asked) < remadeEvery {
		return false
	}
	r.asked = time.Now()
	now, err := topic.IDs(ctx, r.client, r.stage.Topics...)
	if err != nil {
		if ctx.Err() == nil {
			r.logger.Warn("can't look whether topics were made again", "error", err)
		}
		return false
	}
	again := false
	for _, name := range r.stage.Topics {
		if now[name] == r.ids[name] { // the announcer does not know yet
			continue
		}
		again = true
		for _, w := range r.workers {
			if offset := w.ledger.at(name); offset > 0 {
				r.stop(ctx, name, w.partition, offset)
			}
		}
	}
	return again
}

func (r *remade) stop(ctx context.Context, name string, partition int, offset int64) {
	err := r.outOfRange(ctx, name, partition, offset)
	var gone *OffsetRangeError
	if errors.As(err, &gone) {
		gone.Remade = true
	}
	r.metrics.outOfRange.WithLabelValues(r.stage.Name, name, strconv.Itoa(partition)).Inc()
	r.fail(err)
}

package offer

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/document"
)

const (
	// tick is how often the clock looks for prices that start or end. It is added to the time they take to show; a look is
	// one read of an index that finds nothing most times.
	tick = 250 * time.Millisecond
	// strikeMost is how many offers are changed and published at a time.
	strikeMost = 500
)

// Timekeeper is a Projector that keeps the clock beside its batches: it changes the offers, of all partitions, whose prices
// have started or ended since, and publishes their views. One is enough; two that meet do the same work twice and no harm.
type Timekeeper struct {
	*Projector
	now func() time.Time
}

// NewTimekeeper returns the handler of a partition that is to keep the clock.
func NewTimekeeper(db *mongo.Database, config document.Config, out publisher) *Timekeeper {
	return &Timekeeper{Projector: NewProjector(db, config, out), now: time.Now}
}

// Run implements projectors.Runner.
func (t *Timekeeper) Run(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
		began := time.Now()
		n, err := t.strike(ctx)
		if err != nil {
			return err
		}
		if n < strikeMost {
			pause.Reset(tick)
			continue
		}
		// Many prices that start at once are bulk: the partitions' own batches get as much of the servers as these.
		pause.Reset(time.Since(began))
	}
}

// strike changes the offers that are due, up to so many, and says how many it found.
//
// Stored, then published, then noted: an offer is due until all three are done, so whoever keeps the clock after a crash
// finds it again. The note is refused where the document has another revision than the one published; whoever made that
// one works the bounds out anew.
func (t *Timekeeper) strike(ctx context.Context) (int, error) {
	now := t.now()
	ids, err := t.offers.UpTo(ctx, "edge", now.UnixMicro(), strikeMost)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	docs, err := t.offers.Update(ctx, ids, func(_ string, o *Offer) bool { return o.pass(now) })
	if err != nil {
		return 0, err
	}
	failpoint.Hit("offer-clock-after-swap-before-publish")
	// A view that is too large was parked with the record that made it so, and is no reason to try for ever.
	var large interface{ TooLarge() ([]int64, []string) }
	bulk := make(map[string]bool)
	for id := range docs {
		bulk[id] = len(docs) > projectors.HotRows
	}
	if err := t.out.Offers(ctx, docs, bulk); err != nil && !errors.As(err, &large) {
		return 0, err
	}
	failpoint.Hit("offer-clock-after-publish-before-note")
	notes := make([]document.Note[string], 0, len(docs))
	for id, o := range docs {
		_, next := o.bounds(o.AsOf().UnixMicro())
		notes = append(notes, document.Note[string]{ID: id, Rev: o.Rev, Value: next})
	}
	return len(ids), t.offers.Note(ctx, "edge", notes)
}

package demand

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors"
	"freshet/projectors/document"
)

// sweep is how often texts are forgotten.
const sweep = time.Hour

// Projector counts the events of a partition.
type Projector struct{ *Store }

// NewProjector returns the handler of one partition.
func NewProjector(db *mongo.Database, config document.Config) *Projector {
	return &Projector{NewStore(db, config)}
}

// counted is an event and where it lies.
type counted struct {
	event  Event
	offset int64
}

// Handle implements projectors.Handler. A repeated batch counts nothing twice: each document knows how far it has counted.
func (p *Projector) Handle(ctx context.Context, records []projectors.Record) error {
	var poison projectors.Poison
	events := map[string][]counted{}
	for _, r := range records {
		e, err := decode(r.Value)
		if err != nil {
			poison.Add(r, err)
			continue
		}
		id := front(e.Store, e.Lang) + e.Text
		events[id] = append(events[id], counted{e, r.Offset})
	}
	if err := poison.Err(); err != nil {
		return err
	}
	_, err := p.queries.Update(ctx, slices.Collect(maps.Keys(events)), func(id string, doc *Query) bool {
		changed := false
		for _, c := range events[id] {
			changed = doc.fold(&c.event, c.offset) || changed
		}
		return changed
	})
	return err
}

// Run forgets what nobody has searched for in a long while, so that texts that machines make up don't stay. It implements
// projectors.Runner.
func (p *Projector) Run(ctx context.Context) error {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		if err := p.Forget(ctx, time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

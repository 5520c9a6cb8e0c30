package order

import (
	"context"
	"errors"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/document"
)

// StageName is the stage whose progress says how far the documents are.
const StageName = "order"

// CollectionName is the collection of order documents.
const CollectionName = "orders"

// Projector folds the records of the order tables into order documents. It belongs to one goroutine, as every
// projectors.Handler does; the swap keeps it right beside others, whatever partition an order's rows come from.
type Projector struct {
	orders *document.Collection[int64, Order]
}

// NewProjector returns the handler of one partition.
func NewProjector(db *mongo.Database, config document.Config) *Projector {
	return &Projector{orders: open(db, config)}
}

func open(db *mongo.Database, config document.Config) *document.Collection[int64, Order] {
	return document.Open[int64, Order](db, CollectionName, config)
}

// EnsureIndexes creates the indexes by which a customer finds their orders, and an audit those of a store.
func EnsureIndexes(ctx context.Context, db *mongo.Database) error {
	orders := open(db, document.Config{})
	return errors.Join(orders.EnsureIndex(ctx, "row.customer", "row.placed", "_id"), orders.EnsureIndex(ctx, "row.store"))
}

// Handle implements projectors.Handler.
func (p *Projector) Handle(ctx context.Context, records []projectors.Record) error {
	edits := map[int64][]Edit{}
	err := projectors.ReadAll(records, func(_ projectors.Record, ev change.Event) error {
		e, err := Read(ev)
		if err == nil {
			edits[e.Order] = append(edits[e.Order], e)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = p.orders.Update(ctx, slices.Collect(maps.Keys(edits)), func(id int64, doc *Order) bool {
		changed := false
		for _, e := range edits[id] {
			changed = e.Fold(doc) || changed
		}
		return changed
	})
	if err != nil {
		return err
	}
	failpoint.Hit("order-after-swap")
	return nil
}

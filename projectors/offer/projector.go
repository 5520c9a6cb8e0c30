package offer

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

// CollectionName is the collection of offer documents.
const CollectionName = "offers"

// Tables are the tables that the projector folds.
var Tables = []string{"offers", "prices", "inventory", "stock_movements"}

// Open returns the collection of offer documents.
func Open(db *mongo.Database, config document.Config) *document.Collection[string, Offer] {
	return document.Open[string, Offer](db, CollectionName, config)
}

// EnsureIndexes creates the indexes by which a product finds its offers, and the clock those that are due.
func EnsureIndexes(ctx context.Context, db *mongo.Database) error {
	offers := Open(db, document.Config{})
	return errors.Join(offers.EnsureIndex(ctx, "product"), offers.EnsureIndex(ctx, "edge"))
}

// publisher publishes the views of the offers, those that bulk names as such.
type publisher interface {
	Offers(ctx context.Context, stored map[string]*Offer, bulk map[string]bool) error
}

// Projector folds the records of the offer tables into offer documents and publishes their views. It belongs to one
// goroutine, as every projectors.Handler does.
type Projector struct {
	offers *document.Collection[string, Offer]
	folds  *document.Collection[string, Offer] // the same, as the batches change it
	out    publisher
}

// foldsKept is how many offers a partition remembers, some 10 MB: what was just sold or repriced is what changes next.
const foldsKept = 16_384

// NewProjector returns the handler of one partition.
func NewProjector(db *mongo.Database, config document.Config, out publisher) *Projector {
	offers := Open(db, config)
	return &Projector{offers: offers, folds: offers.Keeping(foldsKept), out: out}
}

// batch is what a batch of records says, by document.
type batch struct {
	edits   map[string][]Edit
	records map[string][]projectors.Record
}

// Handle implements projectors.Handler. Documents that the batch leaves as they are have their views published all the
// same: the batch may be a repetition, after we died between storing and publishing.
func (p *Projector) Handle(ctx context.Context, records []projectors.Record) error {
	b, err := read(records)
	if err != nil {
		return err
	}
	docs, err := p.folds.Update(ctx, slices.Collect(maps.Keys(b.edits)), func(id string, doc *Offer) bool {
		changed := false
		for _, e := range b.edits[id] {
			changed = e.Fold(doc) || changed
		}
		return changed
	})
	if err != nil {
		return err
	}
	failpoint.Hit("offer-after-swap-before-publish")
	return b.park(p.out.Offers(ctx, docs, b.bulk()))
}

// bulk names the offers that the batch holds nothing but bulk of.
func (b *batch) bulk() map[string]bool {
	bulk := make(map[string]bool)
	for id, records := range b.records {
		bulk[id] = !slices.ContainsFunc(records, func(r projectors.Record) bool { return !r.Bulk() })
	}
	return bulk
}

// read decodes all records before anything is applied. The error is a projectors.Poison that names those that can't be.
func read(records []projectors.Record) (*batch, error) {
	b := &batch{edits: map[string][]Edit{}, records: map[string][]projectors.Record{}}
	err := projectors.ReadAll(records, func(r projectors.Record, ev change.Event) error {
		e, err := Read(ev)
		if err == nil && e.Offer != "" {
			b.edits[e.Offer] = append(b.edits[e.Offer], e)
			b.records[e.Offer] = append(b.records[e.Offer], r)
		}
		return err
	})
	return b, err
}

// park turns the error of views that are too large into poison of the records that made them so: their documents are
// stored, but no view of them can be published until something makes them smaller. It returns every other error.
func (b *batch) park(err error) error {
	var large interface {
		error
		TooLarge() (products []int64, offers []string)
	}
	if !errors.As(err, &large) {
		return err
	}
	var poison projectors.Poison
	_, offers := large.TooLarge()
	for _, id := range offers {
		for _, r := range b.records[id] {
			poison.Add(r, large)
		}
	}
	return poison.Err()
}

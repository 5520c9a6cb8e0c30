package recommend

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/document"
)

// StageName is the stage whose progress says how far the documents are.
const StageName = "recommend"

// Projector folds baskets and counts again what they name. It belongs to one goroutine, as every projectors.Handler does.
type Projector struct{ *Store }

// NewProjector returns the handler of one partition.
func NewProjector(db *mongo.Database, config document.Config) *Projector {
	return &Projector{NewStore(db, config)}
}

// Handle implements projectors.Handler. A repeated batch counts again, which changes nothing: we may have died before.
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
	baskets, err := p.baskets.Update(ctx, slices.Collect(maps.Keys(edits)), func(id int64, doc *Basket) bool {
		changed := false
		for _, e := range edits[id] {
			changed = e.Fold(doc) || changed
		}
		return changed
	})
	if err != nil {
		return err
	}
	failpoint.Hit("recommend-after-baskets-before-counts")
	var products, customers []int64
	for _, b := range baskets {
		products, customers = append(products, b.EverProducts...), append(customers, b.EverCustomers...)
	}
	if err := p.countProducts(ctx, products); err != nil {
		return err
	}
	return p.countCustomers(ctx, customers)
}

// counted makes a fold of a function that reads baskets. It is called after the document was loaded, and its result is
// stored even where it is as before, under a new revision. So of two who count one document, whoever stores last has read
// the baskets after the other did: nobody can put an older count over a newer one.
func counted[T any](failure *error, count func(id int64, doc *T) error) func(int64, *T) bool {
	return func(id int64, doc *T) bool {
		if *failure == nil {
			*failure = count(id, doc)
		}
		return *failure == nil
	}
}

func (p *Projector) countProducts(ctx context.Context, products []int64) error {
	all, err := p.mongo.EstimatedDocumentCount(ctx)
	if err != nil {
		return fmt.Errorf("count the baskets: %w", err)
	}
	var failure error
	_, err = p.together.Update(ctx, products, counted(&failure, func(product int64, doc *Together) error {
		baskets, err := p.newest(ctx, "products", product, Window)
		if err != nil {
			return err
		}
		doc.pairs(baskets)
		if doc.Orders, err = p.orders(ctx, product, len(baskets)); err != nil {
			return err
		}
		others := make([]int64, len(doc.Pairs))
		for i, pair := range doc.Pairs {
			others[i] = pair.Product
		}
		known, err := p.together.Load(ctx, others)
		if err != nil {
			return err
		}
		doc.rank(func(other int64) int64 {
			if known[other] == nil {
				return 0
			}
			return known[other].Orders
		}, all)
		return nil
	}))
	if failure != nil {
		return failure
	}
	return err
}

func (p *Projector) countCustomers(ctx context.Context, customers []int64) error {
	var failure error
	_, err := p.picks.Update(ctx, customers, counted(&failure, func(customer int64, doc *Picks) error {
		baskets, err := p.newest(ctx, "customer", customer, History)
		if err != nil {
			return err
		}
		doc.bought(baskets)
		bought := make([]int64, len(doc.Bought))
		for i, b := range doc.Bought {
			bought[i] = b.Product
		}
		together, err := p.together.Load(ctx, bought)
		if err != nil {
			return err
		}
		doc.choose(baskets, func(product int64) *Together { return together[product] })
		return nil
	}))
	if failure != nil {
		return failure
	}
	return err
}

package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/document"
)

// Names of the collections.
const (
	CollectionName       = "products"
	BrandCollectionName  = "brand_names"
	RatingCollectionName = "ratings"
)

// Tables are the tables that the projector folds. brands has one partition, which the worker of partition 0 gets.
var Tables = []string{"products", "product_texts", "product_categories", "variants", "brands", "reviews"}

// renameGroup is how many products of a renamed brand are changed and published at a time.
const renameGroup = 500

// Open returns the collection of product documents.
func Open(db *mongo.Database, config document.Config) *document.Collection[int64, Product] {
	return document.Open[int64, Product](db, CollectionName, config)
}

// EnsureIndexes creates the index by which a brand finds its products.
func EnsureIndexes(ctx context.Context, db *mongo.Database) error {
	return Open(db, document.Config{}).EnsureIndex(ctx, "row.brand_id")
}

// publisher publishes the views of all offers of the products.
type publisher interface {
	Products(ctx context.Context, stored map[int64]*Product) error
}

// Projector folds the records of the product tables into product documents and publishes the views these take part in. It
// belongs to one goroutine, as every projectors.Handler does.
type Projector struct {
	products *document.Collection[int64, Product]
	brands   *document.Collection[int64, BrandName]
	ratings  *document.Collection[string, Ratings]
	out      publisher
	hints    map[int64]*BrandName // brands as last seen: they spare a second swap, and are never trusted to be the newest
}

// NewProjector returns the handler of one partition.
func NewProjector(db *mongo.Database, config document.Config, out publisher) *Projector {
	return &Projector{
		products: Open(db, config),
		brands:   document.Open[int64, BrandName](db, BrandCollectionName, config),
		ratings:  document.Open[string, Ratings](db, RatingCollectionName, config),
		out:      out,
		hints:    make(map[int64]*BrandName),
	}
}

// Handle implements projectors.Handler. Documents that the batch leaves as they are have their views published all the
// same: the batch may be a repetition, after we died between storing and publishing.
func (p *Projector) Handle(ctx context.Context, records []projectors.Record) error {
	b, err := read(records)
	if err != nil {
		return err
	}
	brands, err := p.brands.Update(ctx, slices.Collect(maps.Keys(b.names)), func(id int64, doc *BrandName) bool {
		changed := false
		for _, n := range b.names[id] {
			changed = doc.Fold(n) || changed
		}
		return changed
	})
	if err != nil {
		return err
	}
	maps.Copy(p.hints, brands)
	tallies, err := p.review(ctx, b)
	if err != nil {
		return err
	}
	docs, err := p.products.Update(ctx, b.products(), func(id int64, doc *Product) bool {
		changed := false
		for _, t := range tallies[id] {
			changed = doc.take(t) || changed
		}
		for _, e := range b.edits[id] {
			changed = e.Fold(doc) || changed
		}
		return FoldBrand(doc, p.hints[doc.Row.BrandID]) || changed
	})
	if err != nil {
		return err
	}
	if err := p.name(ctx, docs); err != nil {
		return err
	}
	failpoint.Hit("catalog-after-swap-before-publish")
	var poison projectors.Poison
	b.lost(&poison, docs)
	if err := b.park(&poison, p.out.Products(ctx, docs)); err != nil {
		return err
	}
	if err := b.park(&poison, p.rename(ctx, brands)); err != nil {
		return err
	}
	return poison.Err()
}

// review stores what the batch says of reviews, and returns what they count for by product.
func (p *Projector) review(ctx context.Context, b *batch) (map[int64][]Tally, error) {
	docs, err := p.ratings.Update(ctx, slices.Collect(maps.Keys(b.reviews)), func(id string, doc *Ratings) bool {
		changed := false
		for _, j := range b.reviews[id] {
			changed = doc.fold(j) || changed
		}
		return changed
	})
	if err != nil {
		return nil, err
	}
	failpoint.Hit("catalog-after-reviews-before-tally")
	tallies := make(map[int64][]Tally, len(b.reviewed))
	for id, doc := range docs {
		j := b.reviews[id][0]
		tallies[j.product] = append(tallies[j.product], doc.tally(j.part))
	}
	return tallies, nil
}

// name gives the products, which are stored, the names of their brands.
//
// A product's brand and a brand's name change at the same time in different partitions, and no event says which name a
// product had. The product's writer stores the product first and reads the brand after; the brand's writer stores the
// brand first and looks for its products after. Whichever of the two reads later sees what the other has stored, so one
// of them folds the name in; if both do, the brand's position decides.
func (p *Projector) name(ctx context.Context, docs map[int64]*Product) error {
	var ids []int64
	for _, doc := range docs {
		if doc.Row.BrandID != 0 {
			ids = append(ids, doc.Row.BrandID)
		}
	}
	slices.Sort(ids)
	brands, err := p.brands.Load(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	maps.Copy(p.hints, brands)
	var stale []int64
	for id, doc := range docs {
		if b := brands[doc.Row.BrandID]; b != nil && b.newerFor(doc) {
			stale = append(stale, id)
		}
	}
	named, err := p.products.Update(ctx, stale, func(_ int64, doc *Product) bool { return FoldBrand(doc, brands[doc.Row.BrandID]) })
	if err != nil {
		return fmt.Errorf("name the brands of %d products: %w", len(stale), err)
	}
	maps.Copy(docs, named)
	return nil
}

// rename folds the names of the brands, which are stored, into all their products and publishes the views of these.
func (p *Projector) rename(ctx context.Context, brands map[int64]*BrandName) error {
	if len(brands) == 0 || failpoint.Enabled("forget-brand") {
		return nil
	}
	ids, err := p.products.IDsWhere(ctx, "row.brand_id", slices.Collect(maps.Keys(brands)))
	if err != nil {
		return err
	}
	var errs []error
	for group := range slices.Chunk(ids, renameGroup) {
		docs, err := p.products.Update(ctx, group, func(_ int64, doc *Product) bool { return FoldBrand(doc, brands[doc.Row.BrandID]) })
		if err != nil {
			return fmt.Errorf("rename the brands of %d products: %w", len(group), err)
		}
		err = p.out.Products(ctx, docs)
		if _, ok := tooLarge(err); err != nil && !ok {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

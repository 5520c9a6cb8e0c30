package index

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/catalog"
	"freshet/projectors/document"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

// Store is what the stage keeps in MongoDB and reads from it: the offers and products that a store is indexed from, and a
// mark per store of what it was last indexed with.
type Store struct {
	offers   *document.Collection[string, offer.Offer]
	products *document.Collection[int64, catalog.Product]
	marks    *document.Collection[int64, Mark]

	generations *document.Collection[string, Generation]
}

// NewStore opens the collections in a database.
func NewStore(db *mongo.Database, config document.Config) *Store {
	return &Store{
		offers: offer.Open(db, config), products: catalog.Open(db, config),
		marks: document.Open[int64, Mark](db, "indexed", config), generations: document.Open[string, Generation](db, "generations", config),
	}
}

// Mark says what a store's documents were last made from, beside the views. It spares the store from being indexed again
// when a change of the dimensions leaves its documents as they are, like the renaming of a category.
type Mark struct {
	ID         int64  `bson:"_id"` // store
	Rev        int64  `bson:"rev"`
	Dimensions int64  `bson:"dimensions"` // version of the Set
	Digest     string `bson:"digest"`     // of the languages and the registry
}

// DocumentID is the field stored as _id.
func (m *Mark) DocumentID() *int64 { return &m.ID }

// Revision is the field stored as rev.
func (m *Mark) Revision() *int64 { return &m.Rev }

// marked returns the store's mark, a zero one if there is none.
func (s *Store) marked(ctx context.Context, store int64) (Mark, error) {
	marks, err := s.marks.Load(ctx, []int64{store})
	if err != nil {
		return Mark{}, fmt.Errorf("read the mark of store %d: %w", store, err)
	}
	if m := marks[store]; m != nil {
		return *m, nil
	}
	return Mark{ID: store}, nil
}

// mark stores a mark unless there is one of later dimensions: a worker that lost its partition may come late.
func (s *Store) mark(ctx context.Context, m Mark) error {
	_, err := s.marks.Update(ctx, []int64{m.ID}, func(_ int64, stored *Mark) bool {
		if stored.Rev > 0 && stored.Dimensions > m.Dimensions {
			return false
		}
		stored.Dimensions, stored.Digest = m.Dimensions, m.Digest
		return true
	})
	if err != nil {
		return fmt.Errorf("mark store %d: %w", m.ID, err)
	}
	return nil
}

// chunk is how many offers are joined and written at a time; it bounds the memory beside a batch.
const chunk = 500

// views calls fn with the joined views of all offers of a store, a chunk at a time.
//
// The two documents of a view are read one after the other, so a view may be of no instant. Its version is then below that
// of the change in between, whose view is on its way.
func (s *Store) views(ctx context.Context, store int64, fn func([]view.Offer) error) error {
	offers := make([]*offer.Offer, 0, chunk)
	flush := func() error {
		joined, err := s.join(ctx, offers)
		if err != nil || len(joined) == 0 {
			return err
		}
		offers = offers[:0]
		return fn(joined)
	}
	// ';' follows ':', so this is every id that begins with the store.
	err := s.offers.Range(ctx, fmt.Sprintf("%d:", store), fmt.Sprintf("%d;", store), func(o *offer.Offer) error {
		if offers = append(offers, o); len(offers) < chunk {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// viewsOf joins the views of single offers of a store.
func (s *Store) viewsOf(ctx context.Context, store int64, products []int64) ([]view.Offer, error) {
	ids := make([]string, len(products))
	for i, product := range products {
		ids[i] = offer.ID(store, product)
	}
	found, err := s.offers.Load(ctx, ids)
	if err != nil {
		return nil, err
	}
	return s.join(ctx, slices.Collect(maps.Values(found)))
}

// sample joins the views of some offers, chosen by chance.
func (s *Store) sample(ctx context.Context, n int) ([]view.Offer, error) {
	offers, err := s.offers.Sample(ctx, n)
	if err != nil {
		return nil, err
	}
	return s.join(ctx, offers)
}

func (s *Store) join(ctx context.Context, offers []*offer.Offer) ([]view.Offer, error) {
	if len(offers) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(offers))
	for i, o := range offers {
		ids[i] = o.Product
	}
	products, err := s.products.Load(ctx, ids)
	if err != nil {
		return nil, err
	}
	joined := make([]view.Offer, len(offers))
	for i, o := range offers {
		joined[i] = view.Join(products[o.Product], o)
	}
	return joined, nil
}

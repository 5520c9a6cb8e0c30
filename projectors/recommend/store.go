package recommend

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/projectors/document"
)

// The collections.
const (
	BasketsCollectionName  = "baskets"
	TogetherCollectionName = "together"
	PicksCollectionName    = "picks"
)

// Store is the documents: api/read reads them, the Projector writes them.
type Store struct {
	baskets  *document.Collection[int64, Basket]
	together *document.Collection[int64, Together]
	picks    *document.Collection[int64, Picks]
	mongo    *mongo.Collection // of the baskets
}

// countGroup is how many documents are counted between a load and a swap. Many would take so long that somebody else has
// changed one of them meanwhile.
const countGroup = 20

// NewStore opens the documents in a database.
func NewStore(db *mongo.Database, config document.Config) *Store {
	counted := document.Config{Plain: config.Plain, Group: countGroup}
	return &Store{
		baskets:  document.Open[int64, Basket](db, BasketsCollectionName, config),
		together: document.Open[int64, Together](db, TogetherCollectionName, counted),
		picks:    document.Open[int64, Picks](db, PicksCollectionName, counted),
		mongo:    db.Collection(BasketsCollectionName, document.Durable()),
	}
}

// EnsureIndexes creates the indexes by which products and customers find their baskets.
func EnsureIndexes(ctx context.Context, db *mongo.Database) error {
	s := NewStore(db, document.Config{})
	return errors.Join(s.baskets.EnsureIndex(ctx, "products", "placed"), s.baskets.EnsureIndex(ctx, "customer", "placed"))
}

// Together returns what is bought together with a product, by one read of its _id; nothing where nobody bought it.
func (s *Store) Together(ctx context.Context, product int64) ([]Pair, error) {
	docs, err := s.together.Load(ctx, []int64{product})
	if err != nil || docs[product] == nil {
		return nil, err
	}
	return docs[product].Pairs, nil
}

// Picks returns what is picked for a customer, by one read of its _id; nothing for who never bought anything.
func (s *Store) Picks(ctx context.Context, customer int64) ([]Score, error) {
	docs, err := s.picks.Load(ctx, []int64{customer})
	if err != nil || docs[customer] == nil {
		return nil, err
	}
	return docs[customer].Picks, nil
}

// Bought returns what a customer bought, the weightiest first, by one read of its _id; nothing for who never bought anything.
func (s *Store) Bought(ctx context.Context, customer int64) ([]Score, error) {
	docs, err := s.picks.Load(ctx, []int64{customer})
	if err != nil || docs[customer] == nil {
		return nil, err
	}
	return docs[customer].Bought, nil
}

// newest returns the newest baskets where the field holds the id.
func (s *Store) newest(ctx context.Context, field string, id, limit int64) ([]*Basket, error) {
	cursor, err := s.mongo.Find(ctx, bson.D{{Key: field, Value: id}}, options.Find().SetLimit(limit).
		SetSort(bson.D{{Key: "placed", Value: -1}, {Key: "_id", Value: -1}}).
		SetProjection(bson.D{{Key: "placed", Value: 1}, {Key: "products", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("read the baskets of %s %d: %w", field, id, err)
	}
	var baskets []*Basket
	if err := cursor.All(ctx, &baskets); err != nil {
		return nil, fmt.Errorf("read the baskets of %s %d: %w", field, id, err)
	}
	return baskets, nil
}

// orders is how many baskets hold the product; those at hand are all of them unless the window is full.
func (s *Store) orders(ctx context.Context, product int64, window int) (int64, error) {
	if window < Window {
		return int64(window), nil
	}
	n, err := s.mongo.CountDocuments(ctx, bson.D{{Key: "products", Value: product}})
	if err != nil {
		return 0, fmt.Errorf("count the baskets of product %d: %w", product, err)
	}
	return n, nil
}

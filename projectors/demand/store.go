package demand

import (
	"context"
	"fmt"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/projectors/document"
)

// CollectionName is the collection of the texts.
const CollectionName = "searches"

const (
	// often is what a text's searches must be worth for others to be shown it: less may be one person's.
	often = 5
	// most is how many texts of a store are popular.
	most = 500
	// patience is for how many half-lives a single search is remembered; a text searched for more often stays longer.
	patience = 4
)

// Store is the documents: api/read and api/admin read them, the Projector writes them.
type Store struct {
	queries *document.Collection[string, Query]
	mongo   *mongo.Collection
}

// NewStore opens the documents in a database.
func NewStore(db *mongo.Database, config document.Config) *Store {
	return &Store{queries: document.Open[string, Query](db, CollectionName, config), mongo: db.Collection(CollectionName, document.Durable())}
}

// EnsureIndexes creates the index by which the texts most searched for are found.
func EnsureIndexes(ctx context.Context, db *mongo.Database) error {
	return NewStore(db, document.Config{}).queries.EnsureIndex(ctx, "front", "score")
}

// Lately returns the texts most searched for lately in a store and a language, the most first; with nothing true only
// those whose last search found nothing.
func (s *Store) Lately(ctx context.Context, store int64, lang string, nothing bool, limit int) ([]Query, error) {
	filter := bson.D{{Key: "front", Value: front(store, lang)}}
	if nothing {
		filter = append(filter, bson.E{Key: "total", Value: 0})
	}
	return s.find(ctx, filter, limit)
}

// Popular returns the texts that are fit to be shown to others, those most searched for lately first: enough searches are
// behind each, and it finds something as it is written.
func (s *Store) Popular(ctx context.Context, store int64, lang string, now time.Time) ([]string, error) {
	found, err := s.find(ctx, bson.D{
		{Key: "front", Value: front(store, lang)},
		{Key: "finds", Value: true},
		{Key: "score", Value: bson.D{{Key: "$gte", Value: halfLives(now) + math.Log2(often)}}},
	}, most)
	texts := make([]string, len(found))
	for i := range found {
		texts[i] = found[i].Text()
	}
	return texts, err
}

func (s *Store) find(ctx context.Context, filter bson.D, limit int) ([]Query, error) {
	order := bson.D{{Key: "front", Value: -1}, {Key: "score", Value: -1}}
	cursor, err := s.mongo.Find(ctx, filter, options.Find().SetSort(order).SetLimit(int64(limit)))
	if err != nil {
		return nil, fmt.Errorf("read searches: %w", err)
	}
	var found []Query
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("read searches: %w", err)
	}
	return found, nil
}

// Forget deletes the texts that weigh too little to be remembered.
func (s *Store) Forget(ctx context.Context, now time.Time) error {
	below := bson.D{{Key: "score", Value: bson.D{{Key: "$lt", Value: halfLives(now) - patience}}}}
	if _, err := s.mongo.DeleteMany(ctx, below); err != nil && ctx.Err() == nil {
		return fmt.Errorf("forget old searches: %w", err)
	}
	return nil
}

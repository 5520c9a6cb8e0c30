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
	// maxTexts is how many texts of a store and language are kept for longer than a sweep, those most searched for lately.
	maxTexts = 100_000
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
	return s.find(ctx, filter, limit, 0)
}

// Popular returns the texts that are fit to be shown to others, those most searched for lately first: enough searches are
// behind each, and it finds something as it is written.
func (s *Store) Popular(ctx context.Context, store int64, lang string, now time.Time) ([]string, error) {
	found, err := s.find(ctx, bson.D{
		{Key: "front", Value: front(store, lang)},
		{Key: "finds", Value: true},
		{Key: "score", Value: bson.D{{Key: "$gte", Value: halfLives(now) + math.Log2(often)}}},
	}, most, 0)
	texts := make([]string, len(found))
	for i := range found {
		texts[i] = found[i].Text()
	}
	return texts, err
}

func (s *Store) find(ctx context.Context, filter bson.D, limit, skip int) ([]Query, error) {
	order := bson.D{{Key: "front", Value: -1}, {Key: "score", Value: -1}}
	cursor, err := s.mongo.Find(ctx, filter, options.Find().SetSort(order).SetLimit(int64(limit)).SetSkip(int64(skip)))
	if err != nil {
		return nil, fmt.Errorf("read searches: %w", err)
	}
	var found []Query
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("read searches: %w", err)
	}
	return found, nil
}

// Forget deletes the texts that weigh too little to be remembered, and of each store and language those beyond the most.
func (s *Store) Forget(ctx context.Context, now time.Time) error { return s.forget(ctx, now, maxTexts) }

func (s *Store) forget(ctx context.Context, now time.Time, most int) error {
	var fronts []string
	if err := s.mongo.Distinct(ctx, "front", bson.D{}).Decode(&fronts); err != nil {
		return fmt.Errorf("list the stores with searches: %w", err)
	}
	for _, front := range fronts {
		lowest := halfLives(now) - patience
		first, err := s.find(ctx, bson.D{{Key: "front", Value: front}}, 1, most)
		if err != nil {
			return err
		}
		for _, q := range first {
			lowest = max(lowest, math.Nextafter(q.Score, math.Inf(1)))
		}
		below := bson.D{{Key: "front", Value: front}, {Key: "score", Value: bson.D{{Key: "$lt", Value: lowest}}}}
		if _, err := s.mongo.DeleteMany(ctx, below); err != nil {
			return fmt.Errorf("forget old searches: %w", err)
		}
	}
	return nil
}

package alert

import (
	"context"
	"fmt"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/projectors/document"
)

// Store reads the alerts.
type Store struct{ alerts *mongo.Collection }

// NewStore opens the documents in a database.
func NewStore(db *mongo.Database) *Store {
	return &Store{db.Collection(CollectionName, document.Durable())}
}

// Filter says which of a seller's alerts to return, the newest first: of one store and kind where given, and only those
// after the one that At and ID name where they are given.
type Filter struct {
	Store int64
	Kind  Kind
	At    int64
	ID    string
	Limit int
}

// Alerts returns a seller's alerts.
func (s *Store) Alerts(ctx context.Context, seller int64, f Filter) ([]Alert, error) {
	filter := bson.D{{Key: "seller", Value: seller}}
	if f.Store != 0 {
		filter = append(filter, bson.E{Key: "store", Value: f.Store})
	}
	if f.Kind != "" {
		filter = append(filter, bson.E{Key: "kind", Value: f.Kind})
	}
	// Bounded on both ends: what has no bound is read whole by some servers, whatever the limit.
	at := func(below int64) bson.E {
		return bson.E{Key: "at", Value: bson.D{{Key: "$gte", Value: int64(0)}, {Key: "$lt", Value: below}}}
	}
	if f.ID == "" {
		filter = append(filter, at(math.MaxInt64))
	} else {
		filter = append(filter, bson.E{Key: "$or", Value: bson.A{
			bson.D{at(f.At)},
			bson.D{{Key: "at", Value: f.At}, {Key: "_id", Value: bson.D{{Key: "$lt", Value: f.ID}}}},
		}})
	}
	cursor, err := s.alerts.Find(ctx, filter, options.Find().SetLimit(int64(f.Limit)).SetSort(bson.D{{Key: "at", Value: -1}, {Key: "_id", Value: -1}}))
	if err != nil {
		return nil, fmt.Errorf("read the alerts of seller %d: %w", seller, err)
	}
	alerts := []Alert{}
	if err := cursor.All(ctx, &alerts); err != nil {
		return nil, fmt.Errorf("read the alerts of seller %d: %w", seller, err)
	}
	return alerts, nil
}

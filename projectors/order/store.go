package order

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/projectors/document"
)

// Store reads the order documents.
type Store struct {
	orders *document.Collection[int64, Order]
	mongo  *mongo.Collection
}

// NewStore opens the documents in a database.
func NewStore(db *mongo.Database) *Store {
	return &Store{orders: open(db, document.Config{}), mongo: db.Collection(CollectionName, document.Durable())}
}

// Order returns an order by one read of its _id, nil where there is none.
func (s *Store) Order(ctx context.Context, id int64) (*Order, error) {
	docs, err := s.orders.Load(ctx, []int64{id})
	if err != nil || !docs[id].Live() {
		return nil, err
	}
	return docs[id], nil
}

// Period says which of a customer's orders History returns: those placed from From to before To, the newest first, and
// only those after the order that Placed and ID name where they are given.
type Period struct {
	From, To Instant
	Placed   Instant
	ID       int64
	Limit    int
}

// History returns a customer's orders of a period, without what hangs on them but the lines.
func (s *Store) History(ctx context.Context, customer int64, p Period) ([]*Order, error) {
	const customerField, placedField = "row.customer", "row.placed"
	// Bounded on both ends also where a page before ended: the rest of that instant, then what is older.
	placed := bson.D{{Key: "$gte", Value: p.From}, {Key: "$lt", Value: p.To}}
	filter := bson.D{{Key: customerField, Value: customer}, {Key: placedField, Value: placed}}
	if p.ID != 0 {
		older := bson.D{{Key: "$gte", Value: p.From}, {Key: "$lt", Value: min(p.Placed, p.To)}}
		filter = bson.D{{Key: customerField, Value: customer}, {Key: "$or", Value: bson.A{
			bson.D{{Key: placedField, Value: older}},
			bson.D{{Key: placedField, Value: p.Placed}, {Key: "_id", Value: bson.D{{Key: "$lt", Value: p.ID}}}},
		}}}
	}
	cursor, err := s.mongo.Find(ctx, filter, options.Find().SetLimit(int64(p.Limit)).
		SetSort(bson.D{{Key: placedField, Value: -1}, {Key: "_id", Value: -1}}).
		SetProjection(bson.D{{Key: "row", Value: 1}, {Key: "lines", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("read the orders of customer %d: %w", customer, err)
	}
	var orders []*Order
	if err := cursor.All(ctx, &orders); err != nil {
		return nil, fmt.Errorf("read the orders of customer %d: %w", customer, err)
	}
	return orders, nil
}

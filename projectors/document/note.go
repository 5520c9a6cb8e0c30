package document

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Note is a number to be set on a document that is still at revision Rev.
type Note[K any] struct {
	ID    K
	Rev   int64
	Value int64
}

// UpTo returns the ids of the documents whose field, which should be indexed, is above 0 and at most the limit: the least
// first, and no more than so many.
func (c *Collection[K, T]) UpTo(ctx context.Context, field string, limit int64, most int) ([]K, error) {
	var ids []K
	filter := bson.D{{Key: field, Value: bson.D{{Key: "$gt", Value: int64(0)}, {Key: "$lte", Value: limit}}}}
	find := options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).SetSort(bson.D{{Key: field, Value: 1}}).SetLimit(int64(most))
	err := c.each(ctx, filter, find, func(doc *T) error { ids = append(ids, *c.id(doc)); return nil })
	if err != nil {
		return nil, fmt.Errorf("read ids of %s by %s: %w", c.mongo.Name(), field, err)
	}
	return ids, nil
}

// Waiting counts the documents whose field, which should be indexed, is above 0, and returns the one of them that is least by
// another; nil where there is none.
func (c *Collection[K, T]) Waiting(ctx context.Context, field, by string) (n int64, first *T, err error) {
	filter := bson.D{{Key: field, Value: bson.D{{Key: "$gt", Value: int64(0)}}}}
	if n, err = c.mongo.CountDocuments(ctx, filter); err != nil {
		return 0, nil, fmt.Errorf("count %s by %s: %w", c.mongo.Name(), field, err)
	}
	find := options.Find().SetSort(bson.D{{Key: by, Value: 1}}).SetLimit(1)
	if err := c.each(ctx, filter, find, func(doc *T) error { first = doc; return nil }); err != nil {
		return 0, nil, fmt.Errorf("read the first of %s by %s: %w", c.mongo.Name(), by, err)
	}
	return n, first, nil
}

// Note sets a field that readers never see, without a new revision. Where the document has moved on from the revision
// named, nothing is set.
func (c *Collection[K, T]) Note(ctx context.Context, field string, notes []Note[K]) error {
	if len(notes) == 0 {
		return nil
	}
	models := make([]mongo.WriteModel, len(notes))
	for i, n := range notes {
		models[i] = mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: n.ID}, {Key: "rev", Value: n.Rev}}).
			SetUpdate(bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: n.Value}}}})
	}
	if _, err := c.mongo.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false)); err != nil {
		return fmt.Errorf("note %s on %d documents of %s: %w", field, len(notes), c.mongo.Name(), err)
	}
	return nil
}

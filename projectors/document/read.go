package document

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	// loadGroup bounds a $in.
	loadGroup = 1000
	// cursorBatch is how many documents one answer of the server holds.
	cursorBatch = 1000
)

// Load returns the documents of these ids that exist.
func (c *Collection[K, T]) Load(ctx context.Context, ids []K) (map[K]*T, error) {
	docs := make(map[K]*T, len(ids))
	if err := c.load(ctx, ids, docs); err != nil {
		return nil, err
	}
	return docs, nil
}

// load adds the documents of these ids that exist to docs.
func (c *Collection[K, T]) load(ctx context.Context, ids []K, docs map[K]*T) error {
	if err := c.in(ctx, ids, options.Find(), func(doc *T) { docs[*c.id(doc)] = doc }); err != nil {
		return fmt.Errorf("load %d documents of %s: %w", len(ids), c.mongo.Name(), err)
	}
	return nil
}

// Get returns the document of this id, nil if there is none, by its Reads.
func (c *Collection[K, T]) Get(ctx context.Context, id K) (*T, error) { return c.Ask(id)(ctx) }

// Ask asks for the document of this id, to be got later.
func (c *Collection[K, T]) Ask(id K) (get func(context.Context) (*T, error)) {
	asked := c.reads.Ask(id)
	return func(ctx context.Context) (*T, error) {
		raw, err := asked.Await(ctx)
		if err != nil || raw == nil {
			return nil, err
		}
		doc, err := decode[T](raw)
		if err != nil {
			return nil, fmt.Errorf("document %v of %s: %w", id, c.mongo.Name(), err)
		}
		return doc, nil
	}
}

// decode reads a document. The cursor's decoder would read it through a buffer of its own for each.
func decode[T any](raw bson.Raw) (*T, error) {
	doc := new(T)
	if err := bson.Unmarshal(raw, doc); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return doc, nil
}

// Revisions returns the revisions of the documents of these ids that exist.
func (c *Collection[K, T]) Revisions(ctx context.Context, ids []K) (map[K]int64, error) {
	revs := make(map[K]int64, len(ids))
	err := c.in(ctx, ids, options.Find().SetProjection(bson.D{{Key: "rev", Value: 1}}), func(doc *T) { revs[*c.id(doc)] = *c.rev(doc) })
	if err != nil {
		return nil, fmt.Errorf("load %d revisions of %s: %w", len(ids), c.mongo.Name(), err)
	}
	return revs, nil
}

func (c *Collection[K, T]) in(ctx context.Context, ids []K, find *options.FindOptionsBuilder, fn func(*T)) error {
	for len(ids) > 0 {
		n := min(len(ids), loadGroup)
		filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids[:n]}}}}
		if err := c.each(ctx, filter, find.SetBatchSize(cursorBatch), func(doc *T) error { fn(doc); return nil }); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// Range calls fn with every document whose id is at least from and less than to, in order of their ids.
func (c *Collection[K, T]) Range(ctx context.Context, from, to K, fn func(*T) error) error {
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: to}}}}
	sorted := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(cursorBatch)
	if err := c.each(ctx, filter, sorted, fn); err != nil {
		return fmt.Errorf("read %s from %v to %v: %w", c.mongo.Name(), from, to, err)
	}
	return nil
}

// Where calls fn with every document whose field, which should be indexed, is one of the values.
func (c *Collection[K, T]) Where(ctx context.Context, field string, values []int64, fn func(*T) error) error {
	filter := bson.D{{Key: field, Value: bson.D{{Key: "$in", Value: values}}}}
	if err := c.each(ctx, filter, options.Find().SetBatchSize(cursorBatch), fn); err != nil {
		return fmt.Errorf("read %s by %s: %w", c.mongo.Name(), field, err)
	}
	return nil
}

// Sample returns up to n documents, chosen by chance.
func (c *Collection[K, T]) Sample(ctx context.Context, n int) (docs []*T, err error) {
	cursor, err := c.mongo.Aggregate(ctx, bson.A{bson.D{{Key: "$sample", Value: bson.D{{Key: "size", Value: n}}}}})
	if err == nil {
		err = cursor.All(ctx, &docs)
	}
	if err != nil {
		return nil, fmt.Errorf("read %d of %s by chance: %w", n, c.mongo.Name(), err)
	}
	return docs, nil
}

// IDsWhere returns the ids of those documents.
func (c *Collection[K, T]) IDsWhere(ctx context.Context, field string, values []int64) ([]K, error) {
	var ids []K
	filter := bson.D{{Key: field, Value: bson.D{{Key: "$in", Value: values}}}}
	onlyID := options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(cursorBatch)
	err := c.each(ctx, filter, onlyID, func(doc *T) error { ids = append(ids, *c.id(doc)); return nil })
	if err != nil {
		return nil, fmt.Errorf("read ids of %s by %s: %w", c.mongo.Name(), field, err)
	}
	return ids, nil
}

func (c *Collection[K, T]) each(ctx context.Context, filter bson.D, find *options.FindOptionsBuilder, fn func(*T) error) error {
	cursor, err := c.mongo.Find(ctx, filter, find)
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }() // the server forgets an idle cursor by itself
	for cursor.Next(ctx) {
		doc, err := decode[T](cursor.Current)
		if err != nil {
			return err
		}
		if err := fn(doc); err != nil {
			return err
		}
	}
	return cursor.Err()
}

package bench

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"freshet/projectors/catalog"
	"freshet/projectors/offer"
)

// As the tree loads a store: so many offers at a time, and so many of their products' batches side by side.
const (
	readBatch = 500
	readAhead = 3
)

// readAlone reads what a rebuild of a store reads, its offers and the products they are of, and throws it away. What it
// takes is MongoDB's and the driver's own share of a rebuild: none is faster.
func readAlone(ctx context.Context, db *mongo.Database, store int64) (offers int, took time.Duration, err error) {
	start := time.Now()
	// ';' follows ':', so this is every id that begins with the store.
	ids := bson.M{"_id": bson.M{"$gte": fmt.Sprintf("%d:", store), "$lt": fmt.Sprintf("%d;", store)}}
	cursor, err := db.Collection(offer.CollectionName).Find(ctx, ids, options.Find().SetBatchSize(readBatch))
	if err != nil {
		return 0, 0, fmt.Errorf("read the store's offers: %w", err)
	}
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(readAhead)
	var products bson.A
	flush := func() {
		batch := products
		products = nil
		group.Go(func() error { return giveProducts(reading, db, batch) })
	}
	for cursor.Next(ctx) {
		offers++
		if products = append(products, cursor.Current.Lookup("product")); len(products) == readBatch {
			flush()
		}
	}
	if len(products) > 0 {
		flush()
	}
	wrong := group.Wait()
	if err := cursor.Err(); err != nil {
		wrong = fmt.Errorf("read the store's offers: %w", err)
	}
	return offers, time.Since(start), wrong
}

func giveProducts(ctx context.Context, db *mongo.Database, ids bson.A) error {
	cursor, err := db.Collection(catalog.CollectionName).Find(ctx, bson.M{"_id": bson.M{"$in": ids}}, options.Find().SetBatchSize(readBatch))
	if err != nil {
		return fmt.Errorf("read the store's products: %w", err)
	}
	for cursor.Next(ctx) {
	}
	if err := cursor.Err(); err != nil {
		return fmt.Errorf("read the store's products: %w", err)
	}
	return nil
}

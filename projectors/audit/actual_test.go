package audit_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors/audit"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
)

// TestAStoresProductsAreThoseItOffers: a tombstone of an offer is no offer, or a store would answer for the product for ever.
func TestAStoresProductsAreThoseItOffers(t *testing.T) {
	url, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	db := client.Database(name)
	pos := change.Position{Commit: 1, Index: 1}
	for _, id := range []int64{7, 8} {
		if _, err := db.Collection("products").InsertOne(t.Context(), catalog.Product{ID: id, Row: catalog.Row{Pos: pos}}); err != nil {
			t.Fatal(err)
		}
		o := offer.Offer{ID: offer.ID(1, id), Store: 1, Product: id, Row: offer.Row{Pos: pos, Deleted: id == 8}}
		if _, err := db.Collection("offers").InsertOne(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := (&audit.Stores{Database: db, Store: 1}).Documents(t.Context(), audit.Product)
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != 1 || docs["7"] == nil {
		t.Errorf("products %v", docs)
	}
}

package audit_test

import (
	"maps"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors/audit"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
)

// TestAStoresProductsAreThoseItOffers: neither a tombstone of an offer nor the sales of one that was never seen are an offer,
// or a store would answer for the product for ever, and nothing would mend that. What no store offers is of none.
func TestAStoresProductsAreThoseItOffers(t *testing.T) {
	url, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	db := client.Database(name)
	pos := change.Position{Commit: 1, Index: 1}
	for id, row := range map[int64]offer.Row{7: {Pos: pos}, 8: {Pos: pos, Deleted: true}, 9: {}} {
		if _, err := db.Collection("products").InsertOne(t.Context(), catalog.Product{ID: id, Row: catalog.Row{Pos: pos}}); err != nil {
			t.Fatal(err)
		}
		o := offer.Offer{ID: offer.ID(1, id), Store: 1, Product: id, Row: row, Sales: offer.Sales{Epoch: 1, High: pos, Units: 2}}
		if _, err := db.Collection("offers").InsertOne(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, look := range []struct {
		stores audit.Stores
		want   []string
	}{
		{audit.Stores{Database: db, Scope: audit.OfStore(1)}, []string{"7"}},
		{audit.Stores{Database: db, Scope: audit.OfNone()}, []string{"8", "9"}},
		{audit.Stores{Database: db}, []string{"7", "8", "9"}},
		{audit.Stores{Database: db, Scope: audit.Scope{Store: 1, Next: 7}}, nil},
		{audit.Stores{Database: db, Scope: audit.Scope{Store: 1, First: 7, Next: 8}}, []string{"7"}},
		{audit.Stores{Database: db, Scope: audit.Scope{Store: 1, First: 8}}, nil},
	} {
		docs, err := look.stores.Documents(t.Context(), audit.Product)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(docs)); !slices.Equal(got, look.want) {
			t.Errorf("products of store %d, of none %v: %v, want %v", look.stores.Store, look.stores.Rest, got, look.want)
		}
	}
}

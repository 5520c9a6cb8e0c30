package recommend_test

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/document"
	"freshet/projectors/recommend"
)

func database(t *testing.T) *mongo.Database {
	t.Helper()
	db := stacktest.MongoDatabase(t)
	if err := recommend.EnsureIndexes(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

// record is a row as ingest publishes it.
func record(op, table string, commit int, row string) projectors.Record {
	before, after := "null", row
	if op == "d" {
		before, after = row, "null"
	}
	return projectors.Record{
		Topic: "test.public." + table, Key: []byte("{}"),
		Value: fmt.Appendf(nil, `{"before":%s,"after":%s,"op":%q,"source":{"schema":"public","table":%q,"ts_us":1700000000000000}}`, before, after, op, table),
		Headers: []change.Header{
			{Key: change.HeaderCommitLSN, Value: fmt.Appendf(nil, "0/%X", commit)}, {Key: change.HeaderTxIndex, Value: []byte("1")},
		},
	}
}

// order is a customer's order of a day with a line for each product.
func order(id, customer, on int, products ...int) []projectors.Record {
	records := []projectors.Record{
		record("c", "orders", id, fmt.Sprintf(`{"id":%d,"customer_id":%d,"status":"placed","placed_at":%q}`, id, customer, day(on))),
	}
	for i, p := range products {
		records = append(records, record("c", "order_items", id, fmt.Sprintf(`{"order_id":%d,"line":%d,"product_id":%d,"status":"placed"}`, id, i+1, p)))
	}
	return records
}

func handle(t *testing.T, db *mongo.Database, batches ...[]projectors.Record) {
	t.Helper()
	p := recommend.NewProjector(db, document.Config{})
	for _, b := range batches {
		if err := p.Handle(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func pairs(t *testing.T, db *mongo.Database, product int64) map[int64]recommend.Pair {
	t.Helper()
	list, err := recommend.NewStore(db, document.Config{}).Together(t.Context(), product)
	if err != nil {
		t.Fatal(err)
	}
	found := map[int64]recommend.Pair{}
	for _, p := range list {
		found[p.Product] = p
	}
	return found
}

func TestSupportAndLift(t *testing.T) {
	db := database(t)
	// 1 is in three of four orders, 2 in two of those, 3 once with them and once alone.
	handle(t, db, order(11, 5, 1, 1, 2), order(12, 5, 2, 1, 2, 3), order(13, 6, 3, 1), order(14, 6, 4, 3))
	handle(t, db, order(13, 6, 3, 1), order(13, 6, 3, 1)) // counted again when all others are known
	got := pairs(t, db, 1)
	for product, want := range map[int64]recommend.Pair{
		2: {Orders: 2, Support: 2.0 / 3, Lift: (2.0 / 3) / (2.0 / 4)},
		3: {Orders: 1, Support: 1.0 / 3, Lift: (1.0 / 3) / (2.0 / 4)},
	} {
		p := got[product]
		if p.Orders != want.Orders || math.Abs(p.Support-want.Support) > 1e-9 || math.Abs(p.Lift-want.Lift) > 1e-9 {
			t.Errorf("1 with %d: %+v, want %+v", product, p, want)
		}
	}
}

// TestWhatIsCalledOffCountsNoMore cancels, deletes and changes orders, each of which must reach the counts of products
// that the basket no longer holds.
func TestWhatIsCalledOffCountsNoMore(t *testing.T) {
	db := database(t)
	handle(t, db, order(11, 5, 1, 1, 2), order(12, 5, 2, 1, 2), order(13, 5, 3, 1, 2), order(14, 5, 4, 1, 2))
	if n := pairs(t, db, 1)[2].Orders; n != 4 {
		t.Fatalf("%d orders with both, want 4", n)
	}
	handle(t, db, []projectors.Record{
		record("u", "orders", 21, fmt.Sprintf(`{"id":11,"customer_id":5,"status":"cancelled","placed_at":%q}`, day(1))),
		record("d", "order_items", 22, `{"order_id":12,"line":2}`),
		record("u", "order_items", 23, `{"order_id":13,"line":2,"product_id":3,"status":"placed"}`),
	})
	for _, c := range []struct{ product, other, orders int64 }{{1, 2, 1}, {2, 1, 1}, {1, 3, 1}, {3, 1, 1}} {
		if n := pairs(t, db, c.product)[c.other].Orders; n != c.orders {
			t.Errorf("%d with %d: %d orders, want %d", c.product, c.other, n, c.orders)
		}
	}
}

func TestPicks(t *testing.T) {
	db := database(t)
	handle(t, db, order(11, 7, 1, 1, 2), order(12, 8, 2, 1, 2), order(13, 8, 3, 1, 3), order(14, 5, 4, 1))
	store := recommend.NewStore(db, document.Config{})
	picks, err := store.Picks(t.Context(), 5)
	if err != nil || len(picks) != 2 || picks[0].Product != 2 || picks[1].Product != 3 {
		t.Errorf("picks %v, %v: want 2, which is bought with 1 more often, then 3", picks, err)
	}
	handle(t, db, order(15, 5, 5, 2))
	if picks, err = store.Picks(t.Context(), 5); err != nil || len(picks) != 1 || picks[0].Product != 3 {
		t.Errorf("picks %v, %v: want 3 alone, since 2 is bought", picks, err)
	}
	if picks, err = store.Picks(t.Context(), 99); picks != nil || err != nil {
		t.Errorf("picks %v, %v for who never bought", picks, err)
	}
}

// TestTwoWorkersCountOneProduct lets orders of the same products come through several partitions at once.
func TestTwoWorkersCountOneProduct(t *testing.T) {
	db := database(t)
	const workers, each = 4, 10
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			p := recommend.NewProjector(db, document.Config{})
			for i := range each {
				id := 1 + w*each + i
				if err := p.Handle(t.Context(), order(id, 5, 1+i, 1, 2)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := pairs(t, db, 1)[2].Orders; n != workers*each {
		t.Errorf("%d orders hold both, want %d", n, workers*each)
	}
	if n := pairs(t, db, 2)[1].Orders; n != workers*each {
		t.Errorf("%d orders hold both, want %d", n, workers*each)
	}
}

package order_test

import (
	"fmt"
	"reflect"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/document"
	"freshet/projectors/order"
)

func database(t *testing.T) *mongo.Database {
	t.Helper()
	return stacktest.MongoDatabase(t)
}

// record is a row as ingest publishes it.
func record(table string, commit, index int, row string) projectors.Record {
	return projectors.Record{
		Topic: "test.public." + table, Key: []byte("{}"),
		Value: fmt.Appendf(nil, `{"before":null,"after":%s,"op":"c","source":{"schema":"public","table":%q,"ts_us":1700000000123456}}`, row, table),
		Headers: []change.Header{
			{Key: change.HeaderCommitLSN, Value: fmt.Appendf(nil, "0/%X", commit)}, {Key: change.HeaderTxIndex, Value: fmt.Append(nil, index)},
		},
	}
}

func placed(id, customer, day int) projectors.Record {
	return record("orders", 10, id, fmt.Sprintf(`{"id":%d,"customer_id":%d,"store_id":1,"status":"placed","currency":"EUR","total":1,"placed_at":"2026-03-%02dT00:00:00.000001Z"}`, id, customer, day))
}

// TestHandleAndHistory stores orders on a real server, some of them twice, and reads them back page by page.
func TestHandleAndHistory(t *testing.T) {
	db := database(t)
	ctx := t.Context()
	if err := order.EnsureIndexes(ctx, db); err != nil {
		t.Fatal(err)
	}
	p := order.NewProjector(db, document.Config{})
	batch := []projectors.Record{
		record("order_items", 10, 99, `{"order_id":3,"line":1,"sku":"A","product_id":7,"quantity":2,"unit_amount":5,"status":"placed"}`),
		placed(1, 5, 1), placed(2, 5, 2), placed(3, 5, 2), placed(4, 5, 3), placed(5, 6, 2),
	}
	for range 2 {
		if err := p.Handle(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	store := order.NewStore(db)
	day := func(n int) order.Instant { return order.Instant(1_772_323_200_000_000 + int64(n-1)*86_400_000_000) }
	period := order.Period{From: day(1), To: day(9), Limit: 2}
	var seen []int64
	for {
		page, err := store.History(ctx, 5, period)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, o := range page {
			seen = append(seen, o.ID)
		}
		last := page[len(page)-1]
		period.Placed, period.ID = last.Row.Placed, last.ID
	}
	if want := []int64{4, 3, 2, 1}; !reflect.DeepEqual(seen, want) {
		t.Errorf("history %v, want %v", seen, want)
	}
	o, err := store.Order(ctx, 3)
	if err != nil || o == nil || o.Rev != 1 || len(o.Lines) != 1 || o.Row.Placed != day(2)+1 {
		t.Errorf("order 3 is %+v, %v", o, err)
	}
	if gone, err := store.Order(ctx, 99); gone != nil || err != nil {
		t.Errorf("order 99 is %+v, %v", gone, err)
	}
	poisoned := append(batch, record("payments", 11, 1, `{"id":1}`))
	if poison, ok := projectors.AsPoison(p.Handle(ctx, poisoned)); !ok || len(poison.Records) != 1 {
		t.Errorf("a payment of no order: %v", poison)
	}
}

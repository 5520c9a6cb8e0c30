package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/alert"
	"freshet/projectors/document"
)

// topic counts what is published, by id, and fails as often as it is told to, after it has published.
type topic struct {
	t     *testing.T
	times map[string]int
	keys  map[string]string
	fails int
}

var errCut = errors.New("the connection broke")

func (p *topic) Publish(_ context.Context, messages []projectors.Message) (map[string][]int64, error) {
	for _, m := range messages {
		var a alert.Alert
		if err := json.Unmarshal(m.Value, &a); err != nil {
			p.t.Error(err)
		}
		p.times[a.ID]++
		p.keys[a.ID] = string(m.Key)
	}
	if p.fails > 0 {
		p.fails--
		return nil, errCut
	}
	return nil, nil
}

func database(t *testing.T) *mongo.Database {
	t.Helper()
	db := stacktest.MongoDatabase(t)
	if err := alert.EnsureIndexes(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

// record is a row as ingest publishes it.
func record(table string, commit int, row string) projectors.Record {
	return projectors.Record{
		Topic: "test.public." + table, Key: []byte("{}"),
		Value: fmt.Appendf(nil, `{"before":null,"after":%s,"op":"u","source":{"schema":"public","table":%q,"ts_us":%d}}`, row, table, 1_700_000_000_000_000+commit),
		Headers: []change.Header{
			{Key: change.HeaderCommitLSN, Value: fmt.Appendf(nil, "0/%X", commit)}, {Key: change.HeaderTxIndex, Value: []byte("1")},
		},
	}
}

func stock(commit, available int) projectors.Record {
	return record("inventory", commit, fmt.Sprintf(`{"store_id":3,"sku":"A","product_id":9,"on_hand":%d,"reserved":0,"low_stock_at":2}`, available))
}

// TestOneAlertForEachCrossing replays everything, also after the publication broke off when it had succeeded.
func TestOneAlertForEachCrossing(t *testing.T) {
	db := database(t)
	out := &topic{t: t, times: map[string]int{}, keys: map[string]string{}, fails: 1}
	p := alert.NewProjector(db, document.Config{}, out, "test")
	batch := []projectors.Record{
		record("products", 1, `{"id":9,"seller_id":4}`), stock(10, 9), stock(11, 2), stock(12, 0), stock(13, 9), stock(14, 8),
	}
	if err := p.Handle(t.Context(), batch); !errors.Is(err, errCut) {
		t.Fatalf("a publication that breaks off: %v", err)
	}
	for range 3 {
		if err := p.Handle(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	alerts, err := alert.NewStore(db).Alerts(t.Context(), 4, alert.Filter{Limit: 10})
	if err != nil || len(alerts) != 3 || alerts[0].Kind != alert.BackInStock || alerts[1].Kind != alert.OutOfStock || alerts[2].Kind != alert.LowStock {
		t.Fatalf("alerts %+v, %v", alerts, err)
	}
	for _, a := range alerts {
		if out.times[a.ID] != 2 || out.keys[a.ID] != "4" || a.Rev != 1 { // once by the attempt that broke off
			t.Errorf("alert %s was published %d times with key %s and stored at revision %d", a.ID, out.times[a.ID], out.keys[a.ID], a.Rev)
		}
	}
	if len(out.times) != 3 {
		t.Errorf("published %v", out.times)
	}
}

// TestAnAlertWaitsForItsOwner delivers the product's row after the crossing.
func TestAnAlertWaitsForItsOwner(t *testing.T) {
	db := database(t)
	out := &topic{t: t, times: map[string]int{}, keys: map[string]string{}}
	p := alert.NewProjector(db, document.Config{}, out, "test")
	for _, batch := range [][]projectors.Record{{stock(10, 9), stock(11, 0)}, {stock(12, 0)}} {
		if err := p.Handle(t.Context(), batch); err != nil || len(out.times) != 0 {
			t.Fatalf("published %v for nobody, %v", out.times, err)
		}
	}
	for range 2 {
		if err := p.Handle(t.Context(), []projectors.Record{record("products", 1, `{"id":9,"seller_id":4}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(out.times) != 1 || out.times["3:A:0/B:1"] != 1 {
		t.Errorf("published %v", out.times)
	}
}

func TestAlertsByPages(t *testing.T) {
	db := database(t)
	out := &topic{t: t, times: map[string]int{}, keys: map[string]string{}}
	p := alert.NewProjector(db, document.Config{}, out, "test")
	batch := []projectors.Record{record("products", 1, `{"id":9,"seller_id":4}`), stock(10, 9)}
	for i := range 5 {
		batch = append(batch, stock(11+2*i, 0), stock(12+2*i, 9))
	}
	if err := p.Handle(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	store, f := alert.NewStore(db), alert.Filter{Store: 3, Kind: alert.OutOfStock, Limit: 2}
	seen := map[string]bool{}
	for {
		page, err := store.Alerts(t.Context(), 4, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			seen[a.ID] = true
			if f.ID != "" && a.At >= f.At {
				t.Errorf("%s at %d is not before %d", a.ID, a.At, f.At)
			}
		}
		f.At, f.ID = page[len(page)-1].At, page[len(page)-1].ID
	}
	if len(seen) != 5 {
		t.Errorf("pages hold %v", seen)
	}
	if others, err := store.Alerts(t.Context(), 5, alert.Filter{Limit: 9}); len(others) != 0 || err != nil {
		t.Errorf("another seller's alerts %v, %v", others, err)
	}
}

package alert_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freshet/ingest/change"
	"freshet/projectors/alert"
)

// inventory is a row of inventory as it is written at a position.
func inventory(commit int, sku string, available, threshold int64) change.Event {
	return change.Event{
		Position: change.Position{Commit: change.LSN(commit), Index: 1}, Op: change.Update, Table: "public.inventory",
		After:      fmt.Appendf(nil, `{"store_id":3,"sku":%q,"product_id":9,"on_hand":%d,"reserved":2,"low_stock_at":%d}`, sku, available+2, threshold),
		CommitTime: time.Unix(int64(commit), 0).UTC(),
	}
}

func gone(commit int, sku string) change.Event {
	return change.Event{
		Position: change.Position{Commit: change.LSN(commit), Index: 1}, Op: change.Delete, Table: "public.inventory",
		Before: fmt.Appendf(nil, `{"store_id":3,"sku":%q,"product_id":9,"on_hand":null}`, sku),
	}
}

// crossings walks stock through values and returns the alerts, as "low_stock@3" for one raised by the third.
func crossings(t *testing.T, threshold int64, values ...int64) []string {
	t.Helper()
	doc, raised := &alert.Stock{}, []string{}
	for i, v := range values {
		fold(t, doc, inventory(i+1, "A", v, threshold))
	}
	for _, a := range doc.Pending {
		raised = append(raised, fmt.Sprintf("%s@%d", a.Kind, a.Position.Commit))
	}
	return raised
}

func fold(t interface{ Fatal(...any) }, doc *alert.Stock, ev change.Event) bool {
	e, err := alert.Read(ev)
	if err != nil {
		t.Fatal(err)
	}
	return e.FoldStock(doc)
}

func TestCrossings(t *testing.T) {
	for _, c := range []struct {
		name      string
		threshold int64
		values    []int64
		want      []string
	}{
		{"the first row crosses nothing", 3, []int64{0}, nil},
		{"low, once however low", 3, []int64{10, 3, 2, 1}, []string{"low_stock@2"}},
		{"around the threshold", 4, []int64{10, 4, 5, 4, 6, 3}, []string{"low_stock@2"}},
		{"well above it is the end of it", 4, []int64{10, 4, 7, 4}, []string{"low_stock@2", "low_stock@4"}},
		{"out at once", 3, []int64{10, 0}, []string{"out_of_stock@2"}},
		{"out through low", 3, []int64{10, 2, 0}, []string{"low_stock@2", "out_of_stock@3"}},
		{"a hold on the last unit comes and goes", 4, []int64{9, 0, 1, 0, 1, 2}, []string{"out_of_stock@2", "back_in_stock@6"}},
		{"back and low is back", 4, []int64{9, 0, 3, 2}, []string{"out_of_stock@2", "back_in_stock@3"}},
		{"never low without a threshold", 0, []int64{9, 1, 0, 1}, []string{"out_of_stock@3", "back_in_stock@4"}},
		{"oversold is out", 0, []int64{1, -1, 0}, []string{"out_of_stock@2"}},
	} {
		if got := crossings(t, c.threshold, c.values...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestWhatIsListedWithItsStockWasNeverOut: the ledger fills the row in the transaction that makes it.
func TestWhatIsListedWithItsStockWasNeverOut(t *testing.T) {
	doc := &alert.Stock{}
	filled := inventory(1, "A", 5, 0)
	filled.Position.Index = 2
	for _, ev := range []change.Event{inventory(1, "A", 0, 0), filled, inventory(2, "A", 0, 0), inventory(3, "A", 5, 0)} {
		fold(t, doc, ev)
	}
	if len(doc.Pending) != 2 || doc.Pending[0].Kind != alert.OutOfStock || doc.Pending[1].Kind != alert.BackInStock {
		t.Errorf("alerts %+v", doc.Pending)
	}
}

func TestARowThatIsGoneIsForgotten(t *testing.T) {
	doc := &alert.Stock{}
	for _, ev := range []change.Event{inventory(1, "A", 5, 0), gone(2, "A"), inventory(3, "A", 0, 0)} {
		fold(t, doc, ev)
	}
	if len(doc.Pending) != 0 || doc.SKUs[0].Level != alert.Out {
		t.Errorf("document %+v", doc)
	}
}

// TestRedeliveryRaisesTheSameAlerts goes back in the partition at random, as a worker that takes over does. Only documents
// that changed are stored.
func TestRedeliveryRaisesTheSameAlerts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []change.Event
		for i := range rapid.IntRange(1, 40).Draw(t, "rows") {
			sku := rapid.SampledFrom([]string{"A", "B"}).Draw(t, "sku")
			if rapid.IntRange(0, 9).Draw(t, "delete") == 0 {
				events = append(events, gone(i+1, sku))
				continue
			}
			events = append(events, inventory(i+1, sku, rapid.Int64Range(-1, 8).Draw(t, "available"), rapid.SampledFrom([]int64{0, 3, 4}).Draw(t, "threshold")))
		}
		once, again := &alert.Stock{}, &alert.Stock{}
		want, got := map[string]alert.Alert{}, map[string]alert.Alert{}
		for _, ev := range events {
			fold(t, once, ev)
		}
		for _, a := range once.Pending {
			want[a.ID] = a
		}
		if len(want) != len(once.Pending) {
			t.Fatalf("%d alerts, %d ids", len(once.Pending), len(want))
		}
		deliver(t, events, again, got)
		if !maps.Equal(got, want) {
			t.Fatalf("once        %v\nredelivered %v", want, got)
		}
		for i, s := range once.SKUs {
			if again.SKUs[i].Level != s.Level {
				t.Fatalf("levels %v, redelivered %v", once.SKUs, again.SKUs)
			}
		}
	})
}

// deliver folds the events in batches, each of which may begin again at what was delivered before, and takes the alerts off
// after some of them: raised twice, an alert has the same id.
func deliver(t *rapid.T, events []change.Event, doc *alert.Stock, raised map[string]alert.Alert) {
	for next := 0; next < len(events); {
		end := rapid.IntRange(next+1, len(events)).Draw(t, "end")
		batch := *doc
		batch.SKUs, batch.Pending = slices.Clone(doc.SKUs), slices.Clone(doc.Pending)
		changed := false
		for _, ev := range events[rapid.IntRange(0, next).Draw(t, "start"):end] {
			changed = fold(t, &batch, ev) || changed
		}
		if changed {
			*doc = batch
		}
		for _, a := range doc.Pending {
			if old, ok := raised[a.ID]; ok && old != a {
				t.Fatalf("one id, two alerts: %+v and %+v", old, a)
			}
			raised[a.ID] = a
		}
		if rapid.Bool().Draw(t, "cleared") {
			doc.Pending = nil
		}
		next = end
	}
}

func TestReadRefuses(t *testing.T) {
	at := change.Position{Commit: 1, Index: 1}
	for name, ev := range map[string]change.Event{
		"truncate":      {Position: at, Op: change.Truncate, Table: "public.inventory"},
		"another table": {Position: at, Op: change.Create, Table: "public.prices", After: []byte(`{"store_id":1,"sku":"A","product_id":1,"id":1}`)},
		"no position":   {Op: change.Create, Table: "public.products", After: []byte(`{"id":1}`)},
		"no store":      {Position: at, Op: change.Create, Table: "public.inventory", After: []byte(`{"sku":"A","product_id":1}`)},
		"no product":    {Position: at, Op: change.Create, Table: "public.products", After: []byte(`{"seller_id":1}`)},
		"no row":        {Position: at, Op: change.Create, Table: "public.products"},
	} {
		if _, err := alert.Read(ev); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package recommend_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freshet/ingest/change"
	"freshet/projectors/recommend"
)

// event is a row of orders or order_items as it is written at a position; a delete carries the key alone.
func event(commit int, op change.Op, table, row string) change.Event {
	ev := change.Event{Position: change.Position{Commit: change.LSN(commit), Index: 1}, Op: op, Table: "public." + table}
	if op == change.Delete {
		ev.Before = []byte(row)
	} else {
		ev.After = []byte(row)
	}
	return ev
}

func fold(t *rapid.T, events []change.Event) *recommend.Basket {
	b := &recommend.Basket{ID: 1}
	for _, ev := range events {
		e, err := recommend.Read(ev)
		if err != nil {
			t.Fatal(err)
		}
		e.Fold(b)
	}
	return b
}

func TestAnyOrderMakesTheSameBasket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []change.Event
		lines, exists, status := map[int]int{}, false, ""
		for i := range rapid.IntRange(1, 20).Draw(t, "rows") {
			line, product := rapid.IntRange(1, 3).Draw(t, "line"), rapid.IntRange(1, 4).Draw(t, "product")
			state := rapid.SampledFrom([]string{"placed", "cancelled"}).Draw(t, "status")
			gone := rapid.IntRange(0, 4).Draw(t, "delete") == 0
			switch {
			case rapid.IntRange(0, 2).Draw(t, "table") == 0 && gone:
				events = append(events, event(i+1, change.Delete, "orders", `{"id":1}`))
				exists = false
			case rapid.IntRange(0, 2).Draw(t, "order") == 0:
				exists, status = true, state
				events = append(events, event(i+1, change.Update, "orders", fmt.Sprintf(`{"id":1,"customer_id":%d,"status":%q,"placed_at":"2026-01-01T00:00:00Z"}`, product, state)))
			case gone:
				delete(lines, line)
				events = append(events, event(i+1, change.Delete, "order_items", fmt.Sprintf(`{"order_id":1,"line":%d}`, line)))
			default:
				if lines[line] = product; state == "cancelled" {
					delete(lines, line)
				}
				events = append(events, event(i+1, change.Update, "order_items", fmt.Sprintf(`{"order_id":1,"line":%d,"product_id":%d,"status":%q}`, line, product, state)))
			}
		}
		want := fold(t, events)
		var products []int64
		for _, p := range lines {
			if exists && status != "cancelled" && !slices.Contains(products, int64(p)) {
				products = append(products, int64(p))
			}
		}
		slices.Sort(products)
		if !slices.Equal(want.Products, products) {
			t.Fatalf("basket %v, rows %v", want.Products, products)
		}
		again := rapid.SliceOfN(rapid.SampledFrom(events), 0, 5).Draw(t, "again")
		if got := fold(t, rapid.Permutation(append(slices.Clone(events), again...)).Draw(t, "shuffled")); !reflect.DeepEqual(got, want) {
			t.Fatalf("in order  %+v\nshuffled  %+v", want, got)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	for name, ev := range map[string]change.Event{
		"truncate":      event(1, change.Truncate, "orders", `{"id":1}`),
		"another table": event(1, change.Create, "payments", `{"id":1,"order_id":1}`),
		"no position":   {Op: change.Create, Table: "public.orders", After: []byte(`{"id":1}`)},
		"no order":      event(1, change.Create, "order_items", `{"line":1}`),
		"infinity":      event(1, change.Create, "orders", `{"id":1,"placed_at":"infinity"}`),
	} {
		if _, err := recommend.Read(ev); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func day(n int) string {
	return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
}

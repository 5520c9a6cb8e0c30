package offer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freshet/ingest/change"
	"freshet/projectors/foldtest"
	"freshet/projectors/offer"
)

// history writes the events of one offer's rows as Postgres and ingest would, and keeps the rows as they are at the end.
type history struct {
	t        *rapid.T
	ledger   bool
	pos      change.Position
	events   []change.Event
	first    []change.Event // a snapshot of the rows but the ledger's, taken once
	cut      int            // of the events, where it was taken
	movement []map[string]any
	offer    map[string]any
	prices   map[string]map[string]any
	stock    map[string]map[string]any
	serial   int64
}

func newHistory(t *rapid.T, ledger bool) *history {
	h := &history{t: t, ledger: ledger, prices: map[string]map[string]any{}, stock: map[string]map[string]any{}}
	for range rapid.IntRange(1, 12).Draw(t, "transactions") {
		h.pos = change.Position{Commit: h.pos.Commit + change.LSN(rapid.IntRange(2, 4).Draw(t, "commit"))}
		for range rapid.IntRange(1, 4).Draw(t, "statements") {
			h.statement()
		}
		if h.first == nil && rapid.IntRange(0, 3).Draw(t, "read") == 0 {
			h.read()
		}
		if ledger && rapid.IntRange(0, 5).Draw(t, "snapshot") == 0 {
			h.snapshot()
		}
	}
	return h
}

func (h *history) statement() {
	h.serial++
	keys := []string{"A", "B"}
	switch what := rapid.IntRange(0, 7).Draw(h.t, "statement"); {
	case what == 0 && h.offer == nil:
		h.offer = map[string]any{"status": "active", "boost": float64(h.serial) / 2}
		h.emit(change.Create, "offers", "", h.offer)
	case what == 0 && rapid.Bool().Draw(h.t, "delete"):
		h.emit(change.Delete, "offers", "", map[string]any{})
		h.offer = nil
	case what == 0:
		h.offer["status"] = fmt.Sprint("status", h.serial)
		h.emit(change.Update, "offers", "", h.offer)
	case what < 4:
		h.row("prices", h.prices, rapid.SampledFrom(keys).Draw(h.t, "sku"), map[string]any{"amount": h.serial, "list_amount": nil, "valid_from": "2026-01-01T00:00:00.000000Z", "valid_to": nil})
	case what < 6 || !h.ledger:
		h.row("inventory", h.stock, rapid.SampledFrom(keys).Draw(h.t, "sku"), map[string]any{"on_hand": h.serial, "reserved": h.serial / 2, "low_stock_at": 3})
	default:
		kind, quantity := "sale", -1-h.serial%3
		if rapid.IntRange(0, 3).Draw(h.t, "kind") == 0 {
			kind, quantity = "receipt", 5
		}
		row := map[string]any{"kind": kind, "quantity": quantity, "created_at": offer.Landmark.Add(time.Duration(h.serial) * 36 * time.Hour).Format(time.RFC3339Nano)}
		h.movement = append(h.movement, row)
		h.emit(change.Create, "stock_movements", "A", row)
	}
}

func (h *history) row(table string, rows map[string]map[string]any, sku string, row map[string]any) {
	switch {
	case rows[sku] == nil:
		h.emit(change.Create, table, sku, row)
		rows[sku] = row
	case rapid.IntRange(0, 3).Draw(h.t, "delete") == 0:
		h.emit(change.Delete, table, sku, map[string]any{})
		delete(rows, sku)
	default:
		h.emit(change.Update, table, sku, row)
		rows[sku] = row
	}
}

// read takes a snapshot of the rows between two transactions.
func (h *history) read() {
	h.pos = change.Position{Commit: h.pos.Commit + 1}
	h.cut = len(h.events)
	if h.offer != nil {
		h.emit(change.Read, "offers", "", h.offer)
	}
	for table, rows := range map[string]map[string]map[string]any{"prices": h.prices, "inventory": h.stock} {
		for _, sku := range slices.Sorted(maps.Keys(rows)) {
			h.emit(change.Read, table, sku, rows[sku])
		}
	}
	h.first = slices.Clone(h.events[h.cut:])
	h.events = h.events[:h.cut]
}

// snapshot tells the whole ledger again, one byte before a new slot's consistent point.
func (h *history) snapshot() {
	h.pos = change.Position{Commit: h.pos.Commit + 1}
	for _, m := range h.movement {
		h.emit(change.Read, "stock_movements", "A", m)
	}
}

func (h *history) emit(op change.Op, table, sku string, row map[string]any) {
	h.pos.Index++
	image := map[string]any{"store_id": 3, "product_id": 9}
	if sku != "" {
		image["sku"] = sku
	}
	for k, v := range row {
		image[k] = v
	}
	raw, err := json.Marshal(image)
	if err != nil {
		h.t.Fatal(err)
	}
	ev := change.Event{Position: h.pos, Op: op, Table: "public." + table, CommitTime: time.Unix(1_700_000_000, int64(h.pos.Commit)*1_234_567).UTC()}
	if op == change.Delete {
		ev.Before = raw
	} else {
		ev.After = raw
	}
	h.events = append(h.events, ev)
}

func inOrder(t *rapid.T, events []change.Event) *offer.Offer {
	return foldtest.InOrder(t, offer.Offer{ID: "3:9"}, events, offer.Fold)
}

func inBatches(t *rapid.T, events []change.Event) *offer.Offer {
	return foldtest.InBatches(t, offer.Offer{ID: "3:9"}, events, offer.Fold)
}

func TestAnyOrderMakesTheSameDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, false)
		want := inOrder(t, h.events)
		h.check(want)
		shuffled := foldtest.Shuffled(t, h.events)
		if got := inBatches(t, shuffled); !reflect.DeepEqual(got, want) {
			t.Fatalf("in order  %+v\nshuffled  %+v", want, got)
		}
	})
}

// TestSnapshotAndTailMakeTheSameOffer begins with a snapshot instead of the history before it. What comes after, and perhaps
// what came right before, arrives in any order with it.
func TestSnapshotAndTailMakeTheSameOffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, false)
		delivered := append(slices.Clone(h.first), h.events[rapid.IntRange(0, h.cut).Draw(t, "from"):]...)
		h.check(inBatches(t, rapid.Permutation(delivered).Draw(t, "order")))
	})
}

// TestRedeliveryMakesTheSameDocument goes back in the topics at random, as a worker that takes over does, and lets new
// snapshots tell the ledger again.
func TestRedeliveryMakesTheSameDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, true)
		want := inOrder(t, h.events)
		h.check(want)
		delivered := foldtest.Redelivered(t, h.events)
		if got := inBatches(t, delivered); !reflect.DeepEqual(got, want) {
			t.Fatalf("once        %+v\nredelivered %+v", want, got)
		}
	})
}

// check compares the document with the rows, which the fold did not make.
func (h *history) check(o *offer.Offer) {
	h.t.Helper()
	equal := func(what string, got, want any) {
		h.t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			h.t.Fatalf("%s is %v, the row says %v", what, got, want)
		}
	}
	if h.offer == nil {
		equal("existence", o.Row.Pos.IsZero() || o.Row.Deleted, true)
	} else {
		equal("status", o.Row.Status, h.offer["status"])
		equal("boost", o.Row.Boost, h.offer["boost"])
	}
	live := 0
	for _, s := range o.Prices {
		if !s.Deleted {
			live++
			equal("amount of "+s.SKU, s.Amount, h.prices[s.SKU]["amount"])
		}
	}
	for _, s := range o.Stock {
		if !s.Deleted {
			live++
			equal("stock of "+s.SKU, s.OnHand, h.stock[s.SKU]["on_hand"])
		}
	}
	equal("live sections", live, len(h.prices)+len(h.stock))
	var units int64
	var score float64
	for _, m := range h.movement {
		if m["kind"] != "sale" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(m["created_at"]))
		if err != nil {
			h.t.Fatal(err)
		}
		quantity, ok := m["quantity"].(int64)
		if !ok {
			h.t.Fatalf("quantity %v", m["quantity"])
		}
		n := -quantity
		units += n
		score += float64(n) * math.Pow(2, at.Sub(offer.Landmark).Hours()/(30*24))
	}
	equal("units", o.Sales.Units, units)
	if math.Abs(o.Sales.Score-score) > 1e-9*(1+score) {
		h.t.Fatalf("score is %v, the ledger says %v", o.Sales.Score, score)
	}
}

func TestAnOlderSnapshotCountsNothing(t *testing.T) {
	sale := func(op change.Op, commit change.LSN, index uint64) change.Event {
		return change.Event{
			Position: change.Position{Commit: commit, Index: index}, Op: op, Table: "public.stock_movements",
			After: []byte(`{"store_id":3,"product_id":9,"sku":"A","kind":"sale","quantity":-2,"created_at":"2020-01-31T00:00:00Z"}`),
		}
	}
	beside := func(commit change.LSN) change.Event {
		ev := sale(change.Read, commit, 1)
		ev.Incremental = true
		return ev
	}
	o := &offer.Offer{}
	for _, step := range []struct {
		ev    change.Event
		units int64
	}{
		{sale(change.Read, 10, 1), 2},
		{sale(change.Read, 10, 2), 4},
		{sale(change.Create, 20, 1), 6},
		{beside(25), 6}, // was counted when it was made
		{sale(change.Read, 10, 1), 6},
		{sale(change.Read, 30, 1), 2}, // a new slot: everything again
		{sale(change.Read, 30, 2), 4},
		{sale(change.Read, 10, 2), 4},
		{sale(change.Create, 20, 1), 4},
		{sale(change.Read, 30, 3), 6},
		{sale(change.Create, 40, 1), 8},
	} {
		if _, err := offer.Fold(o, step.ev); err != nil {
			t.Fatal(err)
		}
		if o.Sales.Units != step.units {
			t.Fatalf("%d units after %c at %v, want %d", o.Sales.Units, step.ev.Op, step.ev.Position, step.units)
		}
	}
	if o.Sales.Score != 16 {
		t.Errorf("8 units, each one half-life after the landmark: score %v", o.Sales.Score)
	}
}

func TestReadRefuses(t *testing.T) {
	at := change.Position{Commit: 1, Index: 1}
	const ids = `"store_id":1,"product_id":1,"sku":"A"`
	for name, ev := range map[string]change.Event{
		"truncate":      {Position: at, Op: change.Truncate, Table: "public.offers"},
		"tombstone":     {Position: at},
		"another table": {Position: at, Op: change.Create, Table: "public.orders", After: []byte(`{` + ids + `}`)},
		"no position":   {Op: change.Create, Table: "public.prices", After: []byte(`{` + ids + `}`)},
		"no row":        {Position: at, Op: change.Create, Table: "public.prices"},
		"no store":      {Position: at, Op: change.Create, Table: "public.prices", After: []byte(`{"product_id":1,"sku":"A"}`)},
		"no SKU":        {Position: at, Op: change.Create, Table: "public.inventory", After: []byte(`{"store_id":1,"product_id":1}`)},
		"a text amount": {Position: at, Op: change.Create, Table: "public.prices", After: []byte(`{` + ids + `,"amount":"7"}`)},
		"sale of minus": {Position: at, Op: change.Create, Table: "public.stock_movements", After: []byte(`{` + ids + `,"kind":"sale","quantity":2,"created_at":"2020-01-31T00:00:00Z"}`)},
		"sale of no day": {
			Position: at, Op: change.Create, Table: "public.stock_movements",
			After: []byte(`{` + ids + `,"kind":"sale","quantity":-2,"created_at":"infinity"}`),
		},
	} {
		if _, err := offer.Read(ev); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnyTimeOfSaleKeepsTheScoreFinite(t *testing.T) {
	for _, at := range []string{"0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"} {
		o := &offer.Offer{}
		ev := change.Event{
			Position: change.Position{Commit: 1, Index: 1}, Op: change.Create, Table: "public.stock_movements",
			After: []byte(`{"store_id":3,"product_id":9,"sku":"A","kind":"sale","quantity":-1000000000,"created_at":"` + at + `"}`),
		}
		if _, err := offer.Fold(o, ev); err != nil || math.IsInf(o.Sales.Score, 0) || o.Sales.Units != 1_000_000_000 {
			t.Errorf("sale of %s: %v, %+v", at, err, o.Sales)
		}
	}
}

package catalog_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"freshet/ingest/change"
)

// history writes the events of one product's rows as Postgres and ingest would, and keeps the rows as they are at the end.
type history struct {
	t        *rapid.T
	lostMove bool // rows may move to another key without their TOASTed values
	pos      change.Position
	events   []change.Event
	first    []change.Event // a snapshot of the rows, taken once
	cut      int            // of the events, where it was taken
	product  map[string]any
	texts    map[string]map[string]any
	variants map[string]map[string]any
	places   map[string]map[string]any
	serial   int
}

const productID = 7

func newHistory(t *rapid.T, lostMove bool) *history {
	h := &history{t: t, lostMove: lostMove, texts: map[string]map[string]any{}, variants: map[string]map[string]any{}, places: map[string]map[string]any{}}
	for range rapid.IntRange(1, 12).Draw(t, "transactions") {
		h.pos.Commit += change.LSN(rapid.IntRange(1, 3).Draw(t, "commit"))
		h.pos.Index = 0
		for range rapid.IntRange(1, 4).Draw(t, "statements") {
			h.statement()
		}
		if h.first == nil && rapid.IntRange(0, 3).Draw(t, "snapshot") == 0 {
			h.snapshot()
		}
	}
	return h
}

// snapshot reads all rows at a point between two transactions.
func (h *history) snapshot() {
	h.pos = change.Position{Commit: h.pos.Commit + 1}
	h.cut = len(h.events)
	if h.product != nil {
		h.emit(change.Read, "products", h.product, nil)
	}
	for _, table := range []struct {
		name string
		rows map[string]map[string]any
	}{{"product_texts", h.texts}, {"variants", h.variants}, {"product_categories", h.places}} {
		for _, key := range slices.Sorted(maps.Keys(table.rows)) {
			h.emit(change.Read, table.name, table.rows[key], nil)
		}
	}
	h.first = slices.Clone(h.events[h.cut:])
	h.events = h.events[:h.cut]
}

func (h *history) statement() {
	switch rapid.IntRange(0, 9).Draw(h.t, "statement") {
	case 0, 1:
		h.changeProduct()
	case 2, 3, 4, 5:
		h.changeRow("product_texts", h.texts, "lang", []string{"de", "en", "it"}, []string{"title", "description", "slug"}, []string{"title", "description"})
	case 6, 7:
		h.changeRow("variants", h.variants, "sku", []string{"A-1", "B-2"}, []string{"options", "gtin"}, []string{"options"})
	default:
		h.changeRow("product_categories", h.places, "category_id", []string{"1", "2", "3"}, []string{"position"}, nil)
	}
}

func (h *history) changeProduct() {
	columns := []string{"attributes", "images", "type", "status", "gtin", "created_at", "seller_id", "brand_id"}
	switch {
	case h.product == nil:
		h.product = map[string]any{"id": productID}
		for _, c := range columns {
			h.product[c] = h.value(c)
		}
		h.emit(change.Create, "products", h.product, nil)
	case rapid.IntRange(0, 5).Draw(h.t, "delete") == 0:
		h.deleteAll("product_texts", h.texts)
		h.deleteAll("variants", h.variants)
		h.deleteAll("product_categories", h.places)
		h.emit(change.Delete, "products", map[string]any{"id": productID}, nil)
		h.product = nil
	default:
		h.emit(change.Update, "products", h.product, h.update(h.product, columns, []string{"attributes", "images"}))
	}
}

// changeRow inserts, updates, moves or deletes a row of a table whose key within the product is one column.
func (h *history) changeRow(table string, rows map[string]map[string]any, column string, keys, columns, large []string) {
	key := rapid.SampledFrom(keys).Draw(h.t, column)
	row := rows[key]
	other := rapid.SampledFrom(keys).Draw(h.t, "other")
	switch what := rapid.IntRange(0, 5).Draw(h.t, "what"); {
	case row == nil:
		row = map[string]any{"product_id": productID, column: keyValue(column, key)}
		for _, c := range columns {
			row[c] = h.value(c)
		}
		rows[key] = row
		h.emit(change.Create, table, row, nil)
	case what == 0:
		h.emit(change.Delete, table, map[string]any{"product_id": productID, column: row[column]}, nil)
		delete(rows, key)
	case what == 1 && rows[other] == nil:
		unchanged := h.update(row, columns, large)
		if !h.lostMove {
			unchanged = nil
		}
		h.emit(change.Delete, table, map[string]any{"product_id": productID, column: row[column]}, nil)
		delete(rows, key)
		row[column] = keyValue(column, other)
		rows[other] = row
		h.emit(change.Create, table, row, unchanged)
	default:
		h.emit(change.Update, table, row, h.update(row, columns, large))
	}
}

func keyValue(column, key string) any {
	if column == "category_id" {
		return json.Number(key)
	}
	return key
}

// update changes some columns, and returns those of the large ones that the log leaves out.
func (h *history) update(row map[string]any, columns, large []string) (unchanged []string) {
	for _, c := range columns {
		switch {
		case rapid.Bool().Draw(h.t, "set "+c):
			row[c] = h.value(c)
		case slices.Contains(large, c) && rapid.Bool().Draw(h.t, "toast "+c):
			unchanged = append(unchanged, c)
		}
	}
	return unchanged
}

func (h *history) value(column string) any {
	h.serial++
	switch column {
	case "attributes", "options":
		return fmt.Sprintf(`{"n":%d}`, h.serial)
	case "images":
		return fmt.Sprintf(`[%d]`, h.serial)
	case "position", "seller_id", "brand_id":
		return json.Number(fmt.Sprint(h.serial))
	}
	return fmt.Sprint(column, h.serial)
}

func (h *history) deleteAll(table string, rows map[string]map[string]any) {
	keys := make([]string, 0, len(rows))
	for k := range rows {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		h.emit(change.Delete, table, rows[k], nil)
		delete(rows, k)
	}
}

func (h *history) emit(op change.Op, table string, row map[string]any, unchanged []string) {
	h.pos.Index++
	image := map[string]any{}
	for k, v := range row {
		image[k] = v
	}
	for _, c := range unchanged {
		image[c] = change.Placeholder
	}
	raw, err := json.Marshal(image)
	if err != nil {
		h.t.Fatal(err)
	}
	ev := change.Event{
		Position: h.pos, Op: op, Table: "public." + table, Unchanged: unchanged,
		CommitTime: time.Unix(1_700_000_000, int64(h.pos.Commit)*1_234_567).UTC(),
	}
	if op == change.Delete {
		ev.Before = raw
	} else {
		ev.After = raw
	}
	h.events = append(h.events, ev)
}

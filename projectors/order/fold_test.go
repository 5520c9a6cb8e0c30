package order_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"freshet/ingest/change"
	"freshet/projectors/foldtest"
	"freshet/projectors/order"
)

// long is a column that may be so long that the log leaves it out of an update that did not touch it.
var long = map[string]string{"payments": "reference", "shipments": "carrier", "shipment_events": "place", "returns": "reason", "orders": "reason", "refunds": "reason"}

// history writes the events of one order's rows as Postgres and ingest would, and keeps the rows as they are at the end.
type history struct {
	t      *rapid.T
	pos    change.Position
	events []change.Event
	rows   map[string]map[int64]map[string]any
	serial int64
}

func newHistory(t *rapid.T) *history {
	h := &history{t: t, rows: map[string]map[int64]map[string]any{}}
	for _, table := range order.Tables {
		h.rows[table] = map[int64]map[string]any{}
	}
	for range rapid.IntRange(1, 12).Draw(t, "transactions") {
		h.commit()
		for range rapid.IntRange(1, 4).Draw(t, "statements") {
			h.statement()
		}
	}
	return h
}

func (h *history) commit() {
	h.pos = change.Position{Commit: h.pos.Commit + change.LSN(rapid.IntRange(2, 4).Draw(h.t, "commit"))}
}

// statement inserts, updates or deletes a row of a table; of each table there are at most two.
func (h *history) statement() {
	h.serial++
	table := rapid.SampledFrom(order.Tables).Draw(h.t, "table")
	key := rapid.Int64Range(1, 2).Draw(h.t, "key")
	if table == "orders" {
		key = 9
	}
	old := h.rows[table][key]
	if old != nil && rapid.IntRange(0, 3).Draw(h.t, "delete") == 0 {
		h.emit(change.Delete, table, h.key(table, key), nil)
		delete(h.rows[table], key)
		return
	}
	row := h.row(table, key)
	op, unchanged := change.Create, []string(nil)
	if old != nil {
		op = change.Update
		if column := long[table]; column != "" && rapid.Bool().Draw(h.t, "unchanged") {
			row[column], unchanged = old[column], []string{column}
		}
	}
	h.rows[table][key] = row
	h.emit(op, table, row, unchanged)
}

func (h *history) key(table string, key int64) map[string]any {
	if table == "orders" {
		return map[string]any{"id": key}
	}
	if table == "order_items" {
		return map[string]any{"order_id": 9, "line": key}
	}
	return map[string]any{"order_id": 9, "id": key}
}

func (h *history) row(table string, key int64) map[string]any {
	row := h.key(table, key)
	word := fmt.Sprint("w", h.serial)
	at := time.Unix(1_700_000_000+h.serial, 123456000).UTC().Format("2006-01-02T15:04:05.000000Z")
	for column, value := range map[string]any{
		"customer_id": h.serial % 3, "store_id": 1, "status": word, "state": word, "currency": "EUR", "total": h.serial, "amount": h.serial,
		"sku": word, "product_id": h.serial, "quantity": 1, "unit_amount": h.serial, "provider": word, "reference": word, "carrier": word,
		"tracking": nil, "shipment_id": 1, "payment_id": 1, "return_id": nil, "place": word, "reason": word, "note": word, "placed_at": at,
		"created_at": at, "at": at, "eta": nil, "expires_at": nil, "shipping_total": h.serial, "tax_total": h.serial, "paid_at": at,
		"cancelled_at": at, "refunded_at": nil, "done_at": at,
	} {
		if _, isKey := row[column]; !isKey {
			row[column] = value
		}
	}
	if table == "returns" {
		row["line"] = 1
	}
	return row
}

func (h *history) emit(op change.Op, table string, row map[string]any, unchanged []string) {
	h.pos.Index++
	image := make(map[string]any, len(row))
	for column, value := range row {
		image[column] = value
		if slices.Contains(unchanged, column) {
			image[column] = change.Placeholder
		}
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

// snapshot returns the rows as they are now, as a new slot's snapshot tells them.
func (h *history) snapshot() []change.Event {
	before := h.events
	h.events = nil
	h.commit()
	for _, table := range order.Tables {
		for _, key := range []int64{1, 2, 9} {
			if row := h.rows[table][key]; row != nil {
				h.emit(change.Read, table, row, nil)
			}
		}
	}
	snapshot := h.events
	h.events = before
	return snapshot
}

func inOrder(t *rapid.T, events []change.Event) *order.Order {
	return foldtest.InOrder(t, order.Order{ID: 9}, events, order.Fold)
}

func inBatches(t *rapid.T, events []change.Event) *order.Order {
	return foldtest.InBatches(t, order.Order{ID: 9}, events, order.Fold)
}

func TestAnyOrderMakesTheSameDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		want := inOrder(t, h.events)
		h.check(want)
		shuffled := foldtest.Shuffled(t, h.events)
		if got := inBatches(t, shuffled); !reflect.DeepEqual(got, want) {
			t.Fatalf("in order  %+v\nshuffled  %+v", want, got)
		}
	})
}

// TestSnapshotAndTailShowWhatAllShows folds a history whole, and another document from a snapshot in its middle on.
func TestSnapshotAndTailShowWhatAllShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		snapshot := h.snapshot()
		tail := len(h.events)
		for range rapid.IntRange(0, 6).Draw(t, "more") {
			h.commit()
			h.statement()
		}
		all := inBatches(t, h.events)
		rest := inBatches(t, rapid.Permutation(append(snapshot, h.events[tail:]...)).Draw(t, "order"))
		h.check(all)
		h.check(rest)
		if !reflect.DeepEqual(all.Timeline(), rest.Timeline()) {
			t.Fatalf("all  %+v\nrest %+v", all.Timeline(), rest.Timeline())
		}
	})
}

// check compares the document with the rows, which the fold did not make.
func (h *history) check(o *order.Order) {
	h.t.Helper()
	live := map[string][]string{}
	note := func(table string, m order.Mark, id int64, shown ...any) {
		if m.Live() {
			live[table] = append(live[table], fmt.Sprint(append([]any{id}, shown...)...))
		}
	}
	at := func(list []order.Reached) string {
		var said []string
		for _, r := range list {
			said = append(said, r.State+" "+r.At.UTC().Format("2006-01-02T15:04:05.000000Z"))
		}
		return strings.Join(said, " ")
	}
	note("orders", o.Row.Mark, 9, o.Row.Customer, o.Row.Status, o.Row.Total, o.Row.Shipping, o.Row.Tax, o.Row.Reason.Value, at(o.Row.Times))
	for _, s := range o.Lines {
		note("order_items", s.Mark, s.Line, s.SKU, s.Product, s.Status, s.Shipment, s.Reason.Value, at(s.Times))
	}
	for _, s := range o.Payments {
		note("payments", s.Mark, s.ID, s.Provider, s.State, s.Reference.Value, s.Amount, at(s.Times))
	}
	for _, s := range o.Shipments {
		note("shipments", s.Mark, s.ID, s.Status, s.Carrier.Value)
	}
	for _, s := range o.Scans {
		note("shipment_events", s.Mark, s.ID, s.Status.Value, s.Place.Value)
	}
	for _, s := range o.Returns {
		note("returns", s.Mark, s.ID, s.State, s.Reason.Value, s.Note.Value, s.Line, at(s.Times))
	}
	for _, s := range o.Refunds {
		note("refunds", s.Mark, s.ID, s.State, s.Amount, s.Reason.Value, at(s.Times))
	}
	columns := map[string][]string{
		"orders":      {"customer_id", "status", "total", "shipping_total", "tax_total", "reason", "times"},
		"order_items": {"sku", "product_id", "status", "shipment_id", "reason", "times"},
		"payments":    {"provider", "state", "reference", "amount", "times"}, "shipments": {"status", "carrier"},
		"shipment_events": {"status", "place"}, "returns": {"state", "reason", "note", "line", "times"}, "refunds": {"state", "amount", "reason", "times"},
	}
	for _, table := range order.Tables {
		var want []string
		for _, key := range []int64{1, 2, 9} {
			if row := h.rows[table][key]; row != nil {
				shown := []any{key}
				for _, c := range columns[table] {
					value := row[c]
					if c == "times" {
						value = fmt.Sprintf("paid %s cancelled %[1]s done %[1]s", row["paid_at"])
					}
					shown = append(shown, value)
				}
				want = append(want, fmt.Sprint(shown...))
			}
		}
		if !slices.Equal(want, live[table]) {
			h.t.Fatalf("%s: the document shows %q, the rows are %q", table, live[table], want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	at := change.Position{Commit: 1, Index: 1}
	for name, ev := range map[string]change.Event{
		"truncate":       {Position: at, Op: change.Truncate, Table: "public.orders"},
		"another table":  {Position: at, Op: change.Create, Table: "public.prices", After: []byte(`{"id":1,"order_id":1}`)},
		"no position":    {Op: change.Create, Table: "public.orders", After: []byte(`{"id":1}`)},
		"no row":         {Position: at, Op: change.Create, Table: "public.orders"},
		"no order":       {Position: at, Op: change.Create, Table: "public.payments", After: []byte(`{"id":1}`)},
		"no key":         {Position: at, Op: change.Create, Table: "public.order_items", After: []byte(`{"order_id":1}`)},
		"infinity":       {Position: at, Op: change.Create, Table: "public.orders", After: []byte(`{"id":1,"placed_at":"infinity"}`)},
		"an amount lost": {Position: at, Op: change.Update, Table: "public.order_items", After: []byte(`{"order_id":1,"line":1}`), Unchanged: []string{"sku"}},
		"a text lost":    {Position: at, Op: change.Create, Table: "public.returns", After: []byte(`{"order_id":1,"id":1}`), Unchanged: []string{"reason"}},
	} {
		if _, err := order.Read(ev); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTimelineOfACancelledOrder says when and why, once: its lines went with it, but for one that was cancelled before. Of an
// order that was changed before such times were kept, it says what is known.
func TestTimelineOfACancelledOrder(t *testing.T) {
	mark := order.Mark{Pos: change.Position{Commit: 1, Index: 1}}
	cancelled := func(at order.Instant) []order.Reached { return []order.Reached{{State: "cancelled", At: at}} }
	o := &order.Order{
		ID:  5,
		Row: order.Row{Mark: mark, Placed: 1, Status: "cancelled", Reason: order.Text{Value: "too late"}, Times: cancelled(9)},
		Lines: []order.Line{
			{Line: 1, Mark: mark, Status: "cancelled", Times: cancelled(9)},
			{Line: 2, Mark: mark, Status: "cancelled", Reason: order.Text{Value: "too big"}, Times: cancelled(4)},
		},
	}
	said := func() (all string) {
		for _, m := range o.Timeline() {
			all += fmt.Sprintf("%d %s %s %s;", m.At, m.Kind, m.State, m.Reason)
		}
		return all
	}
	if got := said(); got != "1 placed placed ;4 line cancelled too big;9 order cancelled too late;" {
		t.Error(got)
	}
	o.Row.Times, o.Row.Reason, o.Lines = nil, order.Text{}, nil
	if got := said(); got != "1 placed placed ;" {
		t.Error(got)
	}
}

// TestTimelineAndParcels: what is shown of an order at a moment.
func TestTimelineAndParcels(t *testing.T) {
	const day = int64(24 * 3600 * 1e6)
	text := func(value string) order.Text { return order.Text{Value: value} }
	placed := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	mark := order.Mark{Pos: change.Position{Commit: 1, Index: 1}}
	gone := order.Mark{Pos: mark.Pos, Deleted: true}
	at := func(days float64) order.Instant { return order.Instant(placed.UnixMicro() + int64(days*float64(day))) }
	o := &order.Order{
		ID:  5,
		Row: order.Row{Mark: mark, Placed: at(0), Status: "shipped", Times: []order.Reached{{State: "paid", At: at(0.1)}, {State: "shipped", At: at(1)}}},
		Lines: []order.Line{
			{Line: 1, Mark: mark, Status: "shipped"},
			{Line: 2, Mark: mark, Status: "cancelled", Reason: text("broken"), Times: []order.Reached{{State: "cancelled", At: at(0.2)}}},
			{Line: 3, Mark: gone, Times: []order.Reached{{State: "cancelled", At: at(0.2)}}},
		},
		Payments: []order.Payment{
			{ID: 1, Mark: mark, State: "captured", Created: at(0), Times: []order.Reached{{State: "authorized", At: at(0.1)}, {State: "captured", At: at(0.1)}}},
			{ID: 2, Mark: gone, Times: []order.Reached{{State: "failed", At: at(1)}}},
		},
		Shipments: []order.Shipment{
			{ID: 1, Mark: mark, Status: "in_transit", ETA: at(4), Created: at(1)},
			{ID: 2, Mark: mark, Status: "in_transit", Created: at(1)},
			{ID: 3, Mark: mark, Status: "created", Created: at(1)},
			{ID: 4, Mark: mark, Status: "in_transit", Created: at(1)},
			{ID: 5, Mark: mark, Status: "lost", ETA: at(2), Created: at(1)},
			{ID: 6, Mark: gone},
		},
		Scans: []order.Scan{
			{ID: 9, Mark: mark, Shipment: 4, Status: order.Text{Value: "delivered"}, At: at(3)},
			{ID: 10, Mark: mark, Shipment: 4, Status: order.Text{Value: "in_transit"}, At: at(2)},
			{ID: 11, Mark: mark, Shipment: 2, Status: order.Text{Value: "in_transit"}, At: at(2)},
			{ID: 12, Mark: gone, Shipment: 2, At: at(1)},
		},
		Refunds: []order.Refund{{ID: 1, Mark: mark, State: "done", Created: at(6), Times: []order.Reached{{State: "done", At: at(6.5)}}}},
		Returns: []order.Return{{ID: 1, Mark: mark, State: "received", Created: at(5), Times: []order.Reached{{State: "approved", At: at(5.5)}, {State: "received", At: at(6)}}}},
	}
	var said []string
	for _, m := range o.Timeline() {
		said = append(said, fmt.Sprint(m.Kind, m.ID, m.State, m.Reason))
	}
	// An instant's moments go from what was done to what followed from it.
	const want = "placed5placed payment1pending payment1authorized payment1captured order5paid line2cancelledbroken order5shipped " +
		"shipment1created shipment2created shipment3created shipment4created shipment5created scan10in_transit scan11in_transit scan9delivered " +
		"return1requested return1approved return1received refund1pending refund1done"
	if got := strings.Join(said, " "); got != want {
		t.Errorf("timeline\n%s, want\n%s", got, want)
	}
	for i, w := range []struct {
		eta, delivered  order.Instant
		estimated, late bool
	}{{eta: at(4), late: true}, {eta: at(5), estimated: true}, {eta: at(5), estimated: true}, {delivered: at(3)}, {}} {
		p := o.Parcels(at(4.5).UTC())[i]
		if p.ETA != w.eta || p.Delivered != w.delivered || p.Estimated != w.estimated || p.Late != w.late {
			t.Errorf("parcel %d: %+v, want %+v", p.ID, p, w)
		}
	}
	if n := len(o.Parcels(placed)); n != 5 {
		t.Errorf("%d parcels, want 5", n)
	}
}

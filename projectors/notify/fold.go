package notify

import (
	"encoding/json"
	"fmt"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/alert"
)

// Tables are the tables that the projector reads; it reads change.AlertTopic too.
var Tables = []string{"orders", "queued_orders", "shipments", "refunds"}

// told is an event and whether it is news: rows of a snapshot are not.
type told struct {
	Event
	pos  change.Position
	news bool
}

// row is a row of any of the tables.
type row struct {
	ID       int64  `json:"id"`
	OrderID  int64  `json:"order_id"`
	Status   string `json:"status"`
	State    string `json:"state"`
	Total    int64  `json:"total"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Carrier  string `json:"carrier"`
	Tracking string `json:"tracking"`
}

// reads finds what a row has to tell; false for nothing. It tells what the row says now: an order whose row comes again,
// changed in something else, tells the same under the same id.
func reads(ev change.Event) (t told, ok bool, err error) {
	if err := ev.Foldable(); err != nil {
		return told{}, false, err
	}
	t = told{Event: Event{At: ev.CommitTime.UTC()}, pos: ev.Position, news: ev.Op != change.Read}
	if ev.Table == "public.queued_orders" {
		return t.queued(ev)
	}
	var r row
	if err := ev.Row(&r); err != nil {
		return told{}, false, err
	}
	if r.ID == 0 {
		return told{}, false, fmt.Errorf("%w: %s of %s does not say its key", change.ErrMalformed, string(ev.Op), ev.Table)
	}
	if ev.Op == change.Delete {
		return t, false, nil
	}
	switch ev.Table {
	case "public.orders":
		return t.order(r)
	case "public.shipments":
		t.ID, t.Kind, t.Order, t.Carrier, t.Tracking = fmt.Sprintf("shipment:%d", r.ID), OrderShipped, r.OrderID, r.Carrier, r.Tracking
		if ev.IsUnchanged("carrier") {
			t.Carrier = ""
		}
		if ev.IsUnchanged("tracking") {
			t.Tracking = ""
		}
		return t, r.OrderID != 0, nil
	case "public.refunds":
		t.ID, t.Kind, t.Order, t.Amount = fmt.Sprintf("refund:%d", r.ID), OrderRefunded, r.OrderID, r.Amount
		return t, r.State == "done" && r.OrderID != 0, nil
	}
	return told{}, false, fmt.Errorf("%w: table %q is none of the notifications'", change.ErrMalformed, ev.Table)
}

var orderKinds = map[string]Kind{"placed": OrderPlaced, "paid": OrderPaid, "cancelled": OrderCancelled}

func (t told) order(r row) (told, bool, error) {
	kind, ok := orderKinds[r.Status]
	t.ID, t.Kind, t.Order, t.Amount, t.Currency = fmt.Sprintf("order:%d:%s", r.ID, r.Status), kind, r.ID, r.Total, r.Currency
	return t, ok, nil
}

// queued tells of an order that was refused; one that was placed tells of itself by its row of orders.
func (t told) queued(ev change.Event) (told, bool, error) {
	var r struct {
		ID     string `json:"id"`
		State  string `json:"state"`
		Reason string `json:"reason"`
	}
	if err := ev.Row(&r); err != nil {
		return told{}, false, err
	}
	if r.ID == "" {
		return told{}, false, fmt.Errorf("%w: %s of %s does not say its key", change.ErrMalformed, string(ev.Op), ev.Table)
	}
	t.ID, t.Kind, t.Queued, t.Reason = "queued:"+r.ID, OrderRefused, r.ID, r.Reason
	return t, r.State == "refused" && ev.Op != change.Delete, nil
}

// readAlert reads a record of the topic of alerts.
func readAlert(r projectors.Record) (told, error) {
	var a alert.Alert
	if err := json.Unmarshal(r.Value, &a); err != nil {
		return told{}, fmt.Errorf("%w: alert: %w", change.ErrMalformed, err)
	}
	kind, ok := map[alert.Kind]Kind{alert.LowStock: LowStock, alert.OutOfStock: OutOfStock, alert.BackInStock: BackInStock}[a.Kind]
	if !ok || a.ID == "" {
		return told{}, fmt.Errorf("%w: alert %.64q of kind %.32q", change.ErrMalformed, a.ID, a.Kind)
	}
	return told{news: true, pos: a.Position, Event: Event{
		ID: "alert:" + a.ID, Kind: kind, At: microTime(a.At), Seller: a.Seller, Store: a.Store, Product: a.Product, SKU: a.SKU, Available: a.Available,
	}}, nil
}

package order

import (
	"fmt"
	"slices"
	"time"

	"freshet/ingest/change"
)

// Tables are the tables that the projector folds.
var Tables = []string{"orders", "order_items", "payments", "shipments", "shipment_events", "returns", "refunds"}

// Edit is an event made ready to be folded into the document of its order, any number of times.
type Edit struct {
	Order  int64 // id of the document
	source change.Provenance
	apply  func(*Order) bool
}

// Fold folds an event of one of the Tables into its order's document, and says whether that changed it. The error wraps
// change.ErrMalformed. Events may come repeatedly and in any order; the same set of them always makes the same document.
func Fold(o *Order, ev change.Event) (changed bool, err error) {
	e, err := Read(ev)
	if err != nil {
		return false, err
	}
	return e.Fold(o), nil
}

// Fold folds the edit, and says whether that changed the document.
func (e Edit) Fold(o *Order) bool {
	if !e.apply(o) {
		return false
	}
	o.ID = e.Order
	o.Source = o.Source.Newest(e.source)
	return true
}

// Read decodes an event and finds out which order it belongs to.
func Read(ev change.Event) (Edit, error) {
	if err := ev.Foldable(); err != nil {
		return Edit{}, err
	}
	r := row{ev: ev}
	if err := ev.Row(&r); err != nil {
		return Edit{}, err
	}
	apply, key := r.section()
	if r.err == nil {
		r.err = r.complete(key)
	}
	if r.err != nil {
		return Edit{}, r.err
	}
	// MongoDB keeps milliseconds: a document is the same whether it was just folded or loaded.
	source := change.Provenance{Position: ev.Position, Time: ev.CommitTime.Truncate(time.Millisecond)}
	return Edit{Order: r.order(), source: source, apply: apply}, nil
}

// row is a row of any of the tables, and the first thing found wrong with it.
type row struct {
	ev  change.Event
	err error

	ID         int64  `json:"id"`
	OrderID    int64  `json:"order_id"`
	CustomerID int64  `json:"customer_id"`
	StoreID    int64  `json:"store_id"`
	Line       int64  `json:"line"`
	ShipmentID int64  `json:"shipment_id"`
	PaymentID  int64  `json:"payment_id"`
	ReturnID   int64  `json:"return_id"`
	ProductID  int64  `json:"product_id"`
	Status     string `json:"status"`
	State      string `json:"state"`
	Currency   string `json:"currency"`
	Total      int64  `json:"total"`
	Amount     int64  `json:"amount"`
	UnitAmount int64  `json:"unit_amount"`
	Quantity   int64  `json:"quantity"`
	SKU        string `json:"sku"`
	Provider   string `json:"provider"`
	Reference  string `json:"reference"`
	Carrier    string `json:"carrier"`
	Tracking   string `json:"tracking"`
	Place      string `json:"place"`
	Reason     string `json:"reason"`
	Note       string `json:"note"`
	PlacedAt   string `json:"placed_at"`
	ExpiresAt  string `json:"expires_at"`
	CreatedAt  string `json:"created_at"`
	At         string `json:"at"`
	ETA        string `json:"eta"`
	Shipping   int64  `json:"shipping_total"`
	Tax        int64  `json:"tax_total"`
	times
}

func (r *row) order() int64 {
	if r.ev.Table == "public.orders" {
		return r.ID
	}
	return r.OrderID
}

// section makes the row's section, ready to be put into a document, and returns its key there. The columns of a delete are
// null but for the key, so its sections are empty by themselves.
func (r *row) section() (apply func(*Order) bool, key int64) {
	m := Mark{Pos: r.ev.Position, Deleted: r.ev.Op == change.Delete}
	switch r.ev.Table {
	case "public.orders":
		s := Row{
			Mark: m, Customer: r.CustomerID, Store: r.StoreID, Status: r.Status, Currency: r.Currency, Total: r.Total,
			Shipping: r.Shipping, Tax: r.Tax, Placed: r.instant("placed_at", r.PlacedAt), Expires: r.instant("expires_at", r.ExpiresAt),
			Reason: r.text("reason", r.Reason), Times: r.reached(),
		}
		return func(o *Order) bool { return merge(&o.Row, s) }, r.ID
	case "public.order_items":
		s := Line{
			Line: r.Line, Mark: m, SKU: r.SKU, Product: r.ProductID, Quantity: r.Quantity, UnitAmount: r.UnitAmount, Status: r.Status,
			Shipment: r.ShipmentID, Reason: r.text("reason", r.Reason), Times: r.reached(),
		}
		return func(o *Order) bool { return put(&o.Lines, s) }, r.Line
	case "public.payments":
		s := Payment{
			ID: r.ID, Mark: m, Provider: r.Provider, Reference: r.text("reference", r.Reference), State: r.State,
			Amount: r.Amount, Currency: r.Currency, Created: r.instant("created_at", r.CreatedAt), Times: r.reached(),
		}
		return func(o *Order) bool { return put(&o.Payments, s) }, r.ID
	case "public.returns":
		s := Return{
			ID: r.ID, Mark: m, Line: r.Line, Quantity: r.Quantity, Reason: r.text("reason", r.Reason), Note: r.text("note", r.Note),
			State: r.State, Created: r.instant("created_at", r.CreatedAt), Times: r.reached(),
		}
		return func(o *Order) bool { return put(&o.Returns, s) }, r.ID
	case "public.refunds":
		s := Refund{
			ID: r.ID, Mark: m, Payment: r.PaymentID, Return: r.ReturnID, Amount: r.Amount, State: r.State,
			Created: r.instant("created_at", r.CreatedAt), Reason: r.text("reason", r.Reason), Times: r.reached(),
		}
		return func(o *Order) bool { return put(&o.Refunds, s) }, r.ID
	}
	return r.parcel(m), r.ID
}

// parcel is section for the tables of the carriers.
func (r *row) parcel(m Mark) func(*Order) bool {
	switch r.ev.Table {
	case "public.shipments":
		s := Shipment{
			ID: r.ID, Mark: m, Carrier: r.text("carrier", r.Carrier), Tracking: r.text("tracking", r.Tracking), Status: r.Status,
			ETA: r.instant("eta", r.ETA), Created: r.instant("created_at", r.CreatedAt),
		}
		return func(o *Order) bool { return put(&o.Shipments, s) }
	case "public.shipment_events":
		s := Scan{
			ID: r.ID, Mark: m, Shipment: r.ShipmentID, Status: r.text("status", r.Status), Place: r.text("place", r.Place),
			At: r.instant("at", r.At),
		}
		return func(o *Order) bool { return put(&o.Scans, s) }
	}
	r.fail("table %q is none of the orders'", r.ev.Table)
	return nil
}

// complete says what the row lacks. A text that a text column's own position covers may be missing; any other may not.
func (r *row) complete(key int64) error {
	if r.order() == 0 || key == 0 {
		return fmt.Errorf("%w: %s of %s does not say its order and its key", change.ErrMalformed, string(r.ev.Op), r.ev.Table)
	}
	for _, column := range r.ev.Unchanged {
		if r.ev.Op != change.Update || !slices.Contains(textColumns, column) {
			return fmt.Errorf("%w: the log does not carry the %s of order %d in %s: write that column again", change.ErrMalformed, column, r.order(), r.ev.Table)
		}
	}
	return nil
}

var textColumns = []string{"reference", "carrier", "tracking", "status", "place", "reason", "note"}

func (r *row) text(column, value string) Text {
	if r.ev.IsUnchanged(column) {
		return Text{}
	}
	return Text{Pos: r.ev.Position, Value: value}
}

// instant reads a time; "" is none. Postgres also knows infinity, at which nothing of an order can happen.
func (r *row) instant(column, value string) Instant {
	if value == "" {
		return 0
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		r.fail("%s of %s: %w", column, r.ev.Table, err)
	}
	return Instant(t.UnixMicro())
}

func (r *row) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{change.ErrMalformed}, args...)...)
	}
}

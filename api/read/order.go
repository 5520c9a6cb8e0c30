package read

import (
	"context"
	"slices"
	"strconv"
	"time"

	"freshet/api"
	"freshet/api/auth"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/order"
	"freshet/projectors/view"
)

// Orders are the documents of orders; order.Store has them.
type Orders interface {
	Order(ctx context.Context, id int64) (*order.Order, error)
	History(ctx context.Context, customer int64, p order.Period) ([]*order.Order, error)
}

// OrderPage is an order with all that happened to it; amounts are minor units of the currency.
type OrderPage struct {
	OrderHead
	Items     int64       `json:"items_total"`
	Shipping  int64       `json:"shipping_total"`
	Tax       int64       `json:"tax_total"`           // in the total
	ExpiresAt time.Time   `json:"expires_at,omitzero"` // until it is paid
	Reason    string      `json:"reason,omitempty"`    // why it was cancelled
	Lines     []OrderLine `json:"lines"`
	Payments  []Payment   `json:"payments"`
	Shipments []Parcel    `json:"shipments"`
	Returns   []Return    `json:"returns"`
	Refunds   []Refund    `json:"refunds"`
	Timeline  []Moment    `json:"timeline"` // by time
}

// OrderHead is what a list shows of an order.
type OrderHead struct {
	ID         int64     `json:"id"`
	CustomerID int64     `json:"customer_id"`
	Store      string    `json:"store"` // code; the id of a store that is not loaded yet
	Status     string    `json:"status"`
	Currency   string    `json:"currency"`
	Total      int64     `json:"total"`
	PlacedAt   time.Time `json:"placed_at"`
}

// OrderLine is a line of an order at the price agreed.
type OrderLine struct {
	Line       int64  `json:"line"`
	SKU        string `json:"sku"`
	ProductID  int64  `json:"product_id"`
	Title      string `json:"title,omitempty"` // what the product is called now, where the order is shown alone
	Quantity   int64  `json:"quantity"`
	UnitAmount int64  `json:"unit_amount"`
	Status     string `json:"status"`
	Reason     string `json:"reason,omitempty"` // why this line alone was cancelled
}

// Payment is a payment of an order.
type Payment struct {
	ID        int64     `json:"id"`
	Provider  string    `json:"provider"`
	Reference string    `json:"reference,omitempty"`
	State     string    `json:"state"`
	Amount    int64     `json:"amount"`
	Currency  string    `json:"currency"`
	CreatedAt time.Time `json:"created_at"`
}

// Parcel is a shipment and where it is.
type Parcel struct {
	ID          int64     `json:"id"`
	Carrier     string    `json:"carrier"`
	Tracking    string    `json:"tracking,omitempty"`
	Status      string    `json:"status"`
	ETA         time.Time `json:"eta,omitzero"`
	Estimated   bool      `json:"estimated"` // the carrier named no day, ours is a guess
	Late        bool      `json:"late"`
	CreatedAt   time.Time `json:"created_at"`
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	Lines       []int64   `json:"lines"` // that are in it
	Scans       []Scan    `json:"scans"` // by time
}

// Scan is what a carrier said of a parcel.
type Scan struct {
	Status string    `json:"status"`
	Place  string    `json:"place,omitempty"`
	At     time.Time `json:"at"`
}

// Return is goods sent back.
type Return struct {
	ID        int64     `json:"id"`
	Line      int64     `json:"line"`
	Quantity  int64     `json:"quantity"`
	Reason    string    `json:"reason"`
	Note      string    `json:"note,omitempty"` // what the shop says to it
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`
}

// Refund is money given back.
type Refund struct {
	ID        int64     `json:"id"`
	PaymentID int64     `json:"payment_id"`
	ReturnID  int64     `json:"return_id,omitempty"`
	Amount    int64     `json:"amount"`
	Reason    string    `json:"reason,omitempty"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`
}

// Moment is a line of the timeline, with the state that was come to then.
type Moment struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	ID     int64     `json:"id"`
	State  string    `json:"state"`
	Place  string    `json:"place,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// Track is where an order's parcels are.
type Track struct {
	Order   int64     `json:"order"`
	Status  string    `json:"status"`
	ETA     time.Time `json:"eta,omitzero"` // when the last parcel on its way should arrive
	Parcels []Parcel  `json:"parcels"`
}

func (s *Shop) order(ctx context.Context, r *request) (response, error) {
	wanted, given := r.query.one("lang")
	o, err := s.owned(ctx, r)
	if err != nil {
		return response{}, err
	}
	page := orderPage(o, r.dims, time.Now())
	st, known := r.dims.Store(o.Row.Store)
	if !known || len(st.Languages) == 0 {
		return response{document: page}, nil
	}
	lang, err := r.matchers.choose(st.Languages, wanted, given, r.accept)
	if err != nil {
		return response{}, err
	}
	return response{document: page, lang: lang}, s.name(ctx, page.Lines, st, lang)
}

// name gives the lines of an order their titles. An order keeps none: what a thing is called is its product's to say, in
// any language, whether the store still has it or not. Of a product that is gone nobody knows.
func (s *Shop) name(ctx context.Context, lines []OrderLine, st dimension.Store, lang string) error {
	if len(lines) == 0 {
		return nil
	}
	products := make([]int64, len(lines))
	for i, l := range lines {
		products[i] = l.ProductID
	}
	slices.Sort(products)
	found, _, err := s.cfg.Products.Offers(ctx, st.ID, slices.Compact(products))
	if err != nil {
		return err
	}
	for i := range lines {
		lines[i].Title = titleIn(found[lines[i].ProductID], lang)
	}
	return nil
}

func titleIn(p *catalog.Product, lang string) string {
	var v view.Offer
	if p != nil {
		for _, t := range p.Texts {
			if !t.Deleted {
				v.Texts = append(v.Texts, view.Text{Lang: t.Lang, Title: t.Title})
			}
		}
	}
	return v.TextIn(lang).Title
}

func (s *Shop) track(ctx context.Context, r *request) (response, error) {
	o, err := s.owned(ctx, r)
	if err != nil {
		return response{}, err
	}
	t := Track{Order: o.ID, Status: o.Row.Status, Parcels: parcels(o, time.Now())}
	for _, p := range t.Parcels {
		if p.ETA.After(t.ETA) {
			t.ETA = p.ETA
		}
	}
	return response{document: t}, nil
}

// owned finds the order of the path. Another customer's is not found, not forbidden: that it exists is nobody else's
// business. Support finds every order.
func (s *Shop) owned(ctx context.Context, r *request) (*order.Order, error) {
	if err := r.query.end(); err != nil {
		return nil, err
	}
	missing := api.Errorf(api.NotFound, "There is no order %q.", cut(r.item))
	id, err := strconv.ParseInt(r.item, 10, 64)
	if err != nil || id <= 0 {
		return nil, missing
	}
	o, err := s.cfg.Orders.Order(ctx, id)
	if err != nil {
		return nil, err
	}
	if o == nil || (r.who.role != auth.Support && o.Row.Customer != r.who.account) {
		return nil, missing
	}
	return o, nil
}

func orderPage(o *order.Order, dims *dimension.Set, now time.Time) *OrderPage {
	page := &OrderPage{
		OrderHead: orderHead(o, dims), Shipping: o.Row.Shipping, Tax: o.Row.Tax, ExpiresAt: timeOf(o.Row.Expires), Reason: o.Row.Reason.Value,
		Lines: orderLines(o), Payments: []Payment{}, Shipments: parcels(o, now), Returns: []Return{}, Refunds: []Refund{}, Timeline: []Moment{},
	}
	for _, l := range page.Lines {
		page.Items += l.UnitAmount * l.Quantity
	}
	for _, p := range o.Payments {
		if p.Live() {
			page.Payments = append(page.Payments, Payment{
				ID: p.ID, Provider: p.Provider, Reference: p.Reference.Value, State: p.State, Amount: p.Amount, Currency: p.Currency,
				CreatedAt: timeOf(p.Created),
			})
		}
	}
	for _, v := range o.Returns {
		if v.Live() {
			page.Returns = append(page.Returns, Return{
				ID: v.ID, Line: v.Line, Quantity: v.Quantity, Reason: v.Reason.Value, Note: v.Note.Value, State: v.State, CreatedAt: timeOf(v.Created),
			})
		}
	}
	for _, f := range o.Refunds {
		if f.Live() {
			page.Refunds = append(page.Refunds, Refund{
				ID: f.ID, PaymentID: f.Payment, ReturnID: f.Return, Amount: f.Amount, Reason: f.Reason.Value, State: f.State,
				CreatedAt: timeOf(f.Created),
			})
		}
	}
	for _, m := range o.Timeline() {
		page.Timeline = append(page.Timeline, Moment{At: timeOf(m.At), Kind: m.Kind, ID: m.ID, State: m.State, Place: m.Place, Reason: m.Reason})
	}
	return page
}

func orderHead(o *order.Order, dims *dimension.Set) OrderHead {
	return OrderHead{
		ID: o.ID, CustomerID: o.Row.Customer, Store: storeCode(dims, o.Row.Store), Status: o.Row.Status, Currency: o.Row.Currency,
		Total: o.Row.Total, PlacedAt: timeOf(o.Row.Placed),
	}
}

func orderLines(o *order.Order) []OrderLine {
	lines := []OrderLine{}
	for _, l := range o.Lines {
		if l.Live() {
			lines = append(lines, OrderLine{
				Line: l.Line, SKU: l.SKU, ProductID: l.Product, Quantity: l.Quantity, UnitAmount: l.UnitAmount, Status: l.Status, Reason: l.Reason.Value,
			})
		}
	}
	return lines
}

func parcels(o *order.Order, now time.Time) []Parcel {
	list := []Parcel{}
	for _, p := range o.Parcels(now) {
		one := Parcel{
			ID: p.ID, Carrier: p.Carrier.Value, Tracking: p.Tracking.Value, Status: p.Status, ETA: timeOf(p.ETA), Estimated: p.Estimated,
			Late: p.Late, CreatedAt: timeOf(p.Created), DeliveredAt: timeOf(p.Delivered),
			Lines: append([]int64{}, p.Lines...), Scans: []Scan{},
		}
		for _, scan := range p.Scans {
			one.Scans = append(one.Scans, Scan{Status: scan.Status.Value, Place: scan.Place.Value, At: timeOf(scan.At)})
		}
		list = append(list, one)
	}
	return list
}

// timeOf is the zero time for none.
func timeOf(i order.Instant) time.Time {
	if i == 0 {
		return time.Time{}
	}
	return i.UTC()
}

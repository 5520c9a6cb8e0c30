// Package order keeps one document per order in MongoDB: its lines, payments, parcels and what the carrier said of them,
// returns and refunds, folded from the topics of the order tables. Customers and support read the same document.
//
// cmd/freshet runs the Projector, api/read asks the Store. The fold is pure and made of sections, one per row, each of
// which takes only a later position: rows may come repeatedly and in any order. The timeline and the expected day of a
// parcel are worked out when the document is read, from the rows alone, since they depend on the clock.
package order

import (
	"time"

	"freshet/ingest/change"
)

// Order is the document orders/{order id}.
type Order struct {
	ID        int64             `bson:"_id"`
	Rev       int64             `bson:"rev"`
	Row       Row               `bson:"row"`
	Lines     []Line            `bson:"lines"`     // by line
	Payments  []Payment         `bson:"payments"`  // by id, as all below
	Shipments []Shipment        `bson:"shipments"` // parcels
	Scans     []Scan            `bson:"scans"`
	Returns   []Return          `bson:"returns"`
	Refunds   []Refund          `bson:"refunds"`
	Source    change.Provenance `bson:"source"`
}

// Mark is what every section has: where the row it shows stood in the stream, and whether it was a delete.
type Mark struct {
	Pos     change.Position `bson:"pos"`
	Deleted bool            `bson:"deleted,omitempty"`
}

// Live says whether the row exists.
func (m Mark) Live() bool { return !m.Pos.IsZero() && !m.Deleted }

// Text is a column of any length. The log leaves it out where an update did not touch it, so it has a position of its own.
type Text struct {
	Pos   change.Position `bson:"pos"`
	Value string          `bson:"value"`
}

// Instant is a time in microseconds since 1970, which is all that Postgres keeps; 0 is none.
type Instant int64

// UTC returns the time.
func (i Instant) UTC() time.Time { return time.UnixMicro(int64(i)).UTC() }

// Row is the section of the orders row; amounts are minor units of the currency.
type Row struct {
	Mark     `bson:",inline"`
	Customer int64   `bson:"customer"`
	Store    int64   `bson:"store"`
	Status   string  `bson:"status"`
	Currency string  `bson:"currency"`
	Total    int64   `bson:"total"`
	Shipping int64   `bson:"shipping"` // in Total
	Tax      int64   `bson:"tax"`      // in Total too, whether or not the prices hold it
	Placed   Instant `bson:"placed"`
	Expires  Instant `bson:"expires"`
	Reason   Text    `bson:"reason"` // why it was cancelled

	Times []Reached `bson:"times,omitempty"`
}

// Line is the section of an order_items row.
type Line struct {
	Line       int64 `bson:"line"`
	Mark       `bson:",inline"`
	SKU        string `bson:"sku"`
	Product    int64  `bson:"product"`
	Quantity   int64  `bson:"quantity"`
	UnitAmount int64  `bson:"unit_amount"`
	Status     string `bson:"status"`
	Shipment   int64  `bson:"shipment,omitempty"` // the parcel it was sent in; 0 for none
	Reason     Text   `bson:"reason"`             // why it alone was cancelled

	Times []Reached `bson:"times,omitempty"`
}

// Payment is the section of a payments row.
type Payment struct {
	ID        int64 `bson:"id"`
	Mark      `bson:",inline"`
	Provider  string  `bson:"provider"`
	Reference Text    `bson:"reference"`
	State     string  `bson:"state"`
	Amount    int64   `bson:"amount"`
	Currency  string  `bson:"currency"`
	Created   Instant `bson:"created"`

	Times []Reached `bson:"times,omitempty"`
}

// Shipment is the section of a shipments row: a parcel.
type Shipment struct {
	ID       int64 `bson:"id"`
	Mark     `bson:",inline"`
	Carrier  Text    `bson:"carrier"`
	Tracking Text    `bson:"tracking"`
	Status   string  `bson:"status"`
	ETA      Instant `bson:"eta"`
	Created  Instant `bson:"created"`
}

// Scan is the section of a shipment_events row: what the carrier said of a parcel, and when.
type Scan struct {
	ID       int64 `bson:"id"`
	Mark     `bson:",inline"`
	Shipment int64   `bson:"shipment"`
	Status   Text    `bson:"status"`
	Place    Text    `bson:"place"`
	At       Instant `bson:"at"`
}

// Return is the section of a returns row.
type Return struct {
	ID       int64 `bson:"id"`
	Mark     `bson:",inline"`
	Line     int64   `bson:"line"`
	Quantity int64   `bson:"quantity"`
	Reason   Text    `bson:"reason"`
	Note     Text    `bson:"note"` // what the shop says to it
	State    string  `bson:"state"`
	Created  Instant `bson:"created"`

	Times []Reached `bson:"times,omitempty"`
}

// Refund is the section of a refunds row.
type Refund struct {
	ID      int64 `bson:"id"`
	Mark    `bson:",inline"`
	Payment int64   `bson:"payment"`
	Return  int64   `bson:"return"` // 0 for none
	Amount  int64   `bson:"amount"`
	State   string  `bson:"state"`
	Created Instant `bson:"created"`
	Reason  Text    `bson:"reason"`

	Times []Reached `bson:"times,omitempty"`
}

// DocumentID is the field stored as _id.
func (o *Order) DocumentID() *int64 { return &o.ID }

// Revision is the field stored as rev.
func (o *Order) Revision() *int64 { return &o.Rev }

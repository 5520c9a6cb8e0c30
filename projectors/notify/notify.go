// Package notify tells customers and sellers what happened: an order placed, paid, sent, cancelled, refused, money given back; stock
// that runs low, out, and is back. It sends e-mails and signed webhooks.
//
// It folds the topics of orders, of those that were queued, shipments and refunds and that of alerts. Each thing worth telling is a document with a
// key of its own, such as order:12:paid/mail, made once however often its rows come; a Sender takes what is due, sends it,
// and notes that it did. cmd/freshet runs both. Guarantees: what was committed is told, also after a crash at any point,
// or the document says why not. It is told once, but for a crash between the moment in which a server took it and the
// note: then it is told again, under the same Message-ID or Freshet-Notification, by which receivers know it. History that
// is read from a snapshot, or late, is noted and not told.
package notify

import (
	"time"

	"freshet/ingest/change"
)

// StageName is the stage's; it runs only where a way to send is configured.
const StageName = "notify"

// CollectionName is the collection of the notifications.
const CollectionName = "notifications"

// Kind is what is told.
type Kind string

// The kinds. The first six are told to the customer, the others to the seller.
const (
	OrderPlaced    Kind = "order_placed"
	OrderPaid      Kind = "order_paid"
	OrderShipped   Kind = "order_shipped"
	OrderCancelled Kind = "order_cancelled"
	OrderRefunded  Kind = "order_refunded"
	// OrderRefused is told of an order that was taken while Postgres was away and could not be placed afterwards.
	OrderRefused Kind = "order_refused"
	LowStock     Kind = "low_stock"
	OutOfStock   Kind = "out_of_stock"
	BackInStock  Kind = "back_in_stock"
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{OrderPlaced, OrderPaid, OrderShipped, OrderCancelled, OrderRefunded, OrderRefused, LowStock, OutOfStock, BackInStock}
}

// Event is what happened, and the body of a webhook. It holds no person: who they are is looked up when they are told.
type Event struct {
	ID       string    `bson:"id" json:"id"`
	Kind     Kind      `bson:"kind" json:"kind"`
	At       time.Time `bson:"at" json:"at"` // of the commit
	Order    int64     `bson:"order,omitempty" json:"order,omitempty"`
	Queued   string    `bson:"queued,omitempty" json:"queued,omitempty"` // id of an order that never got a number
	Reason   string    `bson:"reason,omitempty" json:"reason,omitempty"` // why it didn't: stock, price, cart, late or other
	Carrier  string    `bson:"carrier,omitempty" json:"carrier,omitempty"`
	Tracking string    `bson:"tracking,omitempty" json:"tracking,omitempty"`
	// Amount is in minor units: of the order's total, or what was given back.
	Amount    int64  `bson:"amount,omitempty" json:"amount,omitempty"`
	Currency  string `bson:"currency,omitempty" json:"currency,omitempty"`
	Seller    int64  `bson:"seller,omitempty" json:"seller,omitempty"`
	Store     int64  `bson:"store,omitempty" json:"store,omitempty"`
	Product   int64  `bson:"product,omitempty" json:"product,omitempty"`
	SKU       string `bson:"sku,omitempty" json:"sku,omitempty"`
	Available int64  `bson:"available,omitempty" json:"available,omitempty"`
}

// State is where a notification is.
type State string

// The states. Skipped are those that came too late, or had nobody to go to.
const (
	Due     State = "due"
	Sent    State = "sent"
	Skipped State = "skipped"
	Failed  State = "failed"
)

// Notification is the document notifications/{event}/{channel}.
type Notification struct {
	ID      string `bson:"_id"`
	Rev     int64  `bson:"rev"`
	Channel string `bson:"channel"`
	Event   Event  `bson:"event"`
	State   State  `bson:"state"`
	// Due is when it is to be tried, in microseconds since 1970; 0 when it is over.
	Due      int64           `bson:"due"`
	Attempts int             `bson:"attempts"`
	Error    string          `bson:"error,omitempty"` // of the last attempt
	Pos      change.Position `bson:"pos"`             // of the row that made it
}

// DocumentID is the field stored as _id.
func (n *Notification) DocumentID() *string { return &n.ID }

// Revision is the field stored as rev.
func (n *Notification) Revision() *int64 { return &n.Rev }

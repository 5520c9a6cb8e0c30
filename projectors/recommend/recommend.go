// Package recommend says what is bought together with a product, and picks products for each customer by what they bought.
//
// It folds the topics of orders and order_items into baskets, one per order, and counts them again for every product and
// customer that a basket names. cmd/freshet runs the Projector, api/read asks the Store: one read by _id says what a page
// recommends. Guarantee: a count is a function of the stored baskets alone, so that deliveries may repeat and come in any
// order, and orders may be cancelled, changed and deleted, and no count drifts.
package recommend

import "freshet/ingest/change"

// Limits of the documents.
const (
	// Window is how many of a product's newest baskets are looked at, and History how many of a customer's. They bound what
	// one order costs, however popular its products are.
	Window  = 1000
	History = 200
	// MaxPairs, MaxBought and MaxPicks bound the lists.
	MaxPairs  = 48
	MaxBought = 48
	MaxPicks  = 48
)

// Basket is the document baskets/{order id}: what an order tells of the products in it.
type Basket struct {
	ID    int64  `bson:"_id"`
	Rev   int64  `bson:"rev"`
	Row   Row    `bson:"row"`
	Lines []Line `bson:"lines"` // by line

	// What counts: nothing of an order that was cancelled, expired or deleted.
	Customer int64   `bson:"customer,omitempty"`
	Placed   int64   `bson:"placed,omitempty"` // microseconds since 1970
	Products []int64 `bson:"products"`         // sorted

	// Whom the basket ever named: who is no longer in it must be counted again too, also by whoever repeats a batch.
	EverProducts  []int64 `bson:"ever_products"`
	EverCustomers []int64 `bson:"ever_customers"`
}

// Row is the section of the orders row.
type Row struct {
	Pos      change.Position `bson:"pos"`
	Counts   bool            `bson:"counts"` // exists, and was not called off
	Customer int64           `bson:"customer"`
	Placed   int64           `bson:"placed"`
}

// Line is the section of an order_items row.
type Line struct {
	Line    int64           `bson:"line"`
	Pos     change.Position `bson:"pos"`
	Counts  bool            `bson:"counts"` // exists, and was not cancelled; what came back was wanted once
	Product int64           `bson:"product"`
}

// Together is the document together/{product id}.
type Together struct {
	ID     int64  `bson:"_id"`
	Rev    int64  `bson:"rev"`
	Orders int64  `bson:"orders"` // that hold the product
	Window int64  `bson:"window"` // of them, those looked at: the newest
	Pairs  []Pair `bson:"pairs"`  // the best first
}

// Pair is a product that is bought together with another.
type Pair struct {
	Product int64   `bson:"product"`
	Orders  int64   `bson:"orders"`  // of the window that hold both
	Support float64 `bson:"support"` // their share of the window
	// Lift is how many times more often it is in a basket with the product than in any: 1 says that they have nothing to do
	// with one another. It is of the moment when the product was last bought.
	Lift float64 `bson:"lift"`
}

// Picks is the document picks/{customer id}.
type Picks struct {
	ID     int64   `bson:"_id"`
	Rev    int64   `bson:"rev"`
	Bought []Score `bson:"bought"` // the weightiest first
	Picks  []Score `bson:"picks"`  // the best first; none of them bought
}

// Score is a product and what it weighs.
type Score struct {
	Product int64   `bson:"product"`
	Score   float64 `bson:"score"`
}

// DocumentID is the field stored as _id.
func (b *Basket) DocumentID() *int64 { return &b.ID }

// Revision is the field stored as rev.
func (b *Basket) Revision() *int64 { return &b.Rev }

// DocumentID is the field stored as _id.
func (t *Together) DocumentID() *int64 { return &t.ID }

// Revision is the field stored as rev.
func (t *Together) Revision() *int64 { return &t.Rev }

// DocumentID is the field stored as _id.
func (p *Picks) DocumentID() *int64 { return &p.ID }

// Revision is the field stored as rev.
func (p *Picks) Revision() *int64 { return &p.Rev }

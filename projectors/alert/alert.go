// Package alert tells sellers when a SKU of theirs runs low, runs out and is back: once for each crossing, as a record on
// the topic change.AlertTopic and as a document.
//
// It folds the topics of inventory and products. cmd/freshet runs the Projector, api/read asks the Store. A crossing is of
// two rows that follow one another, so an alert is named by the position of the row that crossed: whatever is delivered
// again raises the same alert, which its document holds once and which readers of the topic know by its id.
package alert

import (
	"fmt"

	"freshet/ingest/change"
)

// Kind is what an alert says.
type Kind string

// The kinds of alert.
const (
	LowStock    Kind = "low_stock"
	OutOfStock  Kind = "out_of_stock"
	BackInStock Kind = "back_in_stock"
)

// Kinds lists them all.
func Kinds() []Kind { return []Kind{LowStock, OutOfStock, BackInStock} }

// Alert is the document alerts/{id} and, but for its revision, the value of the topic's records.
type Alert struct {
	ID         string          `bson:"_id" json:"id"`
	Rev        int64           `bson:"rev" json:"-"`
	Kind       Kind            `bson:"kind" json:"kind"`
	Seller     int64           `bson:"seller" json:"seller"`
	Store      int64           `bson:"store" json:"store"`
	Product    int64           `bson:"product" json:"product"`
	SKU        string          `bson:"sku" json:"sku"`
	Available  int64           `bson:"available" json:"available"` // on hand less reserved, after the crossing
	LowStockAt int64           `bson:"low_stock_at" json:"low_stock_at"`
	At         int64           `bson:"at" json:"at"` // commit of the row that crossed, in microseconds since 1970
	Position   change.Position `bson:"pos" json:"position"`
}

// Stock is the document levels/{store id}:{product id}: where the SKUs of an offer stand, and the alerts that are raised and
// not yet sent. It is written when a level changes, not with every row.
type Stock struct {
	ID      string  `bson:"_id"`
	Rev     int64   `bson:"rev"`
	SKUs    []SKU   `bson:"skus"` // by SKU
	Pending []Alert `bson:"pending,omitempty"`
	// Waiting is the product while an alert waits for its row, which says whose it is; else 0.
	Waiting int64 `bson:"waiting,omitempty"`
}

// SKU is where a SKU stands since the row at Pos. No level means that there is no row.
type SKU struct {
	SKU   string          `bson:"sku"`
	Pos   change.Position `bson:"pos"`
	Level Level           `bson:"level,omitempty"`
	Since change.LSN      `bson:"since,omitempty"` // commit of its first row
}

// Owner is the document alert_owners/{product id}: whose product it is.
type Owner struct {
	ID     int64           `bson:"_id"`
	Rev    int64           `bson:"rev"`
	Pos    change.Position `bson:"pos"`
	Seller int64           `bson:"seller"`
}

// DocumentID is the field stored as _id.
func (a *Alert) DocumentID() *string { return &a.ID }

// Revision is the field stored as rev.
func (a *Alert) Revision() *int64 { return &a.Rev }

// DocumentID is the field stored as _id.
func (s *Stock) DocumentID() *string { return &s.ID }

// Revision is the field stored as rev.
func (s *Stock) Revision() *int64 { return &s.Rev }

// DocumentID is the field stored as _id.
func (o *Owner) DocumentID() *int64 { return &o.ID }

// Revision is the field stored as rev.
func (o *Owner) Revision() *int64 { return &o.Rev }

func alertID(store int64, sku string, pos change.Position) string {
	return fmt.Sprintf("%d:%s:%s", store, sku, pos)
}

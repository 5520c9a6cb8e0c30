// Package offer keeps one document per offer (store and product) in MongoDB: status, prices, stock and popularity, folded
// from the topics of offers, prices, inventory and stock_movements.
//
// The fold is pure and made of sections like catalog's. A price that starts or ends by the clock does so by a fold too, which
// the Timekeeper of partition 0 sees to. Popularity is a counter: it folds the ledger of stock movements by
// a position high-water mark, and starts afresh when a newer snapshot delivers the whole ledger again.
package offer

import (
	"fmt"

	"freshet/ingest/change"
)

// Offer is the document offers/{store id}:{product id}.
type Offer struct {
	ID      string  `bson:"_id"`
	Rev     int64   `bson:"rev"`
	Store   int64   `bson:"store"`
	Product int64   `bson:"product"`
	Row     Row     `bson:"row"`
	Prices  []Price `bson:"prices"` // by SKU
	Stock   []Stock `bson:"stock"`  // by SKU
	Sales   Sales   `bson:"sales"`
	// Passed is the last bound of a price's dates that has come, Edge the first that is not shown yet, both in microseconds
	// since 1970, 0 for none. Edge is the clock's note, which it moves without a revision.
	Passed int64             `bson:"passed,omitempty"`
	Edge   int64             `bson:"edge,omitempty"`
	Source change.Provenance `bson:"source"`
}

// Row is the section of the offers row.
type Row struct {
	Pos     change.Position `bson:"pos"`
	Deleted bool            `bson:"deleted,omitempty"`
	Status  string          `bson:"status"` // "active", "paused"
	Boost   float64         `bson:"boost"`  // 1 is neutral
}

// Price is the section of a prices row; amounts are minor units of the store's currency.
type Price struct {
	SKU        string          `bson:"sku"`
	Pos        change.Position `bson:"pos"`
	Deleted    bool            `bson:"deleted,omitempty"`
	Amount     int64           `bson:"amount"`
	ListAmount int64           `bson:"list_amount"`          // 0 for none
	ValidFrom  string          `bson:"valid_from,omitempty"` // RFC 3339 in UTC, "" for always; see At
	ValidTo    string          `bson:"valid_to,omitempty"`
}

// Stock is the section of an inventory row.
type Stock struct {
	SKU        string          `bson:"sku"`
	Pos        change.Position `bson:"pos"`
	Deleted    bool            `bson:"deleted,omitempty"`
	OnHand     int64           `bson:"on_hand"`
	Reserved   int64           `bson:"reserved"`
	LowStockAt int64           `bson:"low_stock_at"` // 0 for never
}

// Sales counts the ledger's movements of kind "sale" with forward decay (Cormode et al. 2009): a unit sold at time t adds
// 2^((t-Landmark)/HalfLife) to Score, so that nothing is rewritten as time passes.
type Sales struct {
	Epoch change.LSN      `bson:"epoch"` // commit LSN of the snapshot the count started from
	High  change.Position `bson:"high"`  // everything up to here is counted
	Units int64           `bson:"units"`
	Score float64         `bson:"score"`
}

// ID returns the document id of an offer. Ids of one store are one range: ["12:", "12;").
func ID(store, product int64) string { return fmt.Sprintf("%d:%d", store, product) }

// DocumentID is the field stored as _id.
func (o *Offer) DocumentID() *string { return &o.ID }

// Revision is the field stored as rev.
func (o *Offer) Revision() *int64 { return &o.Rev }

// Live says whether the offer exists and is active.
func (o *Offer) Live() bool {
	return o != nil && !o.Row.Pos.IsZero() && !o.Row.Deleted && o.Row.Status == "active"
}

package alert

import (
	"cmp"
	"fmt"
	"slices"

	"freshet/ingest/change"
)

// Tables are the tables that the projector folds.
var Tables = []string{"inventory", "products"}

// Edit is an event made ready to be folded into its document, any number of times: that of an offer, or of an owner.
type Edit struct {
	Stock string // id of the document, "" for a row of products
	Owner int64  // id of the document, 0 for a row of inventory
	row   row
}

// row is a row of either table.
type row struct {
	ev         change.Event
	ID         int64  `json:"id"`
	SellerID   int64  `json:"seller_id"`
	StoreID    int64  `json:"store_id"`
	SKU        string `json:"sku"`
	ProductID  int64  `json:"product_id"`
	OnHand     int64  `json:"on_hand"`
	Reserved   int64  `json:"reserved"`
	LowStockAt int64  `json:"low_stock_at"`
}

// Read decodes an event and finds out which document it belongs to. The error wraps change.ErrMalformed.
func Read(ev change.Event) (Edit, error) {
	if err := ev.Foldable(); err != nil {
		return Edit{}, err
	}
	r := row{ev: ev}
	if err := ev.Row(&r); err != nil {
		return Edit{}, err
	}
	switch {
	case ev.Table == "public.products" && r.ID != 0:
		return Edit{Owner: r.ID, row: r}, nil
	case ev.Table == "public.inventory" && r.StoreID != 0 && r.SKU != "" && r.ProductID != 0:
		return Edit{Stock: fmt.Sprintf("%d:%d", r.StoreID, r.ProductID), row: r}, nil
	case ev.Table == "public.products" || ev.Table == "public.inventory":
		return Edit{}, fmt.Errorf("%w: %s of %s does not say its key", change.ErrMalformed, string(ev.Op), ev.Table)
	}
	return Edit{}, fmt.Errorf("%w: table %q is none of the alerts'", change.ErrMalformed, ev.Table)
}

// FoldStock folds a row of inventory into its offer's document, and says whether that changed it.
//
// Events may come repeatedly, but the first delivery of each must be in their order, as a topic's partition has them. The
// document then holds the position of the newest row that changed a level; what came after that and changed none changes
// none when it comes again, and what came before is refused.
func (e Edit) FoldStock(s *Stock) bool {
	i, found := slices.BinarySearchFunc(s.SKUs, e.row.SKU, func(s SKU, sku string) int { return cmp.Compare(s.SKU, sku) })
	if !found {
		s.SKUs = slices.Insert(s.SKUs, i, SKU{SKU: e.row.SKU})
	}
	held := &s.SKUs[i]
	if !e.row.ev.Position.After(held.Pos) {
		return false
	}
	available := e.row.OnHand - e.row.Reserved
	level := Level("")
	if e.row.ev.Op != change.Delete {
		level = held.Level.Next(available, e.row.LowStockAt)
	}
	if level == held.Level && found {
		return false
	}
	since := held.Since
	if held.Level == "" {
		since = e.row.ev.Position.Commit
	}
	// The row is made empty and filled by the ledger in the transaction that lists the SKU: it was never out.
	listed := since == e.row.ev.Position.Commit
	if kind := crossing(held.Level, level); kind != "" && level != "" && !listed {
		s.Pending = append(s.Pending, Alert{
			ID: alertID(e.row.StoreID, e.row.SKU, e.row.ev.Position), Kind: kind, Store: e.row.StoreID, Product: e.row.ProductID, SKU: e.row.SKU,
			Available: available, LowStockAt: e.row.LowStockAt, At: e.row.ev.CommitTime.UnixMicro(), Position: e.row.ev.Position,
		})
		s.Waiting = e.row.ProductID // until it is sent
	}
	*held = SKU{SKU: e.row.SKU, Pos: e.row.ev.Position, Level: level, Since: since}
	return true
}

// FoldOwner folds a row of products into its owner's document, and says whether that changed it. A product that is deleted
// keeps its owner, to whom what happened to it before is still told.
func (e Edit) FoldOwner(o *Owner) bool {
	if !e.row.ev.Position.After(o.Pos) || e.row.ev.Op == change.Delete || e.row.SellerID == o.Seller {
		return false
	}
	o.Pos, o.Seller = e.row.ev.Position, e.row.SellerID
	return true
}

// sent takes the alerts off the pending ones.
func (s *Stock) sent(ids map[string]bool) bool {
	kept := slices.DeleteFunc(slices.Clone(s.Pending), func(a Alert) bool { return ids[a.ID] })
	if len(kept) == len(s.Pending) {
		return false
	}
	if s.Pending = kept; len(kept) == 0 {
		s.Pending, s.Waiting = nil, 0
	}
	return true
}

package offer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// Edit is an event made ready to be folded into the document of its offer, any number of times.
type Edit struct {
	Offer   string // id of the document; "" when the event means nothing to it
	Store   int64
	Product int64
	source  change.Provenance
	apply   func(*Offer) bool
}

// Fold folds an event of offers, prices, inventory or stock_movements into its offer's document, and says whether that
// changed it. The error wraps change.ErrMalformed.
//
// Events of the first three may come repeatedly and in any order; the same set of them always makes the same document.
// Those of the ledger may come repeatedly, but the first delivery must be in their order, as a topic's partition has them.
func Fold(o *Offer, ev change.Event) (changed bool, err error) {
	e, err := Read(ev)
	if err != nil {
		return false, err
	}
	return e.Fold(o), nil
}

// row is a row of any of the four tables.
type row struct {
	StoreID    int64   `json:"store_id"`
	ProductID  int64   `json:"product_id"`
	SKU        string  `json:"sku"`
	Status     string  `json:"status"`
	Boost      float64 `json:"boost"`
	Amount     int64   `json:"amount"`
	ListAmount int64   `json:"list_amount"`
	ValidFrom  string  `json:"valid_from"`
	ValidTo    string  `json:"valid_to"`
	OnHand     int64   `json:"on_hand"`
	Reserved   int64   `json:"reserved"`
	LowStockAt int64   `json:"low_stock_at"`
	Kind       string  `json:"kind"`
	Quantity   int64   `json:"quantity"`
	CreatedAt  string  `json:"created_at"`
}

// Read decodes an event and finds out which offer it belongs to.
func Read(ev change.Event) (Edit, error) {
	if err := ev.Foldable(); err != nil {
		return Edit{}, err
	}
	var r row
	if err := ev.Row(&r); err != nil {
		return Edit{}, err
	}
	e := Edit{Store: r.StoreID, Product: r.ProductID}
	var err error
	switch ev.Table {
	case "public.offers":
		e.apply = r.offer(ev)
	case "public.prices":
		e.apply = r.price(ev)
	case "public.inventory":
		e.apply = r.stock(ev)
	case "public.stock_movements":
		e.apply, err = r.movement(ev)
	default:
		err = fmt.Errorf("%w: table %q is none of the offers'", change.ErrMalformed, ev.Table)
	}
	if err != nil || e.apply == nil {
		return Edit{}, err
	}
	if r.StoreID == 0 || r.ProductID == 0 || (r.SKU == "" && ev.Table != "public.offers") {
		return Edit{}, fmt.Errorf("%w: %s of %s does not say its store, product and SKU", change.ErrMalformed, string(ev.Op), ev.Table)
	}
	e.Offer = ID(r.StoreID, r.ProductID)
	// MongoDB keeps milliseconds: a document is the same whether it was just folded or loaded.
	e.source = change.Provenance{Position: ev.Position, Time: ev.CommitTime.Truncate(time.Millisecond)}
	return e, nil
}

// Fold folds the edit, and says whether that changed the document.
func (e Edit) Fold(o *Offer) bool {
	if e.apply == nil || failpoint.OneIn("drop-edit-N") || !e.apply(o) {
		return false
	}
	o.ID, o.Store, o.Product = e.Offer, e.Store, e.Product
	o.Source = o.Source.Newest(e.source)
	o.date()
	return true
}

// later is the rule of every section. A seeded bug, which only test builds have, forgets it.
func later(p, than change.Position) bool {
	return p.After(than) || failpoint.Enabled("ignore-version")
}

func (r row) offer(ev change.Event) func(*Offer) bool {
	section := Row{Pos: ev.Position, Status: r.Status, Boost: r.Boost}
	if ev.Op == change.Delete {
		section = Row{Pos: ev.Position, Deleted: true}
	}
	return func(o *Offer) bool {
		if !later(ev.Position, o.Row.Pos) {
			return false
		}
		o.Row = section
		return true
	}
}

func (r row) price(ev change.Event) func(*Offer) bool {
	section := Price{SKU: r.SKU, Pos: ev.Position, Amount: r.Amount, ListAmount: r.ListAmount, ValidFrom: r.ValidFrom, ValidTo: r.ValidTo}
	if ev.Op == change.Delete && !failpoint.Enabled("forget-price-delete") {
		section = Price{SKU: r.SKU, Pos: ev.Position, Deleted: true}
	}
	return func(o *Offer) bool {
		i, found := slices.BinarySearchFunc(o.Prices, r.SKU, func(p Price, sku string) int { return cmp.Compare(p.SKU, sku) })
		switch {
		case !found:
			o.Prices = slices.Insert(o.Prices, i, section)
		case later(ev.Position, o.Prices[i].Pos):
			o.Prices[i] = section
		default:
			return false
		}
		return true
	}
}

func (r row) stock(ev change.Event) func(*Offer) bool {
	section := Stock{SKU: r.SKU, Pos: ev.Position, OnHand: r.OnHand, Reserved: r.Reserved, LowStockAt: r.LowStockAt}
	if failpoint.Enabled("forget-reserved") {
		section.Reserved = 0
	}
	if ev.Op == change.Delete {
		section = Stock{SKU: r.SKU, Pos: ev.Position, Deleted: true}
	}
	return func(o *Offer) bool {
		i, found := slices.BinarySearchFunc(o.Stock, r.SKU, func(s Stock, sku string) int { return cmp.Compare(s.SKU, sku) })
		switch {
		case !found:
			o.Stock = slices.Insert(o.Stock, i, section)
		case later(ev.Position, o.Stock[i].Pos):
			o.Stock[i] = section
		default:
			return false
		}
		return true
	}
}

package recommend

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"freshet/ingest/change"
)

// Tables are the tables that the projector folds.
var Tables = []string{"orders", "order_items"}

// Edit is an event made ready to be folded into the basket of its order, any number of times.
type Edit struct {
	Order int64 // id of the document
	apply func(*Basket) bool
}

// Fold folds the edit, and says whether that changed the document. Events may come repeatedly and in any order; the same
// set of them always makes the same document.
func (e Edit) Fold(b *Basket) bool {
	if !e.apply(b) {
		return false
	}
	b.ID = e.Order
	b.Customer, b.Placed, b.Products = 0, 0, nil
	if b.Row.Counts {
		b.Customer, b.Placed = b.Row.Customer, b.Row.Placed
		for _, l := range b.Lines {
			if l.Counts {
				remember(&b.Products, l.Product)
			}
		}
	}
	return true
}

type row struct {
	ID         int64  `json:"id"`
	OrderID    int64  `json:"order_id"`
	CustomerID int64  `json:"customer_id"`
	Line       int64  `json:"line"`
	ProductID  int64  `json:"product_id"`
	Status     string `json:"status"`
	PlacedAt   string `json:"placed_at"`
}

// Read decodes an event and finds out which order it belongs to. The error wraps change.ErrMalformed.
func Read(ev change.Event) (Edit, error) {
	if err := ev.Foldable(); err != nil {
		return Edit{}, err
	}
	var r row
	if err := ev.Row(&r); err != nil {
		return Edit{}, err
	}
	switch {
	case ev.Table == "public.orders" && r.ID != 0:
		return r.order(ev)
	case ev.Table == "public.order_items" && r.OrderID != 0 && r.Line != 0:
		return r.item(ev), nil
	}
	return Edit{}, fmt.Errorf("%w: %s of %s, which is none of the baskets' tables or does not say its key", change.ErrMalformed, string(ev.Op), ev.Table)
}

func (r row) order(ev change.Event) (Edit, error) {
	s := Row{Pos: ev.Position}
	if ev.Op != change.Delete {
		placed, err := time.Parse(time.RFC3339, r.PlacedAt)
		if err != nil {
			return Edit{}, fmt.Errorf("%w: time of order %d: %w", change.ErrMalformed, r.ID, err)
		}
		s = Row{Pos: ev.Position, Counts: r.Status != "cancelled" && r.Status != "expired", Customer: r.CustomerID, Placed: placed.UnixMicro()}
	}
	return Edit{Order: r.ID, apply: func(b *Basket) bool {
		changed := remember(&b.EverCustomers, r.CustomerID)
		if ev.Position.After(b.Row.Pos) {
			b.Row, changed = s, true
		}
		return changed
	}}, nil
}

func (r row) item(ev change.Event) Edit {
	s := Line{Line: r.Line, Pos: ev.Position}
	if ev.Op != change.Delete {
		s.Product, s.Counts = r.ProductID, r.Status != "cancelled"
	}
	return Edit{Order: r.OrderID, apply: func(b *Basket) bool {
		changed := remember(&b.EverProducts, s.Product)
		i, found := slices.BinarySearchFunc(b.Lines, r.Line, func(l Line, line int64) int { return cmp.Compare(l.Line, line) })
		switch {
		case !found:
			b.Lines = slices.Insert(b.Lines, i, s)
		case ev.Position.After(b.Lines[i].Pos):
			b.Lines[i] = s
		default:
			return changed
		}
		return true
	}}
}

// remember puts an id into a sorted list, if it is one and not there yet.
func remember(list *[]int64, id int64) bool {
	i, found := slices.BinarySearch(*list, id)
	if found || id == 0 {
		return false
	}
	*list = slices.Insert(*list, i, id)
	return true
}

package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Slice is how many products a patrol looks at together. A look takes a core for as long as its products want, and changes that
// come meanwhile wait for it: 500 are some hundreds of milliseconds.
const Slice = 500

// Scope is what one look compares: everything, what is of one store or of none, or a slice of a store. The documents of each
// are computed from a part of the rows alone.
type Scope struct {
	Store int64 // the only store, 0 for all
	Rest  bool  // what is of no store
	// First and Next bound the products of a slice: from First on, before Next. Without a bound they are 0.
	First, Next int64
	Kinds       []Kind // what is compared
	Books       bool   // the shop's own books too, see Tables.Stock
}

// Everything is the scope of all documents there are.
func Everything() Scope {
	return Scope{Kinds: Kinds()}
}

// OfStore is the scope of one store: its offers, their products, its pages, search documents and orders.
func OfStore(store int64) Scope {
	return Scope{Store: store, Kinds: []Kind{Product, Offer, Node, Home, Search, Order, Level}}
}

// OfNone is the scope of what is of no store: products that none offers, dimensions, and what is recommended.
func OfNone() Scope {
	return Scope{Rest: true, Kinds: []Kind{Dimension, Product, Together, Picks}}
}

// Slices lists scopes that make up a store's: its pages, orders and levels, and its products, size by size. The first slice of
// products has no lower bound and the last no upper one, so that whatever a document says is in one of them.
func Slices(ctx context.Context, conn *pgx.Conn, store int64, size int) ([]Scope, error) {
	rows, err := conn.Query(ctx, `select product_id from (select product_id, row_number() over (order by product_id) - 1 as n
		from offers where store_id = $1) o where n > 0 and n % $2 = 0 order by 1`, store, size)
	if err != nil {
		return nil, fmt.Errorf("list the offers of store %d: %w", store, err)
	}
	bounds, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("list the offers of store %d: %w", store, err)
	}
	scopes := []Scope{{Store: store, Kinds: []Kind{Node, Home, Order, Level}}}
	first := int64(0)
	for _, next := range append(bounds, 0) {
		scopes = append(scopes, Scope{Store: store, First: first, Next: next, Kinds: []Kind{Product, Offer, Search}, Books: true})
		first = next
	}
	return scopes, nil
}

// part is the rows of a table that meet a condition.
type part struct{ table, condition string }

// parts are the rows that the scope's documents are computed from; of a table that is not listed all are.
func (s Scope) parts() []part {
	switch {
	case s.Rest:
		return []part{
			{"stores", "false"},
			{"offers", "false"},
			{"prices", "false"},
			{"inventory", "false"},
			{"stock_movements", "false"},
			{"products", "not exists (select from public.offers o where o.product_id = products.id)"},
		}
	case s.whole():
		return nil
	}
	store := fmt.Sprintf("store_id = %d", s.Store)
	of := store
	for _, b := range s.bounds() {
		of += fmt.Sprintf(" and product_id %s %d", b.sql, b.product)
	}
	offered := "in (select product_id from public.offers where " + of + ")"
	return []part{
		{"stores", fmt.Sprintf("id = %d", s.Store)},
		{"offers", of},
		{"prices", of},
		{"inventory", of},
		{"stock_movements", of},
		{"orders", store},
		{"products", "id " + offered},
		{"reviews", "product_id " + offered},
	}
}

// whole says that nothing is left out.
func (s Scope) whole() bool { return s.Store == 0 && !s.Rest }

// bound is one of a slice's products: in SQL, and by the name that MongoDB and Elasticsearch have for it.
type bound struct {
	sql, name string
	product   int64
}

// bounds are those that the scope has.
func (s Scope) bounds() (has []bound) {
	for _, b := range []bound{{">=", "gte", s.First}, {"<", "lt", s.Next}} {
		if b.product != 0 {
			has = append(has, b)
		}
	}
	return has
}

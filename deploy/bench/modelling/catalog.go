package modelling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Condition is one of a filter: that an attribute is a value or, if Is is nil, that it is From or more and less than To.
type Condition struct {
	Code     string
	Is       any
	From, To float64
}

// pageSize is how many products a page shows of those that a filter finds.
const pageSize = 24

// Page is what a filter finds: how many, and the first of them by their numbers.
type Page struct {
	Found int64
	First []int64
}

// Count says how many products of a category have a value.
type Count struct {
	Code, Value string
	N           int64
}

// Size is what a model takes on disk, in bytes.
type Size struct{ Data, Indexes int64 }

// batch is how many products are inserted at once while a model is filled. One insert is one transaction in each model.
const batch = 500

// errNoValue says that a product has no value of the attribute that is to be changed.
var errNoValue = errors.New("the product has no such attribute")

// batches makes the products from first to last, a batch at a time.
func (g *Goods) batches(first, last int64) iter.Seq[[]Item] {
	return func(yield func([]Item) bool) {
		for at := first; at <= last; at += batch {
			items := make([]Item, 0, batch)
			for id := at; id <= min(at+batch-1, last); id++ {
				items = append(items, g.Item(id))
			}
			if !yield(items) {
				return
			}
		}
	}
}

// Added makes the newcomers, a batch at a time.
func (g *Goods) Added() iter.Seq[[]Item] { return g.batches(g.N+1, g.Total()) }

// sortCounts puts counts in an order that no server's collation has a part in.
func sortCounts(counts []Count) []Count {
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Value, b.Value))
	})
	return counts
}

// fill inserts the products that are there from the start.
func fill(ctx context.Context, g *Goods, insert func(context.Context, []Item) error) error {
	for items := range g.batches(1, g.N) {
		if err := insert(ctx, items); err != nil {
			return fmt.Errorf("insert products from %d on: %w", items[0].ID, err)
		}
	}
	return nil
}

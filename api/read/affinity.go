package read

import (
	"context"
	"time"

	"freshet/api/auth"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/recommend"
	"freshet/search"
)

// patience is how long a search waits to know its customer better. It is answered without that knowledge rather than late.
const patience = 200 * time.Millisecond

// personalise gives a query for a text the affinity of the customer who asks, or of the one whom support names. It reads
// two sets of documents by _id; a customer who wants none of it says personal=false.
func (s *Shop) personalise(ctx context.Context, r *request, q *search.Query) {
	customer := int64(0)
	switch r.who.role {
	case auth.Customer:
		customer = r.who.account
	case auth.Support:
		customer = r.query.integer("customer", 1, maxID, 0)
	}
	if wanted, given := r.query.one("personal"); given && wanted != "true" {
		if wanted != "false" {
			r.query.fail("personal", "The parameter personal must be true or false.")
		}
		return
	}
	if customer == 0 || q.Text == "" || s.cfg.Recommendations == nil || r.query.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	affinity, err := s.affinity(ctx, r.dims, q.Store, customer)
	if err != nil {
		s.cfg.Log.Warn("a search is answered without what its customer tends to buy", "error", err.Error())
		return
	}
	q.Affinity = affinity
}

// affinity is how what a customer bought divides by brands and by categories.
func (s *Shop) affinity(ctx context.Context, dims *dimension.Set, store, customer int64) (search.Affinity, error) {
	bought, err := s.cfg.Recommendations.Bought(ctx, customer)
	if err != nil || len(bought) == 0 {
		return search.Affinity{}, err
	}
	products := make([]int64, len(bought))
	for i, b := range bought {
		products[i] = b.Product
	}
	found, _, err := s.cfg.Products.Offers(ctx, store, products)
	st, _ := dims.Store(store)
	return shares(bought, found, func(category int64) bool {
		c, ok := dims.Category(category)
		return ok && c.TreeID == st.TreeID
	}), err
}

// shares counts the categories that the store has. A product stands in the trees of several stores, often in the same place
// of each: a liking would else count once for each tree.
func shares(bought []recommend.Score, found map[int64]*catalog.Product, has func(category int64) bool) search.Affinity {
	a := search.Affinity{Brands: map[int64]float64{}, Categories: map[int64]float64{}}
	total := 0.0
	for _, b := range bought {
		total += b.Score
	}
	for _, b := range bought {
		p := found[b.Product]
		if p == nil || total == 0 {
			continue
		}
		if p.Brand.ID != 0 {
			a.Brands[p.Brand.ID] += b.Score / total
		}
		for _, c := range p.Categories {
			if !c.Deleted && has(c.ID) {
				a.Categories[c.ID] += b.Score / total
			}
		}
	}
	return a
}

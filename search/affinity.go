package search

import (
	"cmp"
	"maps"
	"slices"
)

// Affinity is what a customer tends to buy: weights of brands and of categories, each as its share of all they bought.
type Affinity struct {
	Brands     map[int64]float64
	Categories map[int64]float64
}

// What an affinity is worth at most, and how many of each kind count. It settles what of equally good matches comes first;
// what matches better still wins.
const (
	worthOwnBrand    = 0.5
	worthOwnCategory = 0.3
	maxAffinities    = 5
)

// personal says whether the order is the customer's own: that of texts alone. The page of a category is the same for all.
func (p *plan) personal() bool {
	return p.q.hasText() && (p.q.Sort == "" || p.q.Sort == SortRelevance) && len(p.q.Affinity.Brands)+len(p.q.Affinity.Categories) > 0
}

// personally multiplies the score of what the customer tends to buy.
func (p *plan) personally(ranked object) object {
	if !p.personal() {
		return ranked
	}
	var functions []object
	add := func(field string, shares map[int64]float64, worth float64) {
		for _, id := range strongest(shares) {
			functions = append(functions, object{"weight": fondness(shares[id], worth), "filter": term(field, key(id))})
		}
	}
	add("brand", p.q.Affinity.Brands, worthOwnBrand)
	add("categories", p.q.Affinity.Categories, worthOwnCategory)
	return object{"function_score": object{"query": ranked, "functions": functions, "score_mode": "multiply", "boost_mode": "multiply"}}
}

// fondness is the factor of a share.
func fondness(share, worth float64) float64 { return 1 + worth*min(max(share, 0), 1) }

// strongest are the ids with the largest shares, in an order that depends on them alone.
func strongest(shares map[int64]float64) []int64 {
	ids := slices.SortedFunc(maps.Keys(shares), func(a, b int64) int {
		return cmp.Or(cmp.Compare(shares[b], shares[a]), cmp.Compare(a, b))
	})
	return ids[:min(len(ids), maxAffinities)]
}

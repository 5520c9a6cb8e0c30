package recommend

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// HalfLife is how long a purchase takes to weigh half as much beside a new one.
const HalfLife = 90 * 24 * time.Hour

// pairs counts what the baskets, which all hold the product, hold beside it.
func (t *Together) pairs(baskets []*Basket) {
	counts := map[int64]int64{}
	for _, b := range baskets {
		for _, p := range b.Products {
			if p != t.ID {
				counts[p]++
			}
		}
	}
	t.Window, t.Pairs = int64(len(baskets)), nil
	for p, n := range counts {
		t.Pairs = append(t.Pairs, Pair{Product: p, Orders: n, Support: float64(n) / float64(t.Window)})
	}
	// Cut by how often, which the baskets alone decide; ranked by lift too once the others are known.
	slices.SortFunc(t.Pairs, func(a, b Pair) int { return cmp.Or(cmp.Compare(b.Orders, a.Orders), cmp.Compare(a.Product, b.Product)) })
	t.Pairs = slices.Clone(t.Pairs[:min(MaxPairs, len(t.Pairs))])
}

// rank works out each pair's lift and sorts by how often it was bought, weighted by how much more often than by chance.
func (t *Together) rank(orders func(product int64) int64, all int64) {
	for i := range t.Pairs {
		p := &t.Pairs[i]
		p.Lift = p.Support * float64(max(all, 1)) / float64(max(orders(p.Product), p.Orders, 1))
	}
	slices.SortFunc(t.Pairs, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), cmp.Compare(a.Product, b.Product))
	})
}

func (p Pair) weight() float64 { return float64(p.Orders) * math.Log2(1+p.Lift) }

// bought weighs what a customer bought, in baskets that begin with the newest.
func (p *Picks) bought(baskets []*Basket) {
	weights := map[int64]float64{}
	for _, b := range baskets {
		age := time.Duration(baskets[0].Placed-b.Placed) * time.Microsecond
		for _, product := range b.Products {
			weights[product] += math.Exp2(-age.Hours() / HalfLife.Hours())
		}
	}
	p.Bought = best(weights, MaxBought)
}

// choose picks what is bought together with what the customer bought, and they have not. Baskets are all that is counted of
// theirs, also what no longer fits into Bought.
func (p *Picks) choose(baskets []*Basket, together func(product int64) *Together) {
	has := map[int64]bool{}
	for _, b := range baskets {
		for _, product := range b.Products {
			has[product] = true
		}
	}
	scores := map[int64]float64{}
	for _, b := range p.Bought {
		t := together(b.Product)
		if t == nil {
			continue
		}
		for _, pair := range t.Pairs {
			if !has[pair.Product] {
				scores[pair.Product] += b.Score * pair.Support * math.Log2(1+pair.Lift)
			}
		}
	}
	p.Picks = best(scores, MaxPicks)
}

// best are the highest, of equal ones those of the lower ids. Rounded, so that the last bits of a sum of floats never
// decide an order.
func best(scores map[int64]float64, limit int) []Score {
	list := make([]Score, 0, len(scores))
	for product, s := range scores {
		list = append(list, Score{Product: product, Score: math.Round(s*1e6) / 1e6})
	}
	slices.SortFunc(list, func(a, b Score) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Product, b.Product)) })
	return list[:min(limit, len(list))]
}

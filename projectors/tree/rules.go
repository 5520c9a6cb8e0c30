package tree

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"freshet/projectors/dimension"
)

// rules is what merchants want of products on a category's page; the zero rules are none.
type rules struct {
	hidden  map[int64]bool
	factors map[int64]float64 // of the rank
	pins    []pin             // in order, each product once
}

// pin puts a product at a place, which counts from 1. Ids decide between pins of one place.
type pin struct {
	product, place, id int64
}

// rulesOf sorts the rules that concern the store by category, 0 for all. A rule for a query is the search's to follow.
func rulesOf(dims dimensions, store int64) map[int64]rules {
	byCategory := map[int64]rules{}
	for _, rule := range dims.Rules() {
		if !rule.Active || rule.Query != nil || (rule.StoreID != nil && *rule.StoreID != store) {
			continue
		}
		var category int64
		if rule.CategoryID != nil {
			category = *rule.CategoryID
		}
		byCategory[category] = byCategory[category].with(rule)
	}
	return byCategory
}

func (r rules) with(rule dimension.Rule) rules {
	switch {
	case rule.Action == dimension.ActionHide:
		if r.hidden == nil {
			r.hidden = map[int64]bool{}
		}
		r.hidden[rule.ProductID] = true
	case rule.Action == dimension.ActionBoost && rule.Factor != nil:
		if r.factors == nil {
			r.factors = map[int64]float64{}
		}
		r.factors[rule.ProductID] = cmp.Or(r.factors[rule.ProductID], 1) * *rule.Factor
	case rule.Action == dimension.ActionPin && rule.Place != nil:
		r.pins = append(r.pins, pin{rule.ProductID, *rule.Place, rule.ID})
	}
	return r
}

// and joins the rules of a category with those of all categories.
func (r rules) and(all rules) rules {
	joined := rules{hidden: maps.Clone(all.hidden), factors: maps.Clone(all.factors)}
	if joined.hidden == nil {
		joined.hidden = r.hidden
	} else {
		maps.Copy(joined.hidden, r.hidden)
	}
	if joined.factors == nil {
		joined.factors = r.factors
	} else {
		for product, factor := range r.factors {
			joined.factors[product] = cmp.Or(joined.factors[product], 1) * factor
		}
	}
	pins := slices.Concat(all.pins, r.pins)
	slices.SortFunc(pins, func(a, b pin) int { return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.id, b.id)) })
	for _, p := range pins {
		if !slices.ContainsFunc(joined.pins, func(q pin) bool { return q.product == p.product }) {
			joined.pins = append(joined.pins, p)
		}
	}
	return joined
}

// equal says whether the same items are counted, ranked and pinned.
func (r rules) equal(s rules) bool {
	return maps.Equal(r.hidden, s.hidden) && maps.Equal(r.factors, s.factors) && slices.Equal(r.pins, s.pins)
}

// front lists the items whose cards the category's page shows: the best, with the pinned ones at their places. A pin holds
// while the product can be had there; one of a place beyond the end stands at the end.
func (a *Assortment) front(r *rank) []*item {
	pinned, before := a.pinned(r)
	list := make([]*item, 0, NodeCards)
	rest := r.best
	for others := 0; len(list) < NodeCards; {
		switch {
		case len(pinned) > 0 && (before[0] <= others || len(rest) == 0):
			list, pinned, before = append(list, pinned[0]), pinned[1:], before[1:]
		case len(rest) == 0:
			return list
		default:
			if it := rest[0]; !slices.Contains(pinned, it) && !slices.Contains(list, it) {
				list = append(list, it)
				others++
			}
			rest = rest[1:]
		}
	}
	return list
}

// pinned lists the items pinned to the category, and how many others stand before each.
func (a *Assortment) pinned(r *rank) (items []*item, before []int) {
	least := 0
	for _, p := range r.place.rules.pins {
		it := r.allowed(a.items[p.product])
		if it == nil || !it.visible || !it.inStock || !slices.Contains(a.above(it), r.place) {
			continue
		}
		least = max(least, int(p.place)-1-len(items))
		items, before = append(items, it), append(before, least)
	}
	return items, before
}

// millionth rounds a score, so that the last bits of a product of floats never decide an order.
func millionth(score float64) float64 { return math.Round(score*1e6) / 1e6 }

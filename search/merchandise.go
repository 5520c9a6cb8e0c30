package search

import (
	"cmp"
	"slices"

	"freshet/projectors/dimension"
)

// maxRules is how many pins, and how many boosts, one query obeys: each is a clause.
const maxRules = 100

// merchandise is what the merchant's rules want of a query.
type merchandise struct {
	pins   []dimension.Rule // by place
	hidden []string         // ids of documents
	boosts []dimension.Rule
}

// merchandiseOf finds the rules that a query is in: of which it has the store, the text and the category, as far as the
// rule names them. A text is compared by what it says, so that a rule for "scarpe" is for "scarpa" too.
func merchandiseOf(q *Query, dims *dimension.Set) merchandise {
	var m merchandise
	text, category := stems(split(q.Text), q.Lang), q.Viewed()
	for _, r := range dims.Rules() {
		if !r.Active || r.StoreID != nil && *r.StoreID != q.Store || r.CategoryID != nil && *r.CategoryID != category ||
			r.Query != nil && stems(split(*r.Query), q.Lang) != text {
			continue
		}
		switch {
		case r.Action == dimension.ActionHide:
			m.hidden = append(m.hidden, ID(q.Store, r.ProductID))
		case r.Action == dimension.ActionBoost && r.Factor != nil && *r.Factor > 0 && len(m.boosts) < maxRules:
			m.boosts = append(m.boosts, r)
		case r.Action == dimension.ActionPin && r.Place != nil && len(m.pins) < maxRules && !m.pinned(r.ProductID):
			m.pins = append(m.pins, r)
		}
	}
	slices.SortStableFunc(m.pins, func(a, b dimension.Rule) int { return cmp.Compare(*a.Place, *b.Place) })
	if !q.byMerit() {
		m.pins, m.boosts = nil, nil // who sorts by price wants it sorted by price
	}
	return m
}

func (m *merchandise) pinned(product int64) bool {
	return slices.ContainsFunc(m.pins, func(r dimension.Rule) bool { return r.ProductID == product })
}

// byMerit says whether the order is one in which a merchant has a say.
func (q *Query) byMerit() bool {
	return q.Sort == "" || q.Sort == SortRelevance || q.Sort == SortPopularity
}

// Viewed is the category whose page the query is for, 0 for none in particular.
func (q *Query) Viewed() int64 {
	if q.Category != 0 {
		return q.Category
	}
	if named := q.categories(); len(named) == 1 {
		return named[0]
	}
	return 0
}

// ranks says whether the rules change the order.
func (m *merchandise) ranks() bool { return len(m.pins)+len(m.boosts) > 0 }

// worthPin is far above what any text is worth. Its multiples up to the number of places are exact as floats of 32 bits.
const worthPin = 1 << 20

// rank puts the pins above everything, in the order of their places, and multiplies the boosted. matched is the text's
// clause; a pin that names no query is only for what the text finds anyway.
func (m *merchandise) rank(q *Query, ranked, matched object) object {
	functions := make([]object, 0, len(m.boosts))
	for _, r := range m.boosts {
		functions = append(functions, object{"weight": *r.Factor, "filter": documents(q, r.ProductID)})
	}
	if len(functions) > 0 {
		ranked = object{"function_score": object{"query": ranked, "functions": functions, "score_mode": "multiply", "boost_mode": "multiply"}}
	}
	ways := []object{ranked}
	for i, r := range m.pins {
		filters := []object{documents(q, r.ProductID)}
		if r.Query == nil {
			filters = append(filters, matched)
		}
		ways = append(ways, constant(all(filters), float64(worthPin*(len(m.pins)-i))))
	}
	return object{"dis_max": object{"queries": ways}}
}

func documents(q *Query, product int64) object {
	return object{"ids": object{"values": []string{ID(q.Store, product)}}}
}

// window is the part of the order that a page is cut from: pins come first in it, so as long as the page may have some it
// is put together from the beginning.
func (p *plan) window() (from, size int) {
	if p.placing() {
		return 0, p.q.Offset + p.q.Limit + len(p.rules.pins)
	}
	return p.q.Offset, p.q.Limit
}

// placing says whether the page may have pins to be put in their places. After the last place the server's order is the
// right one, since all pins are before it either way. Of pins for one place the next ones move on by one each.
func (p *plan) placing() bool {
	last := int64(0)
	for _, r := range p.rules.pins {
		last = max(*r.Place, last+1)
	}
	return p.q.Limit > 0 && int64(p.q.Offset) < last
}

// place puts the pins, which come first, in their places and cuts out the page.
func (p *plan) place(hits []Hit) []Hit {
	if !p.placing() {
		return hits
	}
	ordered := p.arrange(hits)
	return ordered[min(p.q.Offset, len(ordered)):min(p.q.Offset+p.q.Limit, len(ordered))]
}

// arrange moves the pins from the front to their places.
func (p *plan) arrange(hits []Hit) []Hit {
	var pins, others []Hit
	for _, h := range hits {
		if p.rules.pinned(h.Product) && len(others) == 0 {
			pins = append(pins, h)
		} else {
			others = append(others, h)
		}
	}
	ordered := make([]Hit, 0, len(hits))
	for _, r := range p.rules.pins {
		i := slices.IndexFunc(pins, func(h Hit) bool { return h.Product == r.ProductID })
		if i < 0 {
			continue // it doesn't match the filters
		}
		for int64(len(ordered)) < *r.Place-1 && len(others) > 0 {
			ordered, others = append(ordered, others[0]), others[1:]
		}
		ordered = append(ordered, pins[i])
	}
	return append(ordered, others...)
}

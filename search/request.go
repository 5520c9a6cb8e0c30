package search

import (
	"fmt"
	"time"
)

// The bounds of the price facet's ranges, in minor units: one scale for every store, so that a page needs no request of
// its own to find a better one.
var priceBounds = []float64{500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000}

// shown are the parts of a document that its card is made of.
var shown = []string{"card", "names"}

// request builds the one request of a page. Facets are counted beside the hits, whose multi-select filters therefore stand
// in post_filter: a facet with a selection is counted under all selections but its own, all others share one block.
func (p *plan) request(fuzzy bool, popularityNow float64, timeout time.Duration) object {
	from, size := p.window()
	body := object{
		"size":             size,
		"from":             from,
		"_source":          shown,
		"track_total_hits": true,
		"timeout":          milliseconds(timeout),
		"query":            p.query(fuzzy, popularityNow),
		"sort":             p.sort(),
	}
	if len(p.selections) > 0 {
		body["post_filter"] = all(p.others(""))
	}
	if aggs := p.aggregations(); len(aggs) > 0 {
		body["aggs"] = aggs
	}
	return body
}

// milliseconds writes a time as the server reads it.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

func (p *plan) query(fuzzy bool, popularityNow float64) object {
	if !p.q.hasText() {
		if p.rules.ranks() {
			return p.filtered(p.rules.rank(p.q, selling(), object{"match_all": object{}}))
		}
		return all(p.base)
	}
	text := textClause(p.q.Text, p.fields(), p.things, fuzzy)
	switch {
	case !p.byScore():
		return p.filtered(text)
	case p.rules.ranks() || p.personal():
		return p.filtered(p.rules.rank(p.q, p.personally(ranked(text, popularityNow)), text))
	}
	return ranked(p.filtered(text), popularityNow)
}

// filtered is a scored query under what every count obeys.
func (p *plan) filtered(scored object) object {
	return object{"bool": object{"filter": p.base, "must": []object{scored}}}
}

// byScore says whether the hits are ordered by their scores.
func (p *plan) byScore() bool {
	return p.rules.ranks() || p.q.hasText() && (p.q.Sort == "" || p.q.Sort == SortRelevance)
}

// selling scores as the pages of categories order, for when rules have a say in it: what can be bought, then rank.
func selling() object {
	return object{"function_score": object{
		"query": object{"match_all": object{}},
		"functions": []object{
			{"field_value_factor": object{"field": "rank", "modifier": "log1p", "missing": 0}},
			{"weight": 100, "filter": term("in_stock", true)},
		},
		"score_mode": "sum", "boost_mode": "replace",
	}}
}

// The popularities that count: binary orders of magnitude above and below one unit sold now.
const most, least = 20, 10

// ranked weighs how well a text matches by what sells, by the merchant's boost, and by whether it can be bought.
//
// Popularity is a logarithm that grows with time (forward decay), so it is measured against what a product selling now
// would have: full weight for a million units of late, none for what sold its last unit ten half-lives ago.
func ranked(matched object, popularityNow float64) object {
	selling := object{
		"query": matched,
		"functions": []object{
			{"weight": 1},
			{"weight": 1, "linear": object{"popularity": object{
				"origin": popularityNow + most, "scale": (most + least) / 2, "decay": 0.5,
			}}},
		},
		"score_mode": "sum", "boost_mode": "multiply",
	}
	return object{"function_score": object{
		"query": object{"function_score": selling},
		"functions": []object{
			{"field_value_factor": object{"field": "boost", "missing": 1}},
			{"weight": 0.5, "filter": term("in_stock", false)},
		},
		"score_mode": "multiply", "boost_mode": "multiply",
	}}
}

func (p *plan) sort() []object {
	var by []object
	switch {
	case p.byScore():
		by = []object{{"_score": "desc"}}
	case p.q.Sort == SortPriceAsc:
		by = []object{{"price": "asc"}}
	case p.q.Sort == SortPriceDesc:
		by = []object{{"price": "desc"}}
	case p.q.Sort == SortNewest:
		by = []object{{"created": "desc"}}
	default:
		by = []object{{"in_stock": "desc"}, {"rank": "desc"}}
	}
	return append(by, object{"product": "asc"})
}

// matchedName counts what the text finds before the selections of facets.
const matchedName = "matched"

func (p *plan) aggregations() object {
	aggs, shared := object{}, object{}
	for i := range p.facets {
		f := &p.facets[i]
		if !p.refined(f.code) {
			f.aggregate(aggName(i), shared)
			continue
		}
		own := object{}
		f.aggregate(aggName(i), own)
		aggs[aggName(i)] = object{"filter": all(p.others(f.code)), "aggs": own}
	}
	if len(shared) > 0 {
		aggs["shared"] = object{"filter": all(p.others("")), "aggs": shared}
	}
	if len(p.selections) > 0 && p.q.hasText() {
		aggs[matchedName] = object{"filter": all(nil)}
	}
	return aggs
}

// aggregate adds the aggregations that count the facet's values, under names that begin with its own; the pool's is shared.
func (f *facet) aggregate(name string, aggs object) {
	if f.pooled {
		aggs[poolName] = object{"terms": frequent(f.field, maxPairs)}
		return
	}
	switch f.kind {
	case KindCategory:
		buckets := object{}
		for _, c := range f.children {
			buckets[key(c.id)] = terms(f.field, c.terms)
		}
		if len(buckets) > 0 { // the server refuses none
			aggs[name+"_values"] = object{"filters": object{"filters": buckets}}
		}
	case KindPrice:
		aggs[name+"_stats"] = object{"stats": object{"field": f.field}}
		f.countRanges(name, aggs)
	case KindNumber:
		aggs[name+"_stats"] = object{"stats": object{"field": f.field}}
		switch {
		case f.single:
			f.countValues(name, aggs)
		case len(f.bounds) > 0:
			f.countRanges(name, aggs)
		}
	case KindBoolean:
		both := object{"true": term(f.field, f.prefix+"true"), "false": term(f.field, f.prefix+"false")}
		aggs[name+"_values"] = object{"filters": object{"filters": both}}
	case KindBrand, KindKeyword:
		f.countValues(name, aggs)
		if len(f.selected) > 0 { // they are shown with their counts however rare they are
			chosen := object{}
			for _, v := range f.selected {
				chosen[v] = term(f.field, f.prefix+v)
			}
			aggs[name+"_selected"] = object{"filters": object{"filters": chosen}}
		}
	}
}

func (f *facet) countValues(name string, aggs object) {
	counted := frequent(f.field, f.size)
	if f.prefix != "" {
		counted["include"] = f.prefix + ".*" // a code is of letters, digits and underscores
	}
	aggs[name+"_values"] = object{"terms": counted}
}

// frequent counts a field's values, the most frequent first.
func frequent(field string, size int) object {
	return object{"field": field, "size": size, "order": []object{{"_count": "desc"}, {"_key": "asc"}}}
}

func (f *facet) countRanges(name string, aggs object) {
	ranges := []object{{"to": f.bounds[0]}}
	for i, from := range f.bounds {
		r := object{"from": from}
		if i+1 < len(f.bounds) {
			r["to"] = f.bounds[i+1]
		}
		ranges = append(ranges, r)
	}
	aggs[name+"_ranges"] = object{"range": object{"field": f.field, "ranges": ranges}}
}

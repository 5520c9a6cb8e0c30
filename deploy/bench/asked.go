package bench

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"freshet/projectors/dimension"
	"freshet/search"
)

// asked is a page of search as Postgres and MongoDB are asked for it: the same as ours, in terms of columns.
type asked struct {
	q          *search.Query
	facets     []counted
	selections []selected // of the facets that are counted: each obeyed by all counts but its own facet's
	base       []selected // of no facet that is counted
}

// counted is a facet whose values are counted.
type counted struct {
	code, kind string
	slot       string   // of a number
	children   []string // of the category facet
}

// selected is what was chosen of a facet.
type selected struct {
	code, kind string
	values     []string
	low, high  int64
}

// The ways in which a facet is counted and chosen of.
const (
	kindTree    = "category"
	kindBrand   = "brand"
	kindPrice   = "price"
	kindStock   = "in_stock"
	kindKeyword = "keyword"
	kindNumber  = "number"
)

// priceBounds are where the ranges of the price facet end and begin. That they are ours the comparison of the counts shows.
var priceBounds = []int64{500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000}

// errNotCompared is the error of a query that has more to it than the comparison asks.
var errNotCompared = errors.New("the comparison asks no such query")

func ask(q *search.Query, dims *dimension.Set) (*asked, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	if len(q.Numbers)+len(q.Booleans)+len(q.Where)+q.Offset > 0 || q.Sort != "" {
		return nil, errNotCompared
	}
	a := &asked{q: q}
	for _, code := range q.Facets {
		f, err := countedFacet(code, q, dims)
		if err != nil {
			return nil, err
		}
		a.facets = append(a.facets, f)
	}
	for _, s := range selectionsOf(q) {
		if slices.Contains(q.Facets, s.code) {
			a.selections = append(a.selections, s)
		} else {
			a.base = append(a.base, s)
		}
	}
	return a, nil
}

func countedFacet(code string, q *search.Query, dims *dimension.Set) (counted, error) {
	switch code {
	case search.FacetCategory:
		return counted{code: code, kind: kindTree, children: childrenOf(q, dims)}, nil
	case search.FacetBrand, search.FacetPrice, search.FacetStock:
		return counted{code: code, kind: code}, nil
	}
	a, ok := dims.Attribute(code)
	switch {
	case !ok:
		return counted{}, fmt.Errorf("there is no attribute %q", code)
	case a.Kind == "number" && a.NumericSlot != nil:
		return counted{code: code, kind: kindNumber, slot: slotName(*a.NumericSlot)}, nil
	}
	return counted{code: code, kind: kindKeyword}, nil
}

// slotName is where a document has a number.
func slotName(slot int64) string { return "n" + strconv.FormatInt(slot, 10) }

// childrenOf are the categories that the facet counts.
func childrenOf(q *search.Query, dims *dimension.Set) []string {
	var parent *int64
	if q.Category != 0 {
		parent = &q.Category
	}
	store, _ := dims.Store(q.Store) // of none there are no children
	var ids []int64
	for _, c := range dims.Children(store.TreeID, parent) {
		if dims.Shown(c.ID) {
			ids = append(ids, c.ID)
		}
	}
	return texts(ids)
}

func selectionsOf(q *search.Query) []selected {
	var all []selected
	if len(q.Brands) > 0 {
		all = append(all, selected{code: search.FacetBrand, kind: kindBrand, values: texts(q.Brands)})
	}
	if q.PriceMin != nil || q.PriceMax != nil {
		s := selected{code: search.FacetPrice, kind: kindPrice, high: math.MaxInt64}
		if q.PriceMin != nil {
			s.low = *q.PriceMin
		}
		if q.PriceMax != nil {
			s.high = *q.PriceMax
		}
		all = append(all, s)
	}
	if q.InStock {
		all = append(all, selected{code: search.FacetStock, kind: kindStock})
	}
	for code, values := range q.Keywords {
		all = append(all, selected{code: code, kind: kindKeyword, values: pairsOf(code, values)})
	}
	return all
}

func texts(ids []int64) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = strconv.FormatInt(id, 10)
	}
	return all
}

// pairsOf writes values of an attribute as they are kept: all attributes in one column, so that it has one index.
func pairsOf(code string, values []string) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = code + "=" + v
	}
	return all
}

// keywordPairs are all keywords of a document.
func keywordPairs(doc *search.Document) []string {
	return append(append([]string{}, doc.Facets...), doc.Filters...)
}

// count is one line of an answer about a facet: a value and how many have it, or the bounds of its numbers. A range of prices is
// called by how many of priceBounds are not above it.
type count struct {
	value     string
	n         int64
	low, high *float64
}

// bounds is the value of the line that has a facet's bounds.
const bounds = "bounds"

// result reads the lines of each facet, in the order of the query's.
func (a *asked) result(total int64, hits []search.Hit, lines [][]count) search.Result {
	r := search.Result{Total: total, Hits: hits}
	for i, f := range a.facets {
		facet := search.Facet{Code: f.code}
		for _, line := range lines[i] {
			if line.value == bounds {
				facet.Count, facet.Min, facet.Max = line.n, line.low, line.high
				continue
			}
			if f.kind == kindPrice {
				line.value = rangeName(line.value)
			}
			facet.Values = append(facet.Values, search.Value{Value: line.value, Count: line.n})
		}
		r.Facets = append(r.Facets, facet)
	}
	return r
}

// rangeName writes the range between two bounds as our answers do.
func rangeName(place string) string {
	i, err := strconv.Atoi(place)
	if err != nil || i < 0 || i > len(priceBounds) {
		return place
	}
	name := "-"
	if i > 0 {
		name = strconv.FormatInt(priceBounds[i-1], 10) + name
	}
	if i < len(priceBounds) {
		name += strconv.FormatInt(priceBounds[i], 10)
	}
	return name
}

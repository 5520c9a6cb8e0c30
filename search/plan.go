package search

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"freshet/projectors/dimension"
)

// Kind says what the values of a facet are.
type Kind string

// The kinds of facet.
const (
	KindCategory Kind = "category" // values are category ids: the children of the query's category
	KindBrand    Kind = "brand"    // values are brand ids
	KindPrice    Kind = "price"    // ranges of minor units
	KindKeyword  Kind = "keyword"
	KindNumber   Kind = "number"  // the lowest and highest number
	KindBoolean  Kind = "boolean" // "true" and "false"
)

// facet is a facet wanted, with what is needed to count it.
type facet struct {
	code     string
	kind     Kind
	field    string
	prefix   string // of the field's values that are the facet's: those of pairs, "" where all are
	pooled   bool   // counted by the one aggregation of pairs
	unit     string
	label    string
	children []child // of KindCategory
	selected []string
	size     int       // most values
	single   bool      // of KindNumber: single values are counted too
	bounds   []float64 // of ranges
}

// child is a value of the category facet.
type child struct {
	id    int64
	terms []string // itself and all shown below it
}

// selection is a filter that belongs to a facet.
type selection struct {
	code   string
	clause object
}

// plan is a query whose names are resolved: it is all that the request is built from.
type plan struct {
	q          *Query
	things     []thing // that the text names
	rules      merchandise
	relevance  *Relevance
	base       []object    // what every count obeys
	selections []selection // of wanted facets: each obeyed by all counts but its own facet's
	facets     []facet
	banners    []dimension.Banner
}

// makePlan resolves a valid query against the dimensions.
func makePlan(q *Query, dims *dimension.Set, words *lexicon) (*plan, error) {
	store, ok := dims.Store(q.Store)
	if !ok {
		return nil, invalid("store", "there is no store %d", q.Store)
	}
	if !slices.Contains(store.Languages, q.Lang) {
		return nil, invalid("lang", "the store has %v, not %q", store.Languages, q.Lang)
	}
	p := &plan{q: q, base: []object{term("store", key(q.Store)), term("deleted", false)}, things: meaning(q.Text, store, words), relevance: defaultSettings().of(q.Lang)}
	if q.Category != 0 {
		c, ok := dims.Category(q.Category)
		if !ok || c.TreeID != store.TreeID || !dims.Shown(q.Category) {
			return nil, invalid("category", "the store has no category %d", q.Category)
		}
		p.base = append(p.base, terms("categories", keys(dims.Subtree(q.Category))))
	}
	if p.rules = merchandiseOf(q, dims); len(p.rules.hidden) > 0 {
		p.base = append(p.base, object{"bool": object{"must_not": []object{{"ids": object{"values": p.rules.hidden}}}}})
	}
	p.banners = bannersOf(q, dims, time.Now())
	conditions, err := where(q.Where, dims)
	if err != nil {
		return nil, err
	}
	p.base = append(p.base, conditions...)
	for _, code := range q.Facets {
		f, err := resolve(code, q, store, dims)
		if err != nil {
			return nil, err
		}
		f.size, f.single = cmp.Or(q.values, MaxValues), q.NumberValues
		p.facets = append(p.facets, f)
	}
	selections, err := selectionsOf(q, dims)
	if err != nil {
		return nil, err
	}
	for _, s := range selections {
		if slices.Contains(q.Facets, s.code) {
			p.selections = append(p.selections, s)
		} else {
			p.base = append(p.base, s.clause) // no count leaves it out, so the query may as well not match it
		}
	}
	p.pool()
	return p, nil
}

// resolve finds out what a wanted facet counts.
func resolve(code string, q *Query, store dimension.Store, dims *dimension.Set) (facet, error) {
	name := labels[code][q.Lang]
	switch code {
	case FacetCategory:
		return facet{code: code, kind: KindCategory, field: "categories", label: name, children: children(q, store, dims)}, nil
	case FacetBrand:
		return facet{code: code, kind: KindBrand, field: "brand", label: name, selected: keys(q.Brands)}, nil
	case FacetPrice:
		return facet{code: code, kind: KindPrice, field: "price", label: name, unit: store.Currency, bounds: priceBounds}, nil
	case FacetStock:
		f := facet{code: code, kind: KindBoolean, field: "in_stock", label: name}
		if q.InStock {
			f.selected = []string{boolean(true)}
		}
		return f, nil
	}
	if n, ok := levelOf(code); ok {
		return facet{code: code, kind: KindCategory, field: "categories", children: level(n, q, store, dims)}, nil
	}
	a, ok := dims.Attribute(code)
	if !ok || !a.Facet {
		return facet{}, invalid("facets", "%q is no facet", code)
	}
	f := facet{code: code, kind: Kind(a.Kind), field: numberField(a), label: dims.Label(code, q.Lang), bounds: a.Bounds}
	if a.Kind != kindNumber {
		f.field, f.prefix = pairField(a), pair(code, "")
	}
	if a.Unit != nil {
		f.unit = *a.Unit
	}
	f.selected = slices.Clone(q.Keywords[code])
	if b, ok := q.Booleans[code]; ok {
		f.selected = []string{boolean(b)}
	}
	return f, nil
}

func children(q *Query, store dimension.Store, dims *dimension.Set) []child {
	var parent *int64
	if q.Category != 0 {
		parent = &q.Category
	}
	var all []child
	for _, c := range dims.Children(store.TreeID, parent) {
		if dims.Shown(c.ID) {
			all = append(all, child{id: c.ID, terms: keys(dims.Subtree(c.ID))})
		}
	}
	return all
}

// selectionsOf turns everything selected into filters, in an order that depends on the query alone.
func selectionsOf(q *Query, dims *dimension.Set) ([]selection, error) {
	var all []selection
	if len(q.Brands) > 0 {
		all = append(all, selection{FacetBrand, terms("brand", keys(q.Brands))})
	}
	if q.PriceMin != nil || q.PriceMax != nil {
		all = append(all, selection{FacetPrice, between("price", q.PriceMin, q.PriceMax)})
	}
	if q.InStock {
		all = append(all, selection{FacetStock, term("in_stock", true)})
	}
	fixed := len(all)
	add := func(code, kind string, clause func(dimension.Attribute) object) error {
		a, ok := dims.Attribute(code)
		if !ok || a.Kind != kind || reserved(code) {
			return invalid(code, "there is no %s attribute %q", kind, code)
		}
		all = append(all, selection{code, clause(a)})
		return nil
	}
	for code, values := range q.Keywords {
		if err := add(code, kindKeyword, func(a dimension.Attribute) object { return carries(a, values) }); err != nil {
			return nil, err
		}
	}
	for code, b := range q.Booleans {
		if err := add(code, kindBoolean, func(a dimension.Attribute) object { return carries(a, []string{boolean(b)}) }); err != nil {
			return nil, err
		}
	}
	for code, r := range q.Numbers {
		if err := add(code, kindNumber, func(a dimension.Attribute) object { return between(numberField(a), r.Min, r.Max) }); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all[fixed:], func(a, b selection) int { return cmp.Compare(a.code, b.code) })
	return all, nil
}

func reserved(code string) bool {
	_, isLevel := levelOf(code)
	return isLevel || code == FacetCategory || code == FacetBrand || code == FacetPrice || code == FacetStock
}

func keys(ids []int64) []string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = key(id)
	}
	return s
}

func term(field string, value any) object { return object{"term": object{field: value}} }

func terms(field string, values []string) object { return object{"terms": object{field: values}} }

func between[T int64 | float64](field string, low, high *T) object {
	bounds := object{}
	if low != nil {
		bounds["gte"] = *low
	}
	if high != nil {
		bounds["lte"] = *high
	}
	return object{"range": object{field: bounds}}
}

func all(clauses []object) object {
	if len(clauses) == 0 {
		return object{"match_all": object{}}
	}
	return object{"bool": object{"filter": clauses}}
}

// others are the selections of every facet but one's own; "" leaves none out.
func (p *plan) others(code string) []object {
	var clauses []object
	for _, s := range p.selections {
		if s.code != code {
			clauses = append(clauses, s.clause)
		}
	}
	return clauses
}

func (p *plan) refined(code string) bool {
	return slices.ContainsFunc(p.selections, func(s selection) bool { return s.code == code })
}

// AllFacets lists every facet there is: the four of every store, then the registry's by code.
func AllFacets(dims *dimension.Set) []string {
	codes := []string{FacetCategory, FacetBrand, FacetPrice, FacetStock}
	for _, a := range dims.Attributes() {
		if a.Facet && !reserved(a.Code) {
			codes = append(codes, a.Code)
		}
	}
	return codes
}

// Facets lists the facets that a store's pages of a category show, in their order: those that search_facets has for it, else
// the four of every store and then the registry's by code, as many as a query may want. category is 0 for pages of none.
func Facets(dims *dimension.Set, store, category int64) []string {
	there := AllFacets(dims)
	codes := there
	if chosen := dims.Facets(store, category); chosen != nil {
		codes = nil
		for _, code := range chosen {
			if slices.Contains(there, code) && !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
	}
	return codes[:min(len(codes), MaxFacets)]
}

// aggName is the name of a facet's aggregation in the request.
func aggName(i int) string { return fmt.Sprintf("f%d", i) }

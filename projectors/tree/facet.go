package tree

import (
	"cmp"
	"encoding/json"
	"slices"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// How much of its facets a category's page shows.
const (
	NodeFacets  = 12
	FacetValues = 10
)

// maxFacetValue is the longest value that is a facet's, in bytes, as in the search index.
const maxFacetValue = 256

// facetValue is a value of an attribute; items know it by its number in the assortment.
type facetValue struct{ code, value string }

// kindNumber is the registry's kind of the attributes that have bounds in place of values.
const kindNumber = "number"

// facetKinds are the attributes that make facets: those that the registry says.
func facetKinds(attributes []dimension.Attribute) map[string]string {
	kinds := map[string]string{}
	for _, a := range attributes {
		if a.Facet && (a.Kind == "keyword" || a.Kind == "boolean" || a.Kind == kindNumber) {
			kinds[a.Code] = a.Kind
		}
	}
	return kinds
}

// facets returns the numbers of the offer's facet values, ascending, and what it measures by attribute and value, each once.
func (a *Assortment) facets(v *view.Offer) ([]uint32, []measure) {
	var numbers []uint32
	var measures []measure
	v.EachAttribute(func(code string, raw json.RawMessage) {
		if a.plan.facets[code] == kindNumber {
			for _, value := range view.OneOrMany[float64](raw) {
				measures = append(measures, measure{a.intern(code), value + 0}) // which makes 0 of -0
			}
		}
		for _, value := range view.Keywords(a.plan.facets[code], raw) {
			if value != "" && len(value) <= maxFacetValue {
				numbers = append(numbers, a.facetNumber(facetValue{code, value}))
			}
		}
	})
	slices.Sort(numbers)
	slices.SortFunc(measures, func(x, y measure) int {
		return cmp.Or(cmp.Compare(x.code, y.code), cmp.Compare(x.value, y.value))
	})
	return slices.Clip(slices.Compact(numbers)), slices.Clip(slices.Compact(measures))
}

func (a *Assortment) facetNumber(f facetValue) uint32 {
	number, known := a.numbers[f]
	if !known {
		number = uint32(len(a.values))
		a.numbers[f], a.values = number, append(a.values, f)
		a.bytes += 2*stringSize + int64(len(f.code)+len(f.value))
	}
	return number
}

// countFacets counts the values of an item that enters or leaves.
func (r *rank) countFacets(old, next *item) {
	var out, in []uint32
	if old != nil {
		out = old.facets
	}
	if next != nil {
		in = next.facets
	}
	if slices.Equal(out, in) {
		return
	}
	r.turns++
	for _, f := range out {
		if r.facets[f]--; r.facets[f] == 0 {
			delete(r.facets, f)
		}
	}
	for _, f := range in {
		r.facets[f]++
	}
}

// countMeasures counts the numbers of an item that enters or leaves.
func (r *rank) countMeasures(old, next *item) {
	var out, in []measure
	if old != nil {
		out = old.measures
	}
	if next != nil {
		in = next.measures
	}
	if slices.Equal(out, in) {
		return
	}
	r.turns++
	for _, m := range out {
		r.spans[m.code].drop(m.value)
	}
	for _, m := range in {
		if r.spans[m.code] == nil {
			r.spans[m.code] = &span{counts: map[float64]int{}}
		}
		r.spans[m.code].add(m.value)
	}
}

// summary lists the facets that most of the category's offers have, and their most frequent values or their bounds.
func (a *Assortment) summary(r *rank) []Facet {
	byCode, total := map[string][]FacetValue{}, map[string]int{}
	for number, count := range r.facets {
		f := a.values[number]
		byCode[f.code] = append(byCode[f.code], FacetValue{Value: f.value, Count: count})
		total[f.code] += count
	}
	list := make([]Facet, 0, len(byCode)+len(r.spans))
	for code, s := range r.spans {
		if s.total > 0 {
			list, total[code] = append(list, Facet{Code: code, Values: []FacetValue{}, Bounds: s.bounds()}), s.total
		}
	}
	for code, values := range byCode {
		slices.SortFunc(values, func(x, y FacetValue) int {
			return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Value, y.Value))
		})
		list = append(list, Facet{Code: code, Values: values[:min(FacetValues, len(values))]})
	}
	slices.SortFunc(list, func(x, y Facet) int {
		return cmp.Or(cmp.Compare(total[y.Code], total[x.Code]), cmp.Compare(x.Code, y.Code))
	})
	return list[:min(NodeFacets, len(list))]
}

package search

import (
	"encoding/json"
	"slices"
	"strings"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// The kinds of attribute in the registry.
const (
	kindKeyword = "keyword"
	kindNumber  = "number"
	kindBoolean = "boolean"
)

// attributes files the product's attributes and its variants' options under the fields that the registry gives them. A
// value of another type than the registry says, and a code that it does not know, stays out: it is in nobody's facets.
func (d *Document) attributes(v *view.Offer, dims *dimension.Set) {
	v.EachAttribute(func(code string, value json.RawMessage) {
		attribute, ok := dims.Attribute(code)
		if !ok {
			return
		}
		if n := attribute.NumericSlot; attribute.Kind == kindNumber && n != nil && *n >= 0 && *n < NumericSlots {
			d.addNumbers(slot(*n), view.OneOrMany[float64](value))
		}
		d.addKeywords(attribute, view.Keywords(attribute.Kind, value))
	})
	for _, pairs := range []*[]string{&d.Facets, &d.Filters} {
		slices.Sort(*pairs)
		*pairs = slices.Compact(*pairs)
	}
	for slot, values := range d.Numbers {
		slices.Sort(values)
		d.Numbers[slot] = slices.Compact(values)
	}
}

func (d *Document) addKeywords(a dimension.Attribute, values []string) {
	pairs := &d.Filters
	if a.Facet {
		pairs = &d.Facets
	}
	for _, v := range values {
		if v != "" && len(v) <= maxKeyword {
			*pairs = append(*pairs, pair(a.Code, v))
		}
	}
}

// pair writes a value of a keyword or boolean attribute as it is indexed. No code has an equals sign.
func pair(code, value string) string { return code + "=" + value }

// pairField is the field that file puts an attribute's pairs into.
func pairField(a dimension.Attribute) string {
	if a.Facet {
		return "facets"
	}
	return "filters"
}

// carries finds the documents that have one of the values of a keyword or boolean attribute.
func carries(a dimension.Attribute, values []string) object {
	pairs := make([]string, len(values))
	for i, v := range values {
		pairs[i] = pair(a.Code, v)
	}
	return terms(pairField(a), pairs)
}

// numberField is the field of a numeric attribute.
func numberField(a dimension.Attribute) string {
	if a.NumericSlot == nil { // the registry gives each one; this names no field
		return "numbers"
	}
	return "numbers." + slot(*a.NumericSlot)
}

// Keyword returns the document's values of a keyword or boolean attribute.
func (d *Document) Keyword(code string) []string {
	var values []string
	for _, p := range slices.Concat(d.Facets, d.Filters) {
		if v, ok := strings.CutPrefix(p, pair(code, "")); ok {
			values = append(values, v)
		}
	}
	return values
}

func (d *Document) addNumbers(slot string, values []float64) {
	if len(values) == 0 {
		return
	}
	if d.Numbers == nil {
		d.Numbers = make(map[string][]float64)
	}
	d.Numbers[slot] = append(d.Numbers[slot], values...)
}

// boolean writes a boolean attribute as the keyword it is indexed as.
func boolean(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

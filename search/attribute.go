package search

import (
	"encoding/json"
	"slices"

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
		d.addKeywords(code, view.Keywords(attribute.Kind, value))
	})
	for code, values := range d.Keywords {
		slices.Sort(values)
		d.Keywords[code] = slices.Compact(values)
	}
	for slot, values := range d.Numbers {
		slices.Sort(values)
		d.Numbers[slot] = slices.Compact(values)
	}
}

func (d *Document) addKeywords(code string, values []string) {
	for _, v := range values {
		if v == "" || len(v) > maxKeyword {
			continue
		}
		if d.Keywords == nil {
			d.Keywords = make(map[string][]string)
		}
		d.Keywords[code] = append(d.Keywords[code], v)
	}
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

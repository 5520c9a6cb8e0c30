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
	d.file(v.Attributes, dims)
	for i := range v.Variants {
		d.file(v.Variants[i].Options, dims)
	}
	for code, values := range d.Keywords {
		slices.Sort(values)
		d.Keywords[code] = slices.Compact(values)
	}
	for slot, values := range d.Numbers {
		slices.Sort(values)
		d.Numbers[slot] = slices.Compact(values)
	}
}

func (d *Document) file(raw json.RawMessage, dims *dimension.Set) {
	var values map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &values) != nil {
		return
	}
	for code, value := range values {
		attribute, ok := dims.Attribute(code)
		if !ok {
			continue
		}
		switch attribute.Kind {
		case kindKeyword:
			d.addKeywords(code, keywords(value))
		case kindBoolean:
			var b bool
			if json.Unmarshal(value, &b) == nil && string(value) != "null" {
				d.addKeywords(code, []string{boolean(b)})
			}
		case kindNumber:
			if n := attribute.NumericSlot; n != nil && *n >= 0 && *n < NumericSlots {
				d.addNumbers(slot(*n), numbers(value))
			}
		}
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

// keywords reads a string or a list of strings.
func keywords(raw json.RawMessage) []string { return oneOrMany[string](raw) }

// numbers reads a number or a list of numbers.
func numbers(raw json.RawMessage) []float64 { return oneOrMany[float64](raw) }

// oneOrMany reads a value or a list of values, nil if any is of another type; nulls are left out.
func oneOrMany[T any](raw json.RawMessage) []T {
	var one *T
	if json.Unmarshal(raw, &one) == nil && one != nil {
		return []T{*one}
	}
	var many []*T
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	var values []T
	for _, v := range many {
		if v != nil {
			values = append(values, *v)
		}
	}
	return values
}

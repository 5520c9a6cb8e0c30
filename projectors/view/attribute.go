package view

import "encoding/json"

// EachAttribute calls fn with every attribute of the product and every option of its variants, in no order. A code comes as
// often as it is there.
func (o *Offer) EachAttribute(fn func(code string, value json.RawMessage)) {
	each(o.Attributes, fn)
	for i := range o.Variants {
		each(o.Variants[i].Options, fn)
	}
}

func each(raw json.RawMessage, fn func(string, json.RawMessage)) {
	var values map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &values) != nil {
		return
	}
	for code, value := range values {
		fn(code, value)
	}
}

// Keywords reads an attribute's value of kind "keyword" (a string, or a list of strings) or "boolean" as what facets count.
// A value of another type has none.
func Keywords(kind string, value json.RawMessage) []string {
	switch kind {
	case "keyword":
		return OneOrMany[string](value)
	case "boolean":
		var b *bool
		if json.Unmarshal(value, &b) != nil || b == nil {
			return nil
		}
		if *b {
			return []string{"true"}
		}
		return []string{"false"}
	}
	return nil
}

// OneOrMany reads a value or a list of values, nil if any is of another type; nulls are left out.
func OneOrMany[T any](raw json.RawMessage) []T {
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

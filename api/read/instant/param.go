package instant

import (
	"encoding/json"
	"strconv"

	"freshet/api"
)

// text reads a parameter that is a text, if it is there.
func (r *Request) text(name string, into *string) error {
	raw, given := r.params[name]
	if !given || string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, into) != nil {
		return api.Errorf(api.Invalid, "%s must be a text.", name).At(name)
	}
	return nil
}

// integer reads a parameter that is a whole number, also one that is written as a text.
func (r *Request) integer(name string, low, high, otherwise int) (int, error) {
	raw, given := r.params[name]
	if !given || string(raw) == "null" {
		return otherwise, nil
	}
	written := string(raw)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		written = text
	}
	n, err := strconv.Atoi(written)
	if err != nil || n < low || n > high {
		return 0, api.Errorf(api.Invalid, "%s must be a whole number from %d to %d.", name, low, high).At(name)
	}
	return n, nil
}

// list reads a parameter that is a list of texts, one text alone or, in a query string, JSON in a text.
func (r *Request) list(name string) ([]string, error) {
	raw, given := r.params[name]
	if !given || string(raw) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		if one == "" {
			return nil, nil
		}
		return []string{one}, nil
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil, api.Errorf(api.Invalid, "%s must be a list of texts.", name).At(name)
	}
	return many, nil
}

// groups reads a parameter that is a list of texts and of lists of texts: all of the outer, any of an inner one.
func (r *Request) groups(name string) ([][]string, error) {
	raw, given := r.params[name]
	if !given || string(raw) == "null" {
		return nil, nil
	}
	if one, err := r.list(name); err == nil {
		groups := make([][]string, len(one))
		for i := range one {
			groups[i] = one[i : i+1]
		}
		return groups, nil
	}
	var outer []json.RawMessage
	if json.Unmarshal(raw, &outer) != nil {
		return nil, api.Errorf(api.Invalid, "%s must be a list.", name).At(name)
	}
	var groups [][]string
	for _, inner := range outer {
		var one string
		var several []string
		switch {
		case json.Unmarshal(inner, &one) == nil:
			groups = append(groups, []string{one})
		case json.Unmarshal(inner, &several) != nil:
			return nil, api.Errorf(api.Invalid, "%s must be a list of texts and of lists of texts.", name).At(name)
		case len(several) > 0:
			groups = append(groups, several)
		}
	}
	return groups, nil
}

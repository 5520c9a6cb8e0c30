package instant

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"freshet/api"
	"freshet/projectors/dimension"
	"freshet/search"
)

// separator stands between the names of a category's path.
const separator = " > "

// levelPrefix begins the attributes of the levels of categories.
const levelPrefix = "categories.lvl"

// code is what search calls an attribute.
func code(attribute string) string {
	if n, ok := strings.CutPrefix(attribute, levelPrefix); ok {
		if level, err := strconv.Atoi(n); err == nil {
			return search.Level(level)
		}
	}
	return attribute
}

// names resolves the names of an index's attributes and values.
type names struct {
	index
	dims *dimension.Set
}

// conditions reads facetFilters, numericFilters and filters.
func (n *names) conditions(r *Request) ([][]search.Condition, error) {
	var all [][]search.Condition
	for _, p := range []struct {
		name string
		read func(string) (search.Condition, error)
	}{{"facetFilters", n.facetFilter}, {"numericFilters", n.numericFilter}} {
		groups, err := r.groups(p.name)
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			conditions := make([]search.Condition, len(group))
			for i, text := range group {
				if conditions[i], err = p.read(text); err != nil {
					return nil, in(p.name, err)
				}
			}
			all = append(all, conditions)
		}
	}
	var filters string
	if err := r.text("filters", &filters); err != nil {
		return nil, err
	}
	parsed, err := n.parse(filters)
	if err != nil {
		return nil, in("filters", err)
	}
	if tags, err := r.groups("tagFilters"); err != nil || len(tags) > 0 {
		return nil, api.Errorf(api.Invalid, "There are no tags to filter by.").At("tagFilters")
	}
	return append(all, parsed...), nil
}

// in names the parameter whose text couldn't be read: the same conditions may stand in several.
func in(parameter string, err error) error {
	if e := new(api.Error); errors.As(err, &e) {
		return e.At(parameter)
	}
	return err
}

// facetFilter reads "brand:Lupo" and "brand:-Lupo"; "brand:\-Lupo" is a brand whose name begins with a hyphen.
func (n *names) facetFilter(text string) (search.Condition, error) {
	attribute, value, ok := strings.Cut(text, ":")
	if !ok {
		return search.Condition{}, api.Errorf(api.Invalid, "A filter of facets is attribute:value, not %q.", cut(text))
	}
	not := false
	if value, not = strings.CutPrefix(value, "-"); !not {
		value = strings.TrimPrefix(value, `\`)
	}
	c, err := n.equal(strings.TrimSpace(attribute), value)
	c.Not = not
	return c, err
}

// equal is the condition that an attribute has a value.
func (n *names) equal(attribute, value string) (search.Condition, error) {
	c := search.Condition{Facet: code(attribute), Values: []string{}}
	switch {
	case attribute == search.FacetBrand:
		for _, b := range n.dims.Brands() {
			if b.Name == value {
				c.Values = append(c.Values, strconv.FormatInt(b.ID, 10))
			}
		}
		return c, nil
	case strings.HasPrefix(attribute, levelPrefix):
		c.Values = n.category(strings.Split(value, separator))
		return c, nil
	case n.numeric(attribute):
		return n.numericFilter(attribute + "=" + value)
	}
	c.Values = []string{value}
	return c, nil
}

// category returns the ids of the store's categories with that path of names.
func (n *names) category(path []string) []string {
	ids := []string{}
	var walk func(parent *int64, rest []string)
	walk = func(parent *int64, rest []string) {
		for _, c := range n.dims.Children(n.store.TreeID, parent) {
			if !n.dims.Shown(c.ID) || n.dims.CategoryName(c.ID, n.lang) != rest[0] {
				continue
			}
			if len(rest) == 1 {
				ids = append(ids, strconv.FormatInt(c.ID, 10))
			} else {
				walk(&c.ID, rest[1:])
			}
		}
	}
	walk(nil, path)
	return ids
}

// path writes a category's path of names.
func (n *names) path(id int64) string {
	var path []string
	for _, c := range n.dims.Path(id) {
		path = append(path, n.dims.CategoryName(c.ID, n.lang))
	}
	return strings.Join(path, separator)
}

func (n *names) numeric(attribute string) bool {
	a, ok := n.dims.Attribute(attribute)
	return attribute == search.FacetPrice || ok && a.Kind == "number"
}

// operators are those of numericFilters, longer ones before those they begin with.
var operators = []string{"<=", ">=", "!=", "=", "<", ">"}

// numericFilter reads "price>=10".
func (n *names) numericFilter(text string) (search.Condition, error) {
	at := strings.IndexAny(text, "<>=!")
	if at < 0 {
		return search.Condition{}, api.Errorf(api.Invalid, "%q compares nothing.", cut(text))
	}
	attribute, rest := strings.TrimSpace(text[:at]), text[at:]
	i := slices.IndexFunc(operators, func(op string) bool { return strings.HasPrefix(rest, op) })
	if i < 0 {
		return search.Condition{}, api.Errorf(api.Invalid, "%q is no comparison of a number.", cut(text))
	}
	if !n.numeric(attribute) {
		return search.Condition{}, api.Errorf(api.Invalid, "%q can't be compared: the shop has no number attribute %q.", cut(text), cut(attribute))
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(rest[len(operators[i]):]), 64)
	if err != nil {
		return search.Condition{}, api.Errorf(api.Invalid, "%q doesn't end in a number.", cut(text))
	}
	if attribute == search.FacetPrice {
		value = minor(value, n.store.Currency)
	}
	return search.Condition{Facet: attribute, Op: operators[i], Number: value}, nil
}

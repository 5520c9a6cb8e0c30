package search

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"freshet/projectors/dimension"
)

// Limits of conditions.
const (
	MaxGroups     = 50  // groups of conditions in a query
	MaxConditions = 200 // conditions in all groups together
)

// Condition is one thing that may be so of an offer. Of Values any is enough; Op is for the numbers of price and of
// numeric attributes.
type Condition struct {
	Facet  string   // code of a facet or an attribute, or a level's: see Level
	Values []string // keywords, ids of brands and categories, "true" and "false"
	Op     string   // "=", "!=", "<", "<=", ">" or ">="; "" where there are Values
	Number float64
	Not    bool
}

// levels is how deep a tree of categories is counted by levels.
const levels = 6

// levelPrefix begins the codes of levels. The registry's codes have no capital letters, so it never has one of those.
const levelPrefix = "category_level_"

// Level is the code of the facet that counts the categories so far below the top of the tree, which is level 0. Beside
// FacetCategory, which goes down from the query's category, it shows several levels at once.
func Level(n int) string { return levelPrefix + strconv.Itoa(n) }

// levelOf reads the code of a level.
func levelOf(code string) (int, bool) {
	text, ok := strings.CutPrefix(code, levelPrefix)
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n >= 0 && n < levels && Level(n) == code
}

func (q *Query) validateWhere() error {
	n := 0
	for _, group := range q.Where {
		if n += len(group); len(group) == 0 {
			return invalid("filters", "a group without conditions")
		}
		for i := range group {
			if err := group[i].validate(); err != nil {
				return err
			}
		}
	}
	if len(q.Where) > MaxGroups || n > MaxConditions {
		return invalid("filters", "more than %d groups or %d conditions", MaxGroups, MaxConditions)
	}
	return nil
}

func (c *Condition) validate() error {
	switch {
	case !attributeCode.MatchString(c.Facet):
		return invalid("filters", "%q is no facet's code", c.Facet)
	case c.Op == "":
		if len(c.Values) > MaxConditions {
			return invalid("filters", "more than %d values of %s", MaxConditions, c.Facet)
		}
		return nil
	case !slices.Contains([]string{"=", "!=", "<", "<=", ">", ">="}, c.Op):
		return invalid("filters", "%q compares nothing", c.Op)
	case math.IsNaN(c.Number) || math.IsInf(c.Number, 0):
		return invalid("filters", "a number must be finite")
	}
	return nil
}

// where turns groups of conditions into clauses that all have to match.
func where(groups [][]Condition, dims *dimension.Set) ([]object, error) {
	clauses := make([]object, 0, len(groups))
	for _, group := range groups {
		alternatives := make([]object, len(group))
		for i := range group {
			var err error
			if alternatives[i], err = group[i].clause(dims); err != nil {
				return nil, err
			}
		}
		if len(alternatives) == 1 {
			clauses = append(clauses, alternatives[0])
		} else {
			clauses = append(clauses, object{"bool": object{"should": alternatives}})
		}
	}
	return clauses, nil
}

func (c *Condition) clause(dims *dimension.Set) (object, error) {
	clause, err := c.positive(dims)
	if err == nil && c.Not != (c.Op == "!=") {
		clause = object{"bool": object{"must_not": []object{clause}}}
	}
	return clause, err
}

func (c *Condition) positive(dims *dimension.Set) (object, error) {
	_, isLevel := levelOf(c.Facet)
	switch {
	case isLevel || c.Facet == FacetCategory:
		return terms("categories", categoriesBelow(c.Values, dims)), nil
	case c.Facet == FacetBrand:
		return terms("brand", c.Values), nil
	case c.Facet == FacetStock:
		return terms("in_stock", c.Values), nil
	case c.Facet == FacetPrice:
		return c.compare("price"), nil
	}
	a, ok := dims.Attribute(c.Facet)
	if !ok {
		return nil, invalid("filters", "there is no attribute %q", c.Facet)
	}
	if a.Kind == kindNumber {
		return c.compare(numberField(a)), nil
	}
	return carries(a, c.Values), nil
}

// compare compares a number; without an operator any of the values may be equal.
func (c *Condition) compare(field string) object {
	switch c.Op {
	case "<":
		return object{"range": object{field: object{"lt": c.Number}}}
	case "<=":
		return object{"range": object{field: object{"lte": c.Number}}}
	case ">":
		return object{"range": object{field: object{"gt": c.Number}}}
	case ">=":
		return object{"range": object{field: object{"gte": c.Number}}}
	case "=", "!=":
		return object{"range": object{field: object{"gte": c.Number, "lte": c.Number}}}
	}
	numbers := []float64{}
	for _, v := range c.Values {
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	return object{"terms": object{field: numbers}}
}

// categoriesBelow are the categories and all shown below them.
func categoriesBelow(ids []string, dims *dimension.Set) []string {
	all := []string{}
	for _, text := range ids {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			all = append(all, keys(dims.Subtree(id))...)
		}
	}
	return all
}

// maxLevel is how many categories of a level are counted.
const maxLevel = 400

// level lists the shown categories of a level of the store's tree. Where the query asks for categories, only those above
// and below them: of the others nothing, or next to nothing, is left.
func level(n int, q *Query, store dimension.Store, dims *dimension.Set) []child {
	wanted := q.categories()
	var all []child
	var walk func(parent *int64, depth int)
	walk = func(parent *int64, depth int) {
		for _, c := range dims.Children(store.TreeID, parent) {
			if !dims.Shown(c.ID) || len(all) == maxLevel {
				continue
			}
			if below := dims.Subtree(c.ID); depth < n {
				walk(&c.ID, depth+1)
			} else if related(c.ID, below, wanted, dims) {
				all = append(all, child{id: c.ID, terms: keys(below)})
			}
		}
	}
	walk(nil, 0)
	return all
}

// categories are those that the query's conditions name and don't exclude.
func (q *Query) categories() []int64 {
	var ids []int64
	for _, group := range q.Where {
		for i := range group {
			if _, isLevel := levelOf(group[i].Facet); !isLevel || group[i].Not {
				continue
			}
			for _, v := range group[i].Values {
				if id, err := strconv.ParseInt(v, 10, 64); err == nil {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}

func related(id int64, below, wanted []int64, dims *dimension.Set) bool {
	if len(wanted) == 0 {
		return true
	}
	return slices.ContainsFunc(wanted, func(w int64) bool {
		return slices.Contains(below, w) || slices.Contains(dims.Subtree(w), id)
	})
}

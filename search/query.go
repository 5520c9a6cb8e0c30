package search

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"unicode/utf8"
)

// Limits of a query. They bound what one request can cost; Validate names the one that is passed.
const (
	MaxText   = 200   // characters of text
	MaxLimit  = 100   // hits of a page
	MaxDepth  = 10000 // offset plus limit
	MaxFacets = 20    // facets wanted, and facets with a selection
	MaxValues = 50    // values selected in one facet, and values shown of one
)

// Sort is the order of the hits. Every order ends with the product's id, so that pages don't overlap.
type Sort string

// The orders. Popularity is that of the category pages: what is in stock first, then popularity times boost. Relevance
// without a text is popularity.
const (
	SortRelevance  Sort = "relevance"
	SortPriceAsc   Sort = "price_asc"
	SortPriceDesc  Sort = "price_desc"
	SortPopularity Sort = "popularity"
	SortNewest     Sort = "newest"
)

// Sorts lists the orders there are.
func Sorts() []Sort {
	return []Sort{SortRelevance, SortPriceAsc, SortPriceDesc, SortPopularity, SortNewest}
}

// The facets that are no attributes. An attribute of the same code is not offered as a facet.
const (
	FacetCategory = "category"
	FacetBrand    = "brand"
	FacetPrice    = "price"
	FacetStock    = "in_stock"
)

// Query is what a shopper asks for. Values selected within one facet are alternatives; facets all have to match.
type Query struct {
	Store      int64
	Lang       string // one of the store's languages
	Text       string // what the shopper typed, "" to browse
	Category   int64  // 0 for the whole store; a category stands for itself and all shown below it
	Brands     []int64
	Keywords   map[string][]string // keyword attributes by code
	Numbers    map[string]Range    // numeric attributes by code
	Booleans   map[string]bool     // boolean attributes by code
	PriceMin   *int64              // minor units, inclusive; nil for no bound
	PriceMax   *int64
	InStock    bool // only what can be bought
	Sort       Sort // "" for relevance
	Offset     int
	Limit      int      // 0 asks for facets and the total alone
	Facets     []string // codes of the facets wanted: the constants above and codes of attributes; nil for none
	StrictText bool     // never the second, typo-tolerant pass
	// Where are conditions that every count obeys: of each group one has to be so.
	Where [][]Condition
	// NumberValues also counts the single values of numeric attributes.
	NumberValues bool

	// Affinity is whose own order the hits of a text are to be in; the zero one is nobody's.
	Affinity Affinity `json:"-"`

	values int // of one facet, MaxValues if 0
}

// Narrowed says whether anything but the text selects.
func (q *Query) Narrowed() bool {
	return q.Category != 0 || len(q.Brands)+len(q.Keywords)+len(q.Numbers)+len(q.Booleans)+len(q.Where) > 0 ||
		q.PriceMin != nil || q.PriceMax != nil || q.InStock
}

// Range is a range of numbers, both ends inclusive; nil for no bound.
type Range struct{ Min, Max *float64 }

// Invalid is the error of a query that can't be answered as it is; Field names the part to mend.
type Invalid struct {
	Field  string
	Reason string
}

func (e *Invalid) Error() string { return fmt.Sprintf("invalid %s: %s", e.Field, e.Reason) }

func invalid(field, format string, args ...any) error {
	return &Invalid{Field: field, Reason: fmt.Sprintf(format, args...)}
}

var attributeCode = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// Validate checks everything that needs no look-up and returns the first fault as an *Invalid.
func (q *Query) Validate() error {
	switch {
	case q.Store <= 0:
		return invalid("store", "want a positive id")
	case !slices.Contains(Languages(), q.Lang):
		return invalid("lang", "%q is none of %v", q.Lang, Languages())
	case !utf8.ValidString(q.Text):
		return invalid("text", "not valid UTF-8")
	case utf8.RuneCountInString(q.Text) > MaxText:
		return invalid("text", "longer than %d characters", MaxText)
	case q.Category < 0:
		return invalid("category", "want a positive id")
	case q.Sort != "" && !slices.Contains(Sorts(), q.Sort):
		return invalid("sort", "%q is none of %v", q.Sort, Sorts())
	case q.Offset < 0:
		return invalid("offset", "want 0 or more")
	case q.Limit < 0 || q.Limit > MaxLimit:
		return invalid("limit", "want 0 to %d", MaxLimit)
	case q.Offset > MaxDepth-q.Limit:
		return invalid("offset", "offset plus limit is more than %d; a cursor goes as deep as there are hits", MaxDepth)
	}
	if err := q.validateSelections(); err != nil {
		return err
	}
	if err := q.validateWhere(); err != nil {
		return err
	}
	return q.validateFacets()
}

func (q *Query) validateSelections() error {
	if q.PriceMin != nil && *q.PriceMin < 0 || q.PriceMax != nil && *q.PriceMax < 0 {
		return invalid("price", "want 0 or more")
	}
	if q.PriceMin != nil && q.PriceMax != nil && *q.PriceMin > *q.PriceMax {
		return invalid("price", "the lower bound is above the upper one")
	}
	if len(q.Brands) > MaxValues {
		return invalid(FacetBrand, "more than %d values", MaxValues)
	}
	if n := len(q.Keywords) + len(q.Numbers) + len(q.Booleans); n > MaxFacets {
		return invalid("attributes", "more than %d attributes selected", MaxFacets)
	}
	for code, values := range q.Keywords {
		if err := validateKeyword(code, values); err != nil {
			return err
		}
	}
	for code := range q.Booleans {
		if !attributeCode.MatchString(code) {
			return invalid("attributes", "%q is no attribute's code", code)
		}
	}
	for code, r := range q.Numbers {
		if err := validateNumber(code, r); err != nil {
			return err
		}
	}
	return nil
}

func validateKeyword(code string, values []string) error {
	if !attributeCode.MatchString(code) {
		return invalid("attributes", "%q is no attribute's code", code)
	}
	if len(values) == 0 || len(values) > MaxValues {
		return invalid(code, "want 1 to %d values", MaxValues)
	}
	for _, v := range values {
		if v == "" || len(v) > maxKeyword || !utf8.ValidString(v) {
			return invalid(code, "a value must be 1 to %d bytes of UTF-8", maxKeyword)
		}
	}
	return nil
}

func validateNumber(code string, r Range) error {
	if !attributeCode.MatchString(code) {
		return invalid("attributes", "%q is no attribute's code", code)
	}
	for _, bound := range []*float64{r.Min, r.Max} {
		if bound != nil && (math.IsNaN(*bound) || math.IsInf(*bound, 0)) {
			return invalid(code, "a bound must be a finite number")
		}
	}
	if r.Min == nil && r.Max == nil {
		return invalid(code, "want a lower or an upper bound")
	}
	if r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		return invalid(code, "the lower bound is above the upper one")
	}
	return nil
}

func (q *Query) validateFacets() error {
	if len(q.Facets) > MaxFacets {
		return invalid("facets", "more than %d wanted", MaxFacets)
	}
	seen := make(map[string]bool, len(q.Facets))
	for _, code := range q.Facets {
		if !attributeCode.MatchString(code) {
			return invalid("facets", "%q is no facet's code", code)
		}
		if seen[code] {
			return invalid("facets", "%q is wanted twice", code)
		}
		seen[code] = true
	}
	return nil
}

package read

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"freshet/api"
	"freshet/api/auth"
	"freshet/projectors/dimension"
	"freshet/search"
)

const defaultLimit = 24

// ProductList is a page of products, without facets.
type ProductList struct {
	Store    StoreRef `json:"store"`
	Lang     string   `json:"lang"`
	Total    int64    `json:"total"`
	Offset   int      `json:"offset"`
	Limit    int      `json:"limit"`
	Next     string   `json:"next,omitempty"` // cursor of the walk's next page; left out on the last, and of pages by offset
	Products []Card   `json:"products"`
}

// SearchPage is a page of hits with the facets of the whole result.
type SearchPage struct {
	ProductList
	Fuzzy bool `json:"fuzzy"`
	// DidYouMean is the text that was answered where words of it were misspelt.
	DidYouMean string   `json:"did_you_mean,omitempty"`
	Partial    bool     `json:"partial"`
	Facets     []Facet  `json:"facets"`
	Banners    []Banner `json:"banners,omitempty"`
	// Explanations say of each product why it is where it is; only where support or the role data asks.
	Explanations []Explanation `json:"explanations,omitempty"`
}

// Facet is how the result divides by one property.
type Facet struct {
	Code   string   `json:"code"`
	Kind   string   `json:"kind"`
	Label  string   `json:"label,omitempty"`
	Unit   string   `json:"unit,omitempty"`
	Min    *float64 `json:"min,omitempty"`
	Max    *float64 `json:"max,omitempty"`
	Count  int64    `json:"count,omitempty"`
	Values []Value  `json:"values"`
}

// Value is one value of a facet.
type Value struct {
	Value    string   `json:"value"`
	Label    string   `json:"label,omitempty"`
	Count    int64    `json:"count"`
	Selected bool     `json:"selected"`
	From     *float64 `json:"from,omitempty"`
	To       *float64 `json:"to,omitempty"`
}

func (s *Shop) list(ctx context.Context, r *request) (response, error) {
	name, given := r.query.one("store")
	if !given {
		return response{}, api.Errorf(api.Invalid, "Name the store: ?store=<id or code>.").At("store")
	}
	st, q, err := r.listing(name)
	if err != nil {
		return response{}, err
	}
	q.Sort = search.SortPopularity
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	result, next, err := s.find(ctx, r, &q)
	if err != nil {
		return response{}, err
	}
	return response{document: productList(st, &q, &result, next), lang: q.Lang}, nil
}

func (s *Shop) search(ctx context.Context, r *request) (response, error) {
	st, q, err := r.listing(r.store)
	if err != nil {
		return response{}, err
	}
	r.selections(&q)
	if order, given := r.query.one("sort"); given {
		if q.Sort = search.Sort(order); !slices.Contains(search.Sorts(), q.Sort) {
			r.query.fail("sort", "The parameter sort must be %s.", api.List(search.Sorts()))
		}
	}
	explain := r.query.boolean("explain")
	s.personalise(ctx, r, &q)
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	if explain && r.who.role != auth.Support && r.who.role != auth.Data {
		return response{}, api.Errorf(api.Forbidden, "Explanations are for support, and for who reads data.")
	}
	q.Facets = search.Facets(r.dims, q.Store, q.Category)
	result, next, err := s.find(ctx, r, &q)
	if err != nil {
		return response{}, err
	}
	s.searched(r, &q, &result)
	page := SearchPage{
		ProductList: productList(st, &q, &result, next), Fuzzy: result.Fuzzy, DidYouMean: result.DidYouMean, Partial: result.Partial, Facets: facets(result.Facets),
		Banners: banners(result.Banners),
	}
	if explain {
		if page.Explanations, err = s.explanations(ctx, q, &result, r.dims); err != nil {
			return response{}, err
		}
	}
	return response{document: page, lang: q.Lang}, nil
}

// listing reads what every list has: store, language, category and the place in the list.
func (r *request) listing(name string) (dimension.Store, search.Query, error) {
	st, lang, err := r.front(name)
	if err != nil {
		return st, search.Query{}, err
	}
	q := search.Query{
		Store: st.ID, Lang: lang,
		Offset: int(r.query.integer("offset", 0, search.MaxDepth, 0)),
		Limit:  int(r.query.integer("limit", 0, search.MaxLimit, defaultLimit)),
	}
	if cursor, given := r.query.one("cursor"); given {
		if r.cursor = cursor; cursor == "" || q.Offset != 0 || q.Limit == 0 {
			r.query.fail("cursor", "A cursor is * or what a page said in next; with one there are hits and no offset.")
		}
	}
	r.ofCategory(st, &q)
	return st, q, nil
}

// ofCategory reads the category.
func (r *request) ofCategory(st dimension.Store, q *search.Query) {
	if name, given := r.query.one("category"); given {
		id, ok := category(r.dims, st, name)
		if c, known := r.dims.Category(id); !ok || !known || c.TreeID != st.TreeID || !r.dims.Shown(id) {
			r.query.fail("category", "The store has no category %q.", cut(name))
		}
		q.Category = id
	}
}

// selections reads the text and everything selected.
func (r *request) selections(q *search.Query) {
	q.Text, _ = r.query.one("q")
	q.PriceMin, q.PriceMax = r.query.amount("price_min"), r.query.amount("price_max")
	q.InStock = r.query.boolean("in_stock")
	r.brands(q)
	r.attributes(q)
}

func (r *request) brands(q *search.Query) {
	for _, text := range r.query.all("brand") {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id <= 0 {
			r.query.fail("brand", "The parameter brand must be a brand's id.")
		}
		q.Brands = append(q.Brands, id)
	}
}

// attributes reads attr.<code>, attr.<code>.min and attr.<code>.max, each as the registry says what the attribute is.
func (r *request) attributes(q *search.Query) {
	for _, name := range r.query.withPrefix("attr.") {
		code, bound, ranged := strings.Cut(strings.TrimPrefix(name, "attr."), ".")
		def, ok := r.dims.Attribute(code)
		switch {
		case !ok:
			r.query.fail(name, "There is no attribute %q.", cut(code))
		case def.Kind == "number" && ranged && (bound == "min" || bound == "max"):
			r.bound(q, name, code, bound)
		case def.Kind == "keyword" && !ranged:
			if q.Keywords == nil {
				q.Keywords = map[string][]string{}
			}
			q.Keywords[code] = r.query.all(name)
		case def.Kind == "boolean" && !ranged:
			if q.Booleans == nil {
				q.Booleans = map[string]bool{}
			}
			q.Booleans[code] = r.query.boolean(name)
		default:
			r.query.fail(name, "The attribute %s is a %s: numbers are selected by attr.%s.min and attr.%s.max, others by attr.%s.", code, def.Kind, code, code, code)
		}
	}
}

func (r *request) bound(q *search.Query, name, code, bound string) {
	if q.Numbers == nil {
		q.Numbers = map[string]search.Range{}
	}
	both := q.Numbers[code]
	if bound == "min" {
		both.Min = r.query.number(name)
	} else {
		both.Max = r.query.number(name)
	}
	q.Numbers[code] = both
}

func productList(st dimension.Store, q *search.Query, result *search.Result, next string) ProductList {
	list := ProductList{Store: ref(st), Lang: q.Lang, Total: result.Total, Offset: q.Offset, Limit: q.Limit, Next: next, Products: make([]Card, len(result.Hits))}
	for i, h := range result.Hits {
		list.Products[i] = Card(h.Card)
	}
	return list
}

// facets are those that say something: one that no hit has is nothing to choose from. What is selected stays, as a value.
func facets(from []search.Facet) []Facet {
	to := make([]Facet, 0, len(from))
	for _, f := range from {
		if len(f.Values) > 0 || f.Min != nil {
			to = append(to, facet(f))
		}
	}
	return to
}

func facet(f search.Facet) Facet {
	to := Facet{Code: f.Code, Kind: string(f.Kind), Label: f.Label, Unit: f.Unit, Min: f.Min, Max: f.Max, Count: f.Count, Values: make([]Value, len(f.Values))}
	for i, v := range f.Values {
		to.Values[i] = value(v)
	}
	return to
}

func value(v search.Value) Value {
	return Value{Value: v.Value, Label: v.Label, Count: v.Count, Selected: v.Selected, From: v.From, To: v.To}
}

// Banner is a picture to show above a result.
type Banner struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Image string `json:"image"`
	URL   string `json:"url"`
}

func banners(from []dimension.Banner) []Banner {
	to := make([]Banner, len(from))
	for i, b := range from {
		to[i] = Banner{ID: b.ID, Title: b.Title, Image: b.Image, URL: b.URL}
	}
	return to
}

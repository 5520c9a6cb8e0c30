package instant

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"strconv"

	"freshet/api/currency"
	"freshet/search"
)

// Answer is what the client reads of a search.
type Answer struct {
	Hits             []Hit                       `json:"hits"`
	Total            int64                       `json:"nbHits"`
	Page             int                         `json:"page"`
	Pages            int64                       `json:"nbPages"`
	HitsPerPage      int                         `json:"hitsPerPage"`
	Offset           *int                        `json:"offset,omitempty"`
	Length           *int                        `json:"length,omitempty"`
	Facets           map[string]map[string]int64 `json:"facets,omitempty"`
	Stats            map[string]Stats            `json:"facets_stats,omitempty"`
	ExhaustiveHits   bool                        `json:"exhaustiveNbHits"`
	ExhaustiveFacets bool                        `json:"exhaustiveFacetsCount"`
	Query            string                      `json:"query"`
	Params           string                      `json:"params"`
	Index            string                      `json:"index"`
	Milliseconds     int64                       `json:"processingTimeMS"`
	Content          Content                     `json:"renderingContent"`
	DidYouMean       string                      `json:"didYouMean,omitempty"` // ours: no widget reads it
}

// Hit is an offer as the widgets show it. Prices are in whole units, as the attribute price is.
type Hit struct {
	ID        string          `json:"objectID"`
	Title     string          `json:"title"`
	Name      string          `json:"name"` // the title again: examples call it so
	Slug      string          `json:"slug"`
	Brand     string          `json:"brand"`
	Image     string          `json:"image"`
	Price     float64         `json:"price"`
	ListPrice float64         `json:"list_price,omitempty"`
	Currency  string          `json:"currency"`
	InStock   bool            `json:"in_stock"`
	LowStock  bool            `json:"low_stock"`
	Highlight map[string]Mark `json:"_highlightResult"`
}

// Mark is a highlighted attribute.
type Mark struct {
	Value string   `json:"value"`
	Level string   `json:"matchLevel"`
	Whole bool     `json:"fullyHighlighted,omitempty"`
	Words []string `json:"matchedWords"`
}

// Stats are the bounds of a numeric facet.
type Stats struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// Content says which facets to show, in which order, and the banners: dynamic widgets and hits read it.
type Content struct {
	Ordering *Ordering `json:"facetOrdering,omitempty"`
	Widgets  *Widgets  `json:"widgets,omitempty"`
}

// Widgets are what hits show beside themselves.
type Widgets struct {
	Banners []Banner `json:"banners"`
}

// Banner is a picture with a link, as the widget of hits shows the first of them.
type Banner struct {
	Image BannerImage `json:"image"`
	Link  BannerLink  `json:"link"`
}

// BannerImage is where the picture is, and what it is called.
type BannerImage struct {
	URLs  []BannerLink `json:"urls"`
	Title string       `json:"title"`
}

// BannerLink is an address.
type BannerLink struct {
	URL string `json:"url"`
}

// Ordering is the order of the facets and of the values of each.
type Ordering struct {
	Facets Order            `json:"facets"`
	Values map[string]Order `json:"values"`
}

// Order lists what comes first, and how the rest is sorted.
type Order struct {
	Order []string `json:"order,omitempty"`
	Rest  string   `json:"sortRemainingBy,omitempty"`
}

// FacetAnswer is what the client reads of a search among the values of a facet.
type FacetAnswer struct {
	Hits         []FacetHit `json:"facetHits"`
	Exhaustive   bool       `json:"exhaustiveFacetsCount"`
	Milliseconds int64      `json:"processingTimeMS"`
}

// FacetHit is a value found.
type FacetHit struct {
	Value       string `json:"value"`
	Highlighted string `json:"highlighted"`
	Count       int64  `json:"count"`
}

// Answer writes a result as the client wants it.
func (q *Query) Answer(r *search.Result) Answer {
	a := Answer{
		Hits: make([]Hit, len(r.Hits)), Total: r.Total, Page: q.page, HitsPerPage: q.Query.Limit, ExhaustiveHits: !r.Partial,
		ExhaustiveFacets: !r.Partial, Query: q.Text, Index: q.request.Index, Milliseconds: r.Took.Milliseconds(), DidYouMean: r.DidYouMean,
		Params: cmp.Or(q.request.rawQueries, url.Values{"query": {q.Text}}.Encode()),
		Facets: make(map[string]map[string]int64), Stats: make(map[string]Stats),
	}
	if n := int64(q.Query.Limit); n > 0 {
		a.Pages = (min(r.Total, search.MaxDepth) + n - 1) / n
	}
	if _, given := q.request.params["length"]; given {
		a.Offset, a.Length = &q.Offset, &q.Query.Limit
	}
	for i := range r.Hits {
		a.Hits[i] = q.hit(&r.Hits[i])
	}
	shown := make([]string, 0, len(r.Facets))
	for i := range r.Facets {
		if q.facet(&a, q.facets[i], &r.Facets[i]) {
			shown = append(shown, q.facets[i])
		}
	}
	if len(r.Banners) > 0 {
		a.Content.Widgets = &Widgets{}
		for _, b := range r.Banners {
			a.Content.Widgets.Banners = append(a.Content.Widgets.Banners, Banner{
				Image: BannerImage{URLs: []BannerLink{{b.Image}}, Title: b.Title}, Link: BannerLink{b.URL},
			})
		}
	}
	if q.names.dims.Facets(q.Store, q.Viewed()) != nil { // a merchant's order comes before the page's
		order := q.names.all(q.Viewed())
		slices.SortStableFunc(shown, func(a, b string) int { return cmp.Compare(place(order, a), place(order, b)) })
	}
	if len(shown) > 0 {
		a.Content.Ordering = &Ordering{Facets: Order{Order: shown}, Values: make(map[string]Order)}
		for _, attribute := range shown {
			a.Content.Ordering.Values[attribute] = Order{Rest: "count"}
		}
	}
	return a
}

// place is where a list has an attribute; behind all others if it hasn't.
func place(list []string, attribute string) int {
	if i := slices.Index(list, attribute); i >= 0 {
		return i
	}
	return len(list)
}

func (q *Query) hit(h *search.Hit) Hit {
	hit := Hit{
		ID: strconv.FormatInt(h.Product, 10), Title: h.Title, Name: h.Title, Slug: h.Slug, Brand: h.Brand, Image: h.Image,
		Price: major(float64(h.Price), q.names.store.Currency), ListPrice: major(float64(h.ListPrice), q.names.store.Currency),
		Currency: q.names.store.Currency, InStock: h.InStock, LowStock: h.LowStock,
	}
	title := q.mark(h.Title)
	hit.Highlight = map[string]Mark{"title": title, "name": title, "brand": q.mark(h.Brand)}
	return hit
}

func (q *Query) mark(text string) Mark {
	h := search.Highlight(text, q.Text, q.Lang, q.pre, q.post)
	m := Mark{Value: h.Value, Level: "none", Whole: h.Whole, Words: h.Words}
	switch {
	case h.Words == nil:
		m.Words = []string{}
	case len(h.Words) == search.CountWords(q.Text):
		m.Level = "full"
	default:
		m.Level = "partial"
	}
	return m
}

// facet adds a facet's values to the answer and says whether there are any.
func (q *Query) facet(a *Answer, attribute string, f *search.Facet) bool {
	values := make(map[string]int64)
	for _, v := range f.Values {
		if f.Kind == search.KindPrice || len(values) == q.most {
			break // the ranges of prices are for pages of our own
		}
		if name := q.value(f.Kind, &v); name != "" && v.Count > 0 {
			values[name] += v.Count
		}
	}
	a.Facets[attribute] = values
	if f.Min == nil || f.Max == nil {
		return len(values) > 0
	}
	s := Stats{Min: *f.Min, Max: *f.Max}
	if f.Kind == search.KindPrice {
		s = Stats{Min: major(s.Min, q.names.store.Currency), Max: major(s.Max, q.names.store.Currency)}
	}
	a.Stats[attribute] = s
	return true
}

// value is what the client calls a value.
func (q *Query) value(kind search.Kind, v *search.Value) string {
	switch kind {
	case search.KindCategory:
		if id, err := strconv.ParseInt(v.Value, 10, 64); err == nil {
			return q.names.path(id)
		}
	case search.KindBrand:
		return v.Label
	}
	return v.Value
}

// FacetAnswer writes found values as the client wants them.
func (q *Query) FacetAnswer(values []search.Value, kind search.Kind) FacetAnswer {
	a := FacetAnswer{Hits: make([]FacetHit, len(values)), Exhaustive: true}
	for i := range values {
		name := q.value(kind, &values[i])
		a.Hits[i] = FacetHit{Value: name, Highlighted: search.Highlight(name, q.FacetText, q.Lang, q.pre, q.post).Value, Count: values[i].Count}
	}
	return a
}

// FacetKind is the code and the kind of the facet whose values are searched.
func (q *Query) FacetKind() (string, search.Kind) {
	c := code(q.Facet)
	if c == search.FacetBrand {
		return c, search.KindBrand
	}
	if c != q.Facet {
		return c, search.KindCategory
	}
	return c, search.KindKeyword
}

// major and minor turn an amount from minor units into whole ones and back.
func major(amount float64, code string) float64 {
	return amount / math.Pow10(currency.Digits(code))
}

func minor(amount float64, code string) float64 {
	return math.Round(amount*math.Pow10(currency.Digits(code))*1e3) / 1e3
}

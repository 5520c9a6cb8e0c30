package read

import (
	"context"
	"strconv"

	"freshet/api"
	"freshet/projectors/dimension"
	"freshet/projectors/tree"
)

// Stores is the answer of GET /stores.
type Stores struct {
	Stores []Store `json:"stores"`
}

// Store is an open store.
type Store struct {
	ID        int64    `json:"id"`
	Code      string   `json:"code"`
	Name      string   `json:"name"`
	Market    string   `json:"market"`
	Currency  string   `json:"currency"`
	Languages []string `json:"languages"`
	Home      string   `json:"home"`
}

// StoreRef is what every page says of its store.
type StoreRef struct {
	ID       int64  `json:"id"`
	Code     string `json:"code"`
	Name     string `json:"name"`
	Currency string `json:"currency"`
}

// Card is what a list shows of an offer; amounts are minor units of the store's currency.
type Card struct {
	Product   int64   `json:"product"`
	Title     string  `json:"title"`
	Slug      string  `json:"slug"`
	Price     int64   `json:"price"`
	ListPrice int64   `json:"list_price"`
	Image     string  `json:"image"`
	Brand     string  `json:"brand"`
	InStock   bool    `json:"in_stock"`
	LowStock  bool    `json:"low_stock"`
	Rating    float64 `json:"rating"`
	Reviews   int64   `json:"reviews"`
}

// Home is a store's home page, or a part of it.
type Home struct {
	Store      StoreRef  `json:"store"`
	Lang       string    `json:"lang"`
	Categories []Section `json:"categories"`
	Next       string    `json:"next,omitempty"` // where the categories go on
}

// Section is a category on a home page.
type Section struct {
	ID    int64  `json:"id"`
	Slug  string `json:"slug"`
	Name  string `json:"name"`
	Count int    `json:"count"`
	Cards []Card `json:"cards"`
}

// CategoryPage is the page of a category in a store.
type CategoryPage struct {
	Store       StoreRef `json:"store"`
	Lang        string   `json:"lang"`
	ID          int64    `json:"id"`
	Slug        string   `json:"slug"`
	Name        string   `json:"name"`
	Breadcrumbs []Crumb  `json:"breadcrumbs"`
	Children    []Child  `json:"children"`
	Count       int      `json:"count"`
	Cards       []Card   `json:"cards"`
	Facets      []Count  `json:"facets"`
	Next        string   `json:"next,omitempty"` // where the lists go on
}

// CategoryPart is a part of a category's page behind the first: where its lists go on.
type CategoryPart struct {
	Store    StoreRef `json:"store"`
	Lang     string   `json:"lang"`
	ID       int64    `json:"id"`
	Children []Child  `json:"children"`
	Cards    []Card   `json:"cards"`
	Facets   []Count  `json:"facets"`
	Next     string   `json:"next,omitempty"`
}

// Count says how often the values of an attribute occur in a category; of a number, within which bounds they are.
type Count struct {
	Code   string       `json:"code"`
	Label  string       `json:"label"`
	Unit   string       `json:"unit,omitempty"`
	Values []ValueCount `json:"values"`
	Min    *float64     `json:"min,omitempty"`
	Max    *float64     `json:"max,omitempty"`
}

// ValueCount is a value and how many offers have it.
type ValueCount struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Crumb is a category on the way from the root.
type Crumb struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// Child is a category right below.
type Child struct {
	ID    int64  `json:"id"`
	Slug  string `json:"slug"`
	Name  string `json:"name"`
	Count int    `json:"count"`
}

func (s *Shop) stores(_ context.Context, r *request) (response, error) {
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	answer := Stores{Stores: []Store{}}
	for _, st := range r.dims.Stores() {
		if st.Active {
			answer.Stores = append(answer.Stores, Store{
				ID: st.ID, Code: st.Code, Name: st.Name, Market: st.Market, Currency: st.Currency, Languages: st.Languages,
				Home: "/api/v1/stores/" + st.Code + "/home",
			})
		}
	}
	return response{document: answer}, nil
}

func (s *Shop) home(ctx context.Context, r *request) (response, error) {
	st, lang, err := r.front(r.store)
	if err != nil {
		return response{}, err
	}
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	part, err := r.number()
	if err != nil {
		return response{}, err
	}
	h, err := s.cfg.Pages.Home(ctx, st.ID, lang, part)
	if err != nil {
		return response{}, err
	}
	page := Home{Store: ref(st), Lang: lang, Categories: make([]Section, len(h.Categories)), Next: following("/api/v1/stores/"+st.Code+"/home", lang, h.Next)}
	for i, c := range h.Categories {
		page.Categories[i] = Section{ID: c.ID, Slug: c.Slug, Name: c.Name, Count: c.Count, Cards: cards(c.Cards)}
	}
	return response{document: page, lang: lang}, nil
}

func (s *Shop) category(ctx context.Context, r *request) (response, error) {
	st, n, err := s.node(ctx, r)
	if err != nil {
		return response{}, err
	}
	page := CategoryPage{
		Store: ref(st), Lang: n.Lang, ID: n.Category, Slug: n.Slug, Name: n.Name, Count: n.Count, Cards: cards(n.Cards),
		Breadcrumbs: make([]Crumb, len(n.Breadcrumbs)), Children: children(n.Children),
		Facets: counts(n.Facets, n.Lang, r.dims), Next: nextOf(st, n),
	}
	for i, c := range n.Breadcrumbs {
		page.Breadcrumbs[i] = Crumb(c)
	}
	return response{document: page, lang: n.Lang}, nil
}

func (s *Shop) categoryPart(ctx context.Context, r *request) (response, error) {
	st, n, err := s.node(ctx, r)
	if err != nil {
		return response{}, err
	}
	return response{lang: n.Lang, document: CategoryPart{
		Store: ref(st), Lang: n.Lang, ID: n.Category, Children: children(n.Children), Cards: cards(n.Cards),
		Facets: counts(n.Facets, n.Lang, r.dims), Next: nextOf(st, n),
	}}, nil
}

// node reads the part of a category's page that the path names.
func (s *Shop) node(ctx context.Context, r *request) (dimension.Store, tree.Node, error) {
	st, lang, err := r.front(r.store)
	if err != nil {
		return st, tree.Node{}, err
	}
	if err := r.query.end(); err != nil {
		return st, tree.Node{}, err
	}
	part, err := r.number()
	if err != nil {
		return st, tree.Node{}, err
	}
	id, ok := category(r.dims, st, r.item)
	if !ok {
		return st, tree.Node{}, api.Errorf(api.NotFound, "The store has no category %q.", cut(r.item))
	}
	n, err := s.cfg.Pages.Node(ctx, st.ID, id, lang, part)
	n.Lang = lang
	return st, n, err
}

// number is the part that the path names, which is behind the first, or the first.
func (r *request) number() (int, error) {
	if r.part == "" {
		return 1, nil
	}
	part, err := strconv.Atoi(r.part)
	if err != nil || part < 2 {
		return 0, api.Errorf(api.NotFound, "There is no part %q: the first is the page itself, and each names the next.", cut(r.part))
	}
	return part, nil
}

// following is where a page goes on, in the same language; "" behind its last part.
func following(page, lang string, next int) string {
	if next == 0 {
		return ""
	}
	return page + "/parts/" + strconv.Itoa(next) + "?lang=" + lang
}

func nextOf(st dimension.Store, n tree.Node) string {
	return following("/api/v1/stores/"+st.Code+"/categories/"+strconv.FormatInt(n.Category, 10), n.Lang, n.Next)
}

func children(from []tree.Child) []Child {
	to := make([]Child, len(from))
	for i, c := range from {
		to[i] = Child(c)
	}
	return to
}

// counts labels the facets in the language. An attribute that the registry no longer has is gone with the next version of the
// page, and left out until then.
func counts(facets []tree.Facet, lang string, dims *dimension.Set) []Count {
	list := make([]Count, 0, len(facets))
	for _, f := range facets {
		def, ok := dims.Attribute(f.Code)
		if !ok {
			continue
		}
		c := Count{Code: f.Code, Label: label(def, lang), Values: make([]ValueCount, len(f.Values))}
		for i, v := range f.Values {
			c.Values[i] = ValueCount(v)
		}
		if len(f.Bounds) == 2 {
			c.Min, c.Max = &f.Bounds[0], &f.Bounds[1]
		}
		if def.Unit != nil {
			c.Unit = *def.Unit
		}
		list = append(list, c)
	}
	return list
}

// front finds the open store of that name and chooses the language.
func (r *request) front(name string) (dimension.Store, string, error) {
	st, ok := r.dims.StoreNamed(name)
	if !ok || !st.Active || len(st.Languages) == 0 {
		return dimension.Store{}, "", api.Errorf(api.NotFound, "There is no store %q.", cut(name))
	}
	lang, given := r.query.one("lang")
	lang, err := choose(st.Languages, lang, given, r.accept)
	return st, lang, err
}

// category finds a category of the store's tree by id or slug. An id that the dimensions don't have yet may have a page.
func category(dims *dimension.Set, st dimension.Store, name string) (int64, bool) {
	id, err := strconv.ParseInt(name, 10, 64)
	if err == nil {
		if c, ok := dims.Category(id); ok && c.TreeID == st.TreeID {
			return id, true
		}
	}
	if c, ok := dims.CategoryBySlug(st.TreeID, name); ok {
		return c.ID, true
	}
	return id, err == nil && id > 0
}

func ref(st dimension.Store) StoreRef {
	return StoreRef{ID: st.ID, Code: st.Code, Name: st.Name, Currency: st.Currency}
}

func cards(from []tree.Card) []Card {
	to := make([]Card, len(from))
	for i, c := range from {
		to[i] = Card(c)
	}
	return to
}

// cut shortens what a client sent before it is repeated to them.
func cut(s string) string {
	if len(s) <= 64 {
		return s
	}
	return s[:64] + "…"
}

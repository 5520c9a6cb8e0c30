package read

import (
	"context"
	"strconv"

	"freshet/api"
	"freshet/projectors/dimension"
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

// Crumb is a category on the way from the root.
type Crumb struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
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

// front finds the open store of that name and chooses the language.
func (r *request) front(name string) (dimension.Store, string, error) {
	st, ok := r.dims.StoreNamed(name)
	if !ok || !st.Active || len(st.Languages) == 0 {
		return dimension.Store{}, "", api.Errorf(api.NotFound, "There is no store %q.", cut(name))
	}
	lang, given := r.query.one("lang")
	lang, err := r.matchers.choose(st.Languages, lang, given, r.accept)
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

// cut shortens what a client sent before it is repeated to them.
func cut(s string) string {
	if len(s) <= 64 {
		return s
	}
	return s[:64] + "…"
}

package read

import (
	"context"

	"freshet/api"
	"freshet/search"
)

// Suggestions are what somebody who is typing may be after.
type Suggestions struct {
	Store      StoreRef     `json:"store"`
	Lang       string       `json:"lang"`
	Fuzzy      bool         `json:"fuzzy"`
	Products   []Card       `json:"products"`
	Categories []Suggestion `json:"categories"`
	Brands     []Suggestion `json:"brands"`
	Queries    []string     `json:"queries"` // popular texts that begin so
}

// Suggestion is a category or a brand with offers in the store.
type Suggestion struct {
	ID    int64  `json:"id"`
	Slug  string `json:"slug"`
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

const defaultSuggested = 6

func (s *Shop) suggest(ctx context.Context, r *request) (response, error) {
	st, lang, err := r.front(r.store)
	if err != nil {
		return response{}, err
	}
	text, given := r.query.one("q")
	if !given {
		return response{}, api.Errorf(api.Invalid, "Say what was typed: ?q=<text>.").At("q")
	}
	limit := int(r.query.integer("limit", 1, search.MaxSuggested, defaultSuggested))
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	found, err := s.cfg.Searcher.Suggest(ctx, st.ID, lang, text, limit, r.dims)
	if err != nil {
		return response{}, err
	}
	page := Suggestions{
		Store: ref(st), Lang: lang, Fuzzy: found.Fuzzy, Products: make([]Card, len(found.Products)),
		Categories: make([]Suggestion, len(found.Categories)), Brands: make([]Suggestion, len(found.Brands)),
		Queries: s.queries(ctx, st.ID, lang, text, limit),
	}
	for i, h := range found.Products {
		page.Products[i] = Card(h.Card)
	}
	for i, c := range found.Categories {
		category, _ := r.dims.Category(c.ID) // it was found in these dimensions
		page.Categories[i] = Suggestion{ID: c.ID, Slug: category.Slug, Name: c.Name, Count: c.Count}
	}
	for i, b := range found.Brands {
		brand, _ := r.dims.Brand(b.ID)
		page.Brands[i] = Suggestion{ID: b.ID, Slug: brand.Slug, Name: b.Name, Count: b.Count}
	}
	return response{document: page, lang: lang}, nil
}

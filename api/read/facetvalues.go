package read

import (
	"context"

	"freshet/search"
)

// FacetValues are the values of a facet that a text begins, the most frequent first.
type FacetValues struct {
	Store  StoreRef `json:"store"`
	Lang   string   `json:"lang"`
	Facet  string   `json:"facet"`
	Values []Value  `json:"values"`
}

// facetValues searches among the values of a facet under everything selected but its own.
func (s *Shop) facetValues(ctx context.Context, r *request) (response, error) {
	st, lang, err := r.front(r.store)
	if err != nil {
		return response{}, err
	}
	q := search.Query{Store: st.ID, Lang: lang}
	r.ofCategory(st, &q)
	r.selections(&q)
	text, _ := r.query.one("value")
	limit := int(r.query.integer("limit", 1, search.MaxFacetHits, 10))
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	values, err := s.cfg.Searcher.FacetValues(ctx, q, r.facet, text, limit, r.dims)
	if err != nil {
		return response{}, err
	}
	page := FacetValues{Store: ref(st), Lang: lang, Facet: r.facet, Values: make([]Value, len(values))}
	for i, v := range values {
		page.Values[i] = value(v)
	}
	return response{document: page, lang: lang}, nil
}

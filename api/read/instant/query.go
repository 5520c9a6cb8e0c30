package instant

import (
	"slices"
	"strings"

	"freshet/api"
	"freshet/projectors/dimension"
	"freshet/search"
)

// Query is a request made ready: what to ask, and what its answer needs to know.
type Query struct {
	search.Query
	Facet     string // of a search among its values
	FacetText string
	Limit     int // of values found
	names     names
	request   *Request
	page      int
	facets    []string // attributes wanted, as the client calls them
	pre, post string   // marks of highlights
	most      int      // values of one facet
}

// The defaults are those the clients document.
const (
	defaultHits      = 20
	defaultFacetHits = 10
	maxMark          = 100
)

// Prepare resolves a request against the dimensions.
func (r *Request) Prepare(dims *dimension.Set) (Query, error) {
	x, err := indexOf(r.Index, dims)
	if err != nil {
		return Query{}, err
	}
	q := Query{names: names{index: x, dims: dims}, request: r, Facet: r.Facet, pre: "<em>", post: "</em>"}
	q.Store, q.Lang, q.Sort, q.NumberValues = x.store.ID, x.lang, x.sort, true
	if q.Where, err = q.names.conditions(r); err != nil {
		return q, err
	}
	for name, into := range map[string]*string{
		"query": &q.Text, "highlightPreTag": &q.pre, "highlightPostTag": &q.post, "facetQuery": &q.FacetText,
	} {
		if err := r.text(name, into); err != nil {
			return q, err
		}
	}
	if len(q.pre) > maxMark || len(q.post) > maxMark || len(q.FacetText) > search.MaxText {
		return q, api.Errorf(api.Invalid, "A tag of highlights may have %d bytes, a text among facets %d.", maxMark, search.MaxText)
	}
	if r.Facet != "" {
		q.Limit, err = r.integer("maxFacetHits", 1, search.MaxFacetHits, defaultFacetHits)
		return q, err
	}
	if err := q.paging(r); err != nil {
		return q, err
	}
	return q, q.wanted(r)
}

// paging reads page and hitsPerPage, or offset and length.
func (q *Query) paging(r *Request) error {
	hits, err := r.integer("hitsPerPage", 0, search.MaxLimit, defaultHits)
	if err != nil {
		return err
	}
	if q.page, err = r.integer("page", 0, search.MaxDepth, 0); err != nil {
		return err
	}
	q.Query.Limit, q.Offset = hits, q.page*hits
	if _, given := r.params["length"]; given {
		if q.Query.Limit, err = r.integer("length", 0, search.MaxLimit, defaultHits); err != nil {
			return err
		}
		q.Offset, err = r.integer("offset", 0, search.MaxDepth, 0)
	}
	return err
}

// wanted reads the facets. One that the registry doesn't have is left out and not refused: the clients ask for what a
// page's author wrote, and a widget without values shows nothing.
func (q *Query) wanted(r *Request) error {
	var err error
	if q.most, err = r.integer("maxValuesPerFacet", 1, 1000, 100); err != nil {
		return err
	}
	attributes, err := r.list("facets")
	if err != nil {
		return err
	}
	if slices.Contains(attributes, "*") {
		attributes = q.names.all(q.Viewed())
	}
	for _, a := range attributes {
		c := code(strings.TrimSuffix(strings.TrimPrefix(a, "searchable("), ")"))
		if !q.names.has(c) || slices.Contains(q.Facets, c) || len(q.Facets) == search.MaxFacets {
			continue
		}
		q.facets, q.Facets = append(q.facets, a), append(q.Facets, c)
	}
	return nil
}

// all lists the attributes that the pages of a category show facets of, in their order; of categories the upper levels.
func (n *names) all(category int64) []string {
	var all []string
	for _, c := range search.Facets(n.dims, n.store.ID, category) {
		if c == search.FacetCategory {
			all = append(all, levelPrefix+"0", levelPrefix+"1", levelPrefix+"2")
		} else {
			all = append(all, c)
		}
	}
	return all
}

func (n *names) has(facet string) bool {
	for level := range 6 {
		if facet == search.Level(level) {
			return true
		}
	}
	return facet != search.FacetCategory && slices.Contains(search.AllFacets(n.dims), facet)
}

package search

import (
	"encoding/json"
	"fmt"
	"testing"

	"freshet/projectors/view"
)

// narrowAndWide are a searcher that counts pairs in a pool, and one that knows store 7 to have too many.
func narrowAndWide(c *Client, prefix string) [2]*Searcher {
	narrow, wide := NewSearcher(c, SearcherConfig{Prefix: prefix}), NewSearcher(c, SearcherConfig{Prefix: prefix})
	wide.wide.stores.Store(int64(7), true)
	return [2]*Searcher{narrow, wide}
}

// TestWideStore has more values than a pool takes, so that the rare ones of the second facet are not in it.
func TestWideStore(t *testing.T) {
	client, prefix, requests := counted(t)
	var views []*view.Offer
	for i := range int64(maxPairs + 1) {
		attributes := map[string]string{"colour": fmt.Sprintf("c%04d", i)}
		if i < 3 {
			attributes["size"] = fmt.Sprintf("s%d", i)
		}
		raw, err := json.Marshal(attributes)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, offerView(i+1, 1, "Pane", func(v *view.Offer) { v.Attributes = raw }))
	}
	index(t, client, prefix, shop(1), views...)
	q := query(func(q *Query) { q.Facets, q.Limit = []string{"colour", "size"}, 1 })
	ask := map[string]func(s *Searcher) (Result, error){
		"Search": func(s *Searcher) (Result, error) { return s.Search(t.Context(), q, shop(1)) },
		"SearchAll": func(s *Searcher) (Result, error) {
			all, err := s.SearchAll(t.Context(), []Query{q}, shop(1))
			if err != nil {
				return Result{}, err
			}
			return all[0], nil
		},
		"Page": func(s *Searcher) (Result, error) {
			r, _, err := s.Page(t.Context(), q, nil, shop(1))
			return r, err
		},
	}
	for name, ask := range ask {
		s := NewSearcher(client, SearcherConfig{Prefix: prefix})
		for n, most := range []int{3, 2} { // asked twice, or three times with the opening of a walk; then once less
			*requests = nil
			r, err := ask(s)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if c, z := r.Facets[0].Values, r.Facets[1].Values; len(c) != MaxValues || c[0].Value != "c0000" || len(z) != 3 || z[2].Value != "s2" || z[2].Count != 1 {
				t.Errorf("%s: colours %v, sizes %v", name, c, z)
			}
			if len(*requests) > most {
				t.Errorf("%s, time %d: %d requests: %v", name, n+1, len(*requests), *requests)
			}
		}
	}
}

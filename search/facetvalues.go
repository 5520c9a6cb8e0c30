package search

import (
	"context"
	"maps"
	"slices"
	"strings"

	"freshet/projectors/dimension"
)

// Limits of a search among a facet's values.
const (
	MaxFacetHits = 100  // values found
	maxLooked    = 1000 // values looked through, the most frequent ones
)

// FacetValues finds the values of a facet that have a word beginning with each word of a text, with their counts under the
// query without what is selected of the facet itself, the most frequent first. Of a facet with more values the thousand most
// frequent are looked through.
func (s *Searcher) FacetValues(ctx context.Context, q Query, code, text string, limit int, dims *dimension.Set) ([]Value, error) {
	if limit < 1 || limit > MaxFacetHits {
		return nil, invalid("limit", "want 1 to %d", MaxFacetHits)
	}
	if code == FacetPrice {
		return nil, invalid("facet", "prices have no values to search")
	}
	q.Limit, q.Offset, q.Facets, q.values = 0, 0, []string{code}, maxLooked
	q.deselect(code)
	results, err := s.SearchAll(ctx, []Query{q}, dims)
	if err != nil {
		return nil, err
	}
	wanted := wordsOf(fold(text))
	values := slices.DeleteFunc(results[0].Facets[0].Values, func(v Value) bool {
		name := v.Label
		if name == "" {
			name = v.Value
		}
		return v.Count == 0 || v.From != nil || v.To != nil || !begins(wordsOf(fold(name)), wanted)
	})
	slices.SortStableFunc(values, func(a, b Value) int { return int(b.Count - a.Count) })
	return values[:min(limit, len(values))], nil
}

// deselect takes out what is selected of a facet.
func (q *Query) deselect(code string) {
	switch code {
	case FacetBrand:
		q.Brands = nil
	case FacetStock:
		q.InStock = false
	default:
		q.Keywords, q.Numbers, q.Booleans = maps.Clone(q.Keywords), maps.Clone(q.Numbers), maps.Clone(q.Booleans)
		delete(q.Keywords, code)
		delete(q.Numbers, code)
		delete(q.Booleans, code)
	}
}

// begins says whether each of the wanted words is the beginning of one of the words.
func begins(words, wanted []string) bool {
	for _, w := range wanted {
		if !slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, w) }) {
			return false
		}
	}
	return true
}

package search

import (
	"context"
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
// query, the most frequent first. Of a facet with more values the thousand most frequent are looked through.
func (s *Searcher) FacetValues(ctx context.Context, q Query, code, text string, limit int, dims *dimension.Set) ([]Value, error) {
	if limit < 1 || limit > MaxFacetHits {
		return nil, invalid("limit", "want 1 to %d", MaxFacetHits)
	}
	q.Limit, q.Offset, q.Facets, q.values = 0, 0, []string{code}, maxLooked
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
		return v.Count == 0 || !begins(wordsOf(fold(name)), wanted)
	})
	slices.SortStableFunc(values, func(a, b Value) int { return int(b.Count - a.Count) })
	return values[:min(limit, len(values))], nil
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

package search

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"freshet/projectors/dimension"
)

// MaxSuggested is how many products, and how many categories and brands, are suggested at most.
const MaxSuggested = 10

// maxCandidates is how many names are counted to find those that the store has offers of.
const maxCandidates = 40

// Suggestions are what somebody who is typing may be after.
type Suggestions struct {
	Products   []Hit
	Categories []Suggestion // those with the most offers first
	Brands     []Suggestion
	Fuzzy      bool // nothing begins as typed, so misspellings were allowed for
}

// Suggestion is a category or a brand, with how many offers the store has of it.
type Suggestion struct {
	ID    int64
	Name  string
	Count int64
}

// Suggest finds what a text that may not be finished begins: products by the words of their titles and brands, categories
// and brands by their names. It is one round trip, and a second where nothing begins as typed. Of categories and brands
// only those are suggested that the store has something of.
func (s *Searcher) Suggest(ctx context.Context, store int64, lang, text string, limit int, dims *dimension.Set) (Suggestions, error) {
	if limit < 1 || limit > MaxSuggested {
		return Suggestions{}, invalid("limit", "want 1 to %d", MaxSuggested)
	}
	q := Query{Store: store, Lang: lang, Text: text, Limit: limit, StrictText: true}
	if err := q.Validate(); err != nil {
		return Suggestions{}, err
	}
	p, err := s.plan(&q, dims)
	if err != nil {
		return Suggestions{}, err
	}
	words := split(text)
	if len(words) == 0 {
		return Suggestions{}, invalid("text", "want a word")
	}
	deadline, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found, err := s.suggest(deadline, p, words, dims, false)
	if err == nil && len(found.Products)+len(found.Categories)+len(found.Brands) == 0 {
		if found, err = s.suggest(deadline, p, words, dims, true); err == nil {
			found.Fuzzy = len(found.Products)+len(found.Categories)+len(found.Brands) > 0
		}
	}
	if err != nil {
		return Suggestions{}, s.classify(ctx, err)
	}
	return found, nil
}

func (s *Searcher) suggest(ctx context.Context, p *plan, words []string, dims *dimension.Set, fuzzy bool) (Suggestions, error) {
	categories, brands := p.candidates(dims, fuzzy)
	timeout := s.cfg.Timeout * 8 / 10
	products := object{
		"size": p.q.Limit, "_source": shown, "track_total_hits": false, "timeout": milliseconds(timeout),
		"query": ranked(p.filtered(begun(words, p.fields(), fuzzy)), popularityAt(time.Now())),
		"sort":  []object{{"_score": "desc"}, {"product": "asc"}},
	}
	bodies := []object{products}
	if len(categories)+len(brands) > 0 {
		bodies = append(bodies, p.counting(categories, brands, timeout, dims))
	}
	answers, err := s.multi(ctx, slices.Repeat([]*Query{p.q}, len(bodies)), bodies)
	if err != nil {
		return Suggestions{}, err
	}
	var out Suggestions
	for _, h := range answers[0].Hits.Hits {
		out.Products = append(out.Products, Hit{Card: h.Source.CardIn(p.q.Lang)})
	}
	if len(answers) == 1 {
		return out, nil
	}
	if out.Categories, err = withOffers(answers[1].Aggregations["categories"], categories, p.q.Limit); err != nil {
		return out, err
	}
	out.Brands, err = withOffers(answers[1].Aggregations["brands"], brands, p.q.Limit)
	return out, err
}

// begun finds the titles that have all the words, the last of which may go on.
func begun(words []string, f fields, fuzzy bool) object {
	words = words[:min(len(words), maxWords)]
	last := len(words) - 1
	clauses := make([]object, 0, len(words))
	for _, w := range words[:last] {
		clauses = append(clauses, wordsClause(w, f, fuzzy))
	}
	prefix := object{"multi_match": object{
		"query": words[last], "type": "bool_prefix", "operator": "and", "fields": []string{f.exact + "^2", f.brandExact}, "max_expansions": 50,
	}}
	ways := []object{prefix, wordsClause(words[last], f, fuzzy)}
	if ref := asReference(words[last]); ref != "" {
		ways = append(ways, prefixOf(ref, f.worth.Reference))
	}
	return object{"bool": object{"must": append(clauses, object{"dis_max": object{"queries": ways}})}}
}

// candidates are the categories of the store and the brands whose names the words begin.
func (p *plan) candidates(dims *dimension.Set, fuzzy bool) (categories, brands []Suggestion) {
	store, _ := dims.Store(p.q.Store)
	wanted := wordsOf(fold(p.q.Text))
	for _, c := range dims.Categories() {
		if c.TreeID != store.TreeID || !dims.Shown(c.ID) {
			continue
		}
		if name := dims.CategoryName(c.ID, p.q.Lang); len(categories) < maxCandidates && beginsNearly(name, wanted, fuzzy) {
			categories = append(categories, Suggestion{ID: c.ID, Name: name})
		}
	}
	for _, b := range dims.Brands() {
		if len(brands) < maxCandidates && beginsNearly(b.Name, wanted, fuzzy) {
			brands = append(brands, Suggestion{ID: b.ID, Name: b.Name})
		}
	}
	return categories, brands
}

// beginsNearly says whether each of the wanted words begins a word of the name, with a letter wrong where that is allowed.
func beginsNearly(name string, wanted []string, fuzzy bool) bool {
	words := wordsOf(fold(name))
	if !fuzzy {
		return begins(words, wanted)
	}
	return !slices.ContainsFunc(wanted, func(w string) bool {
		n := utf8.RuneCountInString(w)
		return n < 4 || !slices.ContainsFunc(words, func(word string) bool {
			letters := []rune(word)
			return distance(string(letters[:min(n, len(letters))]), w, 2) < 2
		})
	})
}

// counting counts the store's offers of each candidate.
func (p *plan) counting(categories, brands []Suggestion, timeout time.Duration, dims *dimension.Set) object {
	aggs := object{}
	filters := func(name string, list []Suggestion, clause func(id int64) object) {
		if len(list) == 0 {
			return
		}
		buckets := object{}
		for _, c := range list {
			buckets[key(c.ID)] = clause(c.ID)
		}
		aggs[name] = object{"filters": object{"filters": buckets}}
	}
	filters("categories", categories, func(id int64) object { return terms("categories", keys(dims.Subtree(id))) })
	filters("brands", brands, func(id int64) object { return term("brand", key(id)) })
	return object{"size": 0, "timeout": milliseconds(timeout), "query": all(p.base), "aggs": aggs}
}

// withOffers are the candidates that have offers, the most first.
func withOffers(raw []byte, list []Suggestion, limit int) ([]Suggestion, error) {
	counts, err := named(raw)
	if err != nil {
		return nil, err
	}
	var out []Suggestion
	for _, c := range list {
		if c.Count = counts[key(c.ID)]; c.Count > 0 {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Suggestion) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID)) })
	return out[:min(limit, len(out))], nil
}

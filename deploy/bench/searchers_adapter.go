package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"freshet/projectors/dimension"
	"freshet/search"
)

// The ways to a page of which facets are refined. An InstantSearch adapter asks for the page, and once more for each refined
// facet, without that facet's own selections, for its counts.
const (
	wayOne   = "one search"
	wayBatch = "adapter, one request"
	wayEach  = "adapter, one by one"
)

var waysToPage = []string{wayOne, wayBatch, wayEach}

// refinements are how many facets are refined, each number measured by itself.
var refinements = []int{1, 2, 4}

// adapt asks for pages in the three ways in turn, and counts how many searches each makes the server do.
func (b *bazaar) adapt(ctx context.Context, report *Report, e engine, duration time.Duration) error {
	index, ok := e.Searcher.(*ours)
	if !ok {
		return fmt.Errorf("%s has no adapter", e.name)
	}
	b.t.Note("%s", b.what("asking as an InstantSearch adapter does"))
	taken, searches := newSamples(), map[string]float64{}
	for _, n := range refinements {
		for _, way := range waysToPage {
			var err error
			if searches[wayName(n, way)], err = b.countSearches(ctx, report, index, n, way); err != nil {
				return err
			}
		}
	}
	dice, deadline := rand.New(rand.NewPCG(3, 1)), time.Now().Add(duration)
	for round := 0; time.Now().Before(deadline) && ctx.Err() == nil; round++ {
		for _, n := range refinements {
			q := b.draw(dice, refined(n))
			for i := range waysToPage {
				way := waysToPage[(i+round)%len(waysToPage)]
				begun := time.Now()
				_, err := index.page(ctx, way, q, b.dims)
				taken.add(wayName(n, way), time.Since(begun), err)
			}
		}
	}
	for _, n := range refinements {
		taken.ways(report, n, b.what(""), searches)
	}
	taken.complain(report)
	return ctx.Err()
}

// wayName is the kind of the samples of a way to pages of n refined facets.
func wayName(n int, way string) string { return fmt.Sprintf("%d refined: %s", n, way) }

// ways sums up the ways to pages of n refined facets, each beside one search. searches are how many the server made of a page
// each way, where they were counted.
func (s *samples) ways(report *Report, n int, what string, searches map[string]float64) {
	base := 0.0
	for _, way := range waysToPage {
		name := wayName(n, way)
		row := s.row(report, what+name, name)
		if way == wayOne {
			base = row.Figures["p50 ms"]
		}
		if perPage, counted := searches[name]; counted {
			row.Set("searches a page", perPage)
		}
		row.Set("times one search", row.Figures["p50 ms"]/max(base, 0.001))
	}
}

func refined(n int) searcherKind { return searcherKind{selections: n, facets: true} }

// countedPages are those that are counted, and whose counts are compared with those of one search.
const countedPages = 10

func (b *bazaar) countSearches(ctx context.Context, report *Report, index *ours, n int, way string) (perPage float64, err error) {
	pages := make([]search.Query, countedPages)
	answers := make([]search.Result, countedPages)
	dice := rand.New(rand.NewPCG(4, uint64(n)))
	before, err := index.stats(ctx)
	if err != nil {
		return 0, err
	}
	for i := range pages {
		pages[i] = b.draw(dice, refined(n))
		if answers[i], err = index.page(ctx, way, pages[i], b.dims); err != nil {
			return 0, err
		}
	}
	after, err := index.stats(ctx)
	if err != nil {
		return 0, err
	}
	for i := range pages {
		want, err := index.Search(ctx, pages[i], b.dims)
		if err != nil {
			return 0, err
		}
		if _, differ := differences(&want, &answers[i]); len(differ) > 0 {
			report.problem("%s", b.what("%s, %d refined: %s", way, n, differ[0]))
		}
	}
	return float64(after.Search.Queries-before.Search.Queries) / countedPages, nil
}

// page answers a page in one of the ways.
func (s *ours) page(ctx context.Context, way string, q search.Query, dims *dimension.Set) (search.Result, error) {
	if way == wayOne {
		return s.Search(ctx, q, dims)
	}
	queries := adapterQueries(&q)
	var results []search.Result
	if way == wayBatch {
		var err error
		if results, err = s.SearchAll(ctx, queries, dims); err != nil {
			return search.Result{}, err
		}
	} else {
		for _, one := range queries {
			r, err := s.Search(ctx, one, dims)
			if err != nil {
				return search.Result{}, err
			}
			results = append(results, r)
		}
	}
	return joined(results), nil
}

// adapterQueries are those that algoliasearch-helper makes of a page: the page under all that is selected, then for each
// refined facet that facet alone, without hits, under what is selected of the others.
func adapterQueries(q *search.Query) []search.Query {
	chosen := conditionsOf(q)
	plain := *q
	plain.Brands, plain.Keywords, plain.PriceMax, plain.InStock = nil, nil, nil, false
	queries := []search.Query{under(plain, chosen, "")}
	for _, c := range chosen {
		one := under(plain, chosen, c.Facet)
		one.Limit, one.Facets = 0, []string{c.Facet}
		queries = append(queries, one)
	}
	return queries
}

func under(q search.Query, chosen []search.Condition, but string) search.Query {
	for _, c := range chosen {
		if c.Facet != but {
			q.Where = append(q.Where, []search.Condition{c})
		}
	}
	return q
}

// conditionsOf are the selections of a page that was drawn.
func conditionsOf(q *search.Query) []search.Condition {
	var all []search.Condition
	if len(q.Brands) > 0 {
		all = append(all, search.Condition{Facet: search.FacetBrand, Values: texts(q.Brands)})
	}
	for code, values := range q.Keywords {
		all = append(all, search.Condition{Facet: code, Values: values})
	}
	if q.PriceMax != nil {
		all = append(all, search.Condition{Facet: search.FacetPrice, Op: "<=", Number: float64(*q.PriceMax)})
	}
	if q.InStock {
		all = append(all, search.Condition{Facet: search.FacetStock, Values: []string{"true"}})
	}
	return all
}

// joined puts the counts of the refined facets into the page, as the helper does.
func joined(results []search.Result) search.Result {
	page := results[0]
	for _, r := range results[1:] {
		for i := range page.Facets {
			if page.Facets[i].Code == r.Facets[0].Code {
				page.Facets[i] = r.Facets[0]
			}
		}
	}
	return page
}

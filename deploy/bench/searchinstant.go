package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// refinedFacets are how many facets of each page are refined, refinedHits how many offers it shows.
const (
	refinedFacets = 2
	refinedHits   = 24
)

// refinedPage is a page of which facets are refined, as each of the ways asks for it.
type refinedPage struct {
	path    string           // of the page's own search
	queries []map[string]any // what InstantSearch sends: the page, and once more for each refined facet
}

// instantAnswer is what we need of an answer of InstantSearch's.
type instantAnswer struct {
	Results []instantResult `json:"results"`
}

type instantResult struct {
	Total int64        `json:"nbHits"`
	Hits  []instantHit `json:"hits"`
}

type instantHit struct {
	Product int64 `json:"objectID,string"`
}

// refinedPages asks one after the other for pages of a text with two refined facets, in turn as the one search that the page of
// this API makes, as the one call of InstantSearch's, and as the calls that an adapter makes which asks for one query at a time.
func refinedPages(ctx context.Context, t *Target, c *client, shelves []shelf, duration time.Duration, report *Report) error {
	t.Note("pages with %d refined facets, by one search and by InstantSearch's, for %s", refinedFacets, duration)
	taken, dice, deadline := newSamples(), newRand(5), time.Now().Add(duration)
	for round := 0; time.Now().Before(deadline) && ctx.Err() == nil; round++ {
		page, err := refine(ctx, c, shelves[dice.IntN(len(shelves))], dice)
		if err != nil {
			return err
		}
		if page == nil {
			continue // the word finds nothing that could be refined twice
		}
		totals := map[string]int64{}
		for i := range waysToPage {
			way := waysToPage[(i+round)%len(waysToPage)]
			begun := time.Now()
			total, err := page.ask(ctx, c, way)
			taken.add(wayName(refinedFacets, way), time.Since(begun), err)
			totals[way] = total
		}
		// A query that is asked alone doesn't know what its text finds without the filters, and allows for misspellings sooner.
		if totals[wayOne] != totals[wayBatch] {
			report.problem("%s finds %d, InstantSearch %d: does somebody write?", page.path, totals[wayOne], totals[wayBatch])
		}
	}
	if len(taken.took) == 0 {
		report.problem("no word finds offers of which %d facets can be refined", refinedFacets)
		return ctx.Err()
	}
	taken.ways(report, refinedFacets, "", nil)
	taken.complain(report)
	return ctx.Err()
}

// refine draws a word of the store's titles, asks what can be selected of what it finds, and selects; nil if that is too little.
func refine(ctx context.Context, c *client, s shelf, r *rand.Rand) (*refinedPage, error) {
	word := s.front.Words[r.IntN(len(s.front.Words))]
	path := searchPath(s.front.ID, s.front.Languages[0]) + "&q=" + url.QueryEscape(word)
	var found searchPage
	if err := c.read(ctx, path+"&limit=0", &found); err != nil {
		return nil, fmt.Errorf("read the facets: %w", err)
	}
	shown, chosen, values := []string{}, []string{}, map[string]string{}
	selected := url.Values{}
	for _, at := range r.Perm(len(found.Facets)) {
		f := found.Facets[at]
		if f.Code == "category" {
			shown = append(shown, "categories.lvl0")
			continue
		}
		shown = append(shown, f.Code)
		if len(chosen) == refinedFacets || len(f.Values) == 0 || f.Kind != "keyword" && f.Code != "brand" {
			continue
		}
		v := f.Values[r.IntN(len(f.Values))]
		name, value := "attr."+f.Code, v.Value
		if f.Code == "brand" {
			name, value = f.Code, v.Label // InstantSearch knows brands by their names
		}
		selected.Set(name, v.Value)
		chosen, values[f.Code] = append(chosen, f.Code), value
	}
	if len(chosen) < refinedFacets {
		return nil, nil //nolint:nilnil // no page, and nothing wrong
	}
	index := s.front.Code + "_" + s.front.Languages[0]
	selected.Set("limit", strconv.Itoa(refinedHits))
	return &refinedPage{path: path + "&" + selected.Encode(), queries: instantQueries(index, word, shown, chosen, values)}, nil
}

// instantQueries are those that algoliasearch-helper makes of a page.
func instantQueries(index, text string, shown, chosen []string, values map[string]string) []map[string]any {
	filters := func(but string) [][]string {
		all := [][]string{}
		for _, code := range chosen {
			if code != but {
				all = append(all, []string{code + ":" + values[code]})
			}
		}
		return all
	}
	queries := []map[string]any{{"indexName": index, "query": text, "hitsPerPage": refinedHits, "facets": shown, "facetFilters": filters("")}}
	for _, code := range chosen {
		queries = append(queries, map[string]any{"indexName": index, "query": text, "hitsPerPage": 0, "facets": []string{code}, "facetFilters": filters(code)})
	}
	return queries
}

// askInstant makes one call of InstantSearch's.
func askInstant(ctx context.Context, c *client, queries []map[string]any) (answer instantAnswer, err error) {
	got, err := c.send(ctx, instantCall(queries...))
	if err != nil {
		return answer, err
	}
	if got.status != fasthttp.StatusOK {
		return answer, statusError(instantPath, got.status, got.body)
	}
	return answer, got.decode(&answer)
}

// instantPath takes the calls of InstantSearch.
const instantPath = "/1/indexes/*/queries"

func instantCall(queries ...map[string]any) sent {
	return sent{method: fasthttp.MethodPost, path: instantPath, body: map[string]any{"requests": queries}}
}

// ask answers the page in one of the ways, and returns how many offers it finds.
func (p *refinedPage) ask(ctx context.Context, c *client, way string) (total int64, err error) {
	if way == wayOne {
		var page searchPage
		err := c.read(ctx, p.path, &page)
		return page.Total, err
	}
	calls := [][]map[string]any{p.queries}
	if way == wayEach {
		calls = nil
		for _, one := range p.queries {
			calls = append(calls, []map[string]any{one})
		}
	}
	for i, queries := range calls {
		a, err := askInstant(ctx, c, queries)
		if err != nil {
			return 0, err
		}
		if len(a.Results) != len(queries) {
			return 0, fmt.Errorf("%d queries were answered with %d results", len(queries), len(a.Results))
		}
		if i == 0 {
			total = a.Results[0].Total
		}
	}
	return total, nil
}

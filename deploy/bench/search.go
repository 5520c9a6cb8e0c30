package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
)

// The kinds of search that are asked, in equal parts.
var searchKinds = []string{"text", "category and 2 facets", "text and category", "text, category and 2 facets"}

// shelf is a category with the selections that its facets offer.
type shelf struct {
	front    *front
	category int64
	facets   [][]url.Values // per facet, the selections it offers
}

// Search loads the read API with searches: words of real titles, categories, selections of two facets, every answer with
// all facets and their counts; then with suggestions. After that it asks for pages one by one, by one search and as
// InstantSearch does.
func Search(ctx context.Context, t Target, cfg LoadConfig) (*Report, error) {
	cfg.defaults()
	c, err := newClient(t.Read, "", cfg.Workers)
	if err != nil {
		return nil, err
	}
	defer c.close()
	fronts, err := walk(ctx, c, t.Note)
	if err != nil {
		return nil, err
	}
	shelves, err := readShelves(ctx, c, fronts)
	if err != nil {
		return nil, err
	}
	report := t.report(ctx, "search", cfg.setting())
	report.Setting["stores"], report.Setting["categories"] = fmt.Sprint(len(fronts)), fmt.Sprint(len(shelves))
	searches := searchPlan(shelves, newRand(3), schedule{rate: cfg.Rate, duration: cfg.Duration}.total())
	hits, err := hitShare(ctx, c, searches)
	if err != nil {
		return nil, err
	}
	taken, rate, err := runVisits(ctx, &t, c, cfg, searches)
	if err != nil {
		return nil, err
	}
	for _, kind := range searchKinds {
		row := taken.row(report, kind, kind)
		row.Set("req/s", rate*float64(len(taken.took[kind]))/float64(len(searches)))
		row.Set("% with hits", 100*hits[kind])
	}
	row := taken.row(report, "all", searchKinds...)
	row.Set("req/s", rate)
	row.Set("% with hits", 100*hits[""])
	taken.complain(report)
	if err := typed(ctx, &t, c, cfg, fronts, report); err != nil {
		return nil, err
	}
	return report, refinedPages(ctx, &t, c, shelves, cfg.Duration, report)
}

// shelvesPerStore bounds how many categories of a store are searched in: all are alike.
const shelvesPerStore = 12

// readShelves asks each store's first categories for their facets.
func readShelves(ctx context.Context, c *client, fronts []*front) ([]shelf, error) {
	var shelves []shelf
	for _, f := range fronts {
		for _, category := range f.Categories[:min(len(f.Categories), shelvesPerStore)] {
			var page searchPage
			if err := c.read(ctx, searchPath(f.ID, f.Languages[0])+fmt.Sprintf("&limit=0&category=%d", category), &page); err != nil {
				return nil, fmt.Errorf("read the facets: %w", err)
			}
			s := shelf{front: f, category: category}
			for _, one := range page.Facets {
				if offered := selections(one); len(offered) > 0 {
					s.facets = append(s.facets, offered)
				}
			}
			if page.Total > 0 && len(s.facets) >= 2 && len(f.Words) > 0 {
				shelves = append(shelves, s)
			}
		}
	}
	if len(shelves) == 0 {
		return nil, fmt.Errorf("no category has two facets to select from: %w", errEmpty)
	}
	return shelves, nil
}

// selections are what a shopper can choose of a facet. The category is chosen apart, and is always one that has offers.
func selections(f facet) []url.Values {
	split := f.Min != nil && f.Max != nil && *f.Min < *f.Max // into a lower and an upper half
	switch {
	case f.Code == "category":
		return nil
	case f.Code == "price" && split:
		return []url.Values{{"price_max": {strconv.FormatInt(int64(*f.Min+*f.Max)/2, 10)}}}
	case f.Code == "in_stock":
		return []url.Values{{"in_stock": {"true"}}}
	case f.Kind == "number" && split:
		return []url.Values{{"attr." + f.Code + ".min": {strconv.FormatFloat((*f.Min+*f.Max)/2, 'f', -1, 64)}}}
	case f.Kind == "number" || f.Code == "price":
		return nil
	}
	name := "attr." + f.Code
	if f.Code == "brand" {
		name = f.Code
	}
	var offered []url.Values
	for _, v := range f.Values {
		if v.Count > 0 {
			offered = append(offered, url.Values{name: {v.Value}})
		}
	}
	return offered
}

// searchPlan draws the load's searches.
func searchPlan(shelves []shelf, r *rand.Rand, total int) []visit {
	visits := make([]visit, total)
	for i := range visits {
		kind := i % len(searchKinds)
		s := shelves[r.IntN(len(shelves))]
		values := url.Values{}
		if kind != 1 {
			values.Set("q", s.front.Words[r.IntN(len(s.front.Words))])
		}
		if kind != 0 {
			values.Set("category", strconv.FormatInt(s.category, 10))
		}
		if kind == 1 || kind == 3 {
			for _, at := range r.Perm(len(s.facets))[:2] {
				for name, value := range s.facets[at][r.IntN(len(s.facets[at]))] {
					values[name] = value
				}
			}
		}
		visits[i] = visit{searchKinds[kind], searchPath(s.front.ID, s.front.Languages[0]) + "&" + values.Encode()}
	}
	return visits
}

// hitSample is how many searches are looked into before the load.
const hitSample = 200

// hitShare says which part of the searches finds something, by kind and ("") of all: searches that find nothing are fast,
// and prove nothing.
func hitShare(ctx context.Context, c *client, searches []visit) (map[string]float64, error) {
	found, asked := map[string]float64{}, map[string]float64{}
	for _, v := range searches[:min(len(searches), hitSample)] {
		var page searchPage
		if err := c.read(ctx, v.path, &page); err != nil {
			return nil, fmt.Errorf("before the load: %w", err)
		}
		for _, of := range []string{v.kind, ""} {
			asked[of]++
			if page.Total > 0 {
				found[of]++
			}
		}
	}
	for of := range asked {
		found[of] /= asked[of]
	}
	return found, nil
}

package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// LoadConfig says how a server is loaded.
type LoadConfig struct {
	Rate     float64 // requests per second
	Duration time.Duration
	Workers  int // requests under way at most; default 128
}

func (c *LoadConfig) defaults() {
	if c.Workers <= 0 {
		c.Workers = 128
	}
}

func (c LoadConfig) setting() map[string]string {
	return map[string]string{"rate": fmt.Sprintf("%g/s", c.Rate), "duration": c.Duration.String(), "requests under way at most": fmt.Sprint(c.Workers)}
}

// The kinds of page, each with its share of a visit.
const (
	kindHome     = "home page"
	kindCategory = "category page"
	kindProduct  = "product page"
)

var browseShares = []struct {
	kind string
	of   float64
}{{kindHome, 0.1}, {kindCategory, 0.4}, {kindProduct, 0.5}}

// visit is one request of the load.
type visit struct{ kind, path string }

// Browse loads the read API with home, category and product pages of all stores and languages, the popular ones more often,
// and measures how long each takes from the moment it was due.
func Browse(ctx context.Context, t Target, cfg LoadConfig) (*Report, error) {
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
	report := t.report(ctx, "browse", cfg.setting())
	pages := pagesOf(fronts, newRand(1))
	for kind, list := range pages {
		report.Setting[kind+"s"] = fmt.Sprint(len(list))
	}
	visits := browsePlan(pages, newRand(2), schedule{rate: cfg.Rate, duration: cfg.Duration}.total())
	taken, row, err := runVisits(ctx, &t, c, cfg, visits)
	if err != nil {
		return nil, err
	}
	for _, share := range browseShares {
		taken.row(report, share.kind, share.kind).Set("req/s", row*float64(len(taken.took[share.kind]))/float64(len(visits)))
	}
	taken.row(report, "all", kindHome, kindCategory, kindProduct).Set("req/s", row)
	taken.complain(report)
	return report, nil
}

// runVisits makes the requests and returns how long each took and how many were made per second.
func runVisits(ctx context.Context, t *Target, c *client, cfg LoadConfig, visits []visit) (*samples, float64, error) {
	// The first requests open connections and fill caches; they are not what is measured.
	for _, v := range visits[:min(len(visits), 100)] {
		if err := c.check(ctx, v.path); err != nil {
			return nil, 0, fmt.Errorf("before the load: %w", err)
		}
	}
	taken := newSamples()
	plan := schedule{rate: cfg.Rate, duration: cfg.Duration, workers: cfg.Workers, note: func(done, total int) {
		t.Note("%d of %d requests", done, total)
	}}
	t.Note("%g requests per second for %s", cfg.Rate, cfg.Duration)
	done, took, err := plan.run(ctx, func(ctx context.Context, n int, due time.Time) error {
		err := c.check(ctx, visits[n].path)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		taken.add(visits[n].kind, time.Since(due), err)
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("load: %w", err)
	}
	return taken, float64(done) / max(took, cfg.Duration).Seconds(), nil
}

// pagesOf lists the paths by kind, in an order that says which are popular.
func pagesOf(fronts []*front, r *rand.Rand) map[string][]string {
	pages := map[string][]string{}
	for _, f := range fronts {
		for _, lang := range f.Languages {
			pages[kindHome] = append(pages[kindHome], homePath(f.ID, lang))
			for _, id := range f.Categories {
				pages[kindCategory] = append(pages[kindCategory], categoryPath(f.ID, id, lang))
			}
			for _, id := range f.Products {
				pages[kindProduct] = append(pages[kindProduct], productPath(f.ID, id, lang))
			}
		}
	}
	for _, share := range browseShares {
		list := pages[share.kind]
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	return pages
}

// browsePlan draws the load's requests.
func browsePlan(pages map[string][]string, r *rand.Rand, total int) []visit {
	popular := map[string]zipf{}
	for kind, list := range pages {
		popular[kind] = newZipf(r, len(list))
	}
	visits := make([]visit, total)
	for i := range visits {
		at, draw := 0, r.Float64()
		for at < len(browseShares)-1 && draw >= browseShares[at].of {
			draw -= browseShares[at].of
			at++
		}
		kind := browseShares[at].kind
		visits[i] = visit{kind, pages[kind][popular[kind].pick()]}
	}
	return visits
}

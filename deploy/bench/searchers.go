package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"freshet/search"
	"freshet/search/relevance"
)

// SearchersConfig says how much there is to find, and how long it is looked for.
type SearchersConfig struct {
	Products []int         // each number measured by itself; a department store offers nine tenths; default 1000, 5000
	Stores   int           // of which the searches are spread over all; default 1, which has all five languages
	Duration time.Duration // for which the pages are asked, and again for which the adapter's queries are; default 30 s
}

func (c *SearchersConfig) defaults() {
	if len(c.Products) == 0 {
		c.Products = []int{1000, 5000}
	}
	if c.Stores <= 0 {
		c.Stores = 1
	}
	if c.Duration <= 0 {
		c.Duration = 30 * time.Second
	}
}

// Searchers compares the index with what a shop has without it, on the same offers: the full-text search of Postgres, and
// queries of MongoDB. It works in databases and indices of its own on the target's servers, and removes them.
//
// Each answers the same pages in turn, one at a time, hits and facets together by one request, MongoDB every tenth of them. Where
// there is no text, all have to count the same; with one each finds what its words find, and how good that is the judged
// queries say.
func Searchers(ctx context.Context, t Target, cfg SearchersConfig) (*Report, error) {
	cfg.defaults()
	report := t.report(ctx, "searchers", map[string]string{
		"stores": fmt.Sprint(cfg.Stores), "facets": fmt.Sprint(len(searcherFacets)), "each for": cfg.Duration.String(),
	})
	for i, products := range cfg.Products {
		if err := measureSearchers(ctx, t, cfg, report, products, i == 0); err != nil {
			return nil, fmt.Errorf("%d products: %w", products, err)
		}
	}
	return report, nil
}

func measureSearchers(ctx context.Context, t Target, cfg SearchersConfig, report *Report, products int, judge bool) (err error) {
	b := newBazaar(t)
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	t.Note("%d products: making the shop", products)
	if err := b.open(ctx, cfg.Stores, products); err != nil {
		return err
	}
	engines, err := b.engines(ctx, assortmentShop, b.dims)
	if err != nil {
		return err
	}
	if judge {
		if err := b.judge(ctx, report); err != nil {
			return fmt.Errorf("judged queries: %w", err)
		}
	}
	for i := range engines {
		if err := b.load(ctx, report, &engines[i]); err != nil {
			return err
		}
	}
	if err := b.compare(ctx, report, engines); err != nil {
		return err
	}
	if err := b.ask(ctx, report, engines, cfg.Duration); err != nil {
		return err
	}
	return b.adapt(ctx, report, engines[0], cfg.Duration)
}

// what begins the name of a row.
func (b *bazaar) what(format string, args ...any) string {
	return fmt.Sprintf("%d offers: ", len(b.offers)) + fmt.Sprintf(format, args...)
}

// load fills an engine, which is weighed then.
func (b *bazaar) load(ctx context.Context, report *Report, e *engine) error {
	b.t.Note("%s", b.what("%s is filled", e.name))
	took, err := fill(ctx, e, b.offers, b.dims)
	if err != nil {
		return err
	}
	bytes, err := e.bytes(ctx)
	if err != nil {
		return err
	}
	row := Row{What: b.what("filling %s", e.name)}
	offers := float64(len(b.offers))
	row.Set("offers/s", offers/took.Seconds())
	row.Set("bytes/offer", float64(bytes)/offers)
	report.Rows = append(report.Rows, row)
	return nil
}

// mongoEvery is in which of the rounds MongoDB is asked too: the stand-in takes most of the time, and its figures mean least.
const mongoEvery = 10

// ask asks the pages in rounds: every engine for the same page, each time another one first.
func (b *bazaar) ask(ctx context.Context, report *Report, engines []engine, duration time.Duration) error {
	taken, found := newSamples(), map[string]int64{}
	name := func(kind searcherKind, e engine) string { return kind.name + ": " + e.name }
	dice, deadline := rand.New(rand.NewPCG(1, 1)), time.Now().Add(duration)
	b.t.Note("%s", b.what("asking for pages"))
	for round := 0; time.Now().Before(deadline) && ctx.Err() == nil; round++ {
		for _, kind := range searcherKinds {
			q := b.draw(dice, kind)
			for i := range engines {
				e := engines[(i+round)%len(engines)]
				if e.name == engineMongo && round%mongoEvery > 0 {
					continue
				}
				begun := time.Now()
				r, err := e.Search(ctx, q, b.dims)
				taken.add(name(kind, e), time.Since(begun), err)
				found[name(kind, e)] += r.Total
			}
		}
	}
	for _, kind := range searcherKinds {
		for _, e := range engines {
			row := taken.row(report, b.what("%s", name(kind, e)), name(kind, e))
			row.Set("found on average", float64(found[name(kind, e)])/max(row.Figures["n"], 1))
		}
	}
	taken.complain(report)
	return ctx.Err()
}

// judge asks every engine the judged queries of all languages over the catalog that they are about.
func (b *bazaar) judge(ctx context.Context, report *Report) error {
	b.t.Note("asking the judged queries")
	catalog, err := relevance.Open()
	if err != nil {
		return err
	}
	engines, err := b.engines(ctx, assortmentJudged, catalog.Dimensions)
	if err != nil {
		return err
	}
	for _, lang := range search.Languages() {
		for i := range engines {
			e := &engines[i]
			if lang == search.Languages()[0] {
				if _, err := fill(ctx, e, catalog.Views, catalog.Dimensions); err != nil {
					return err
				}
			}
			r, err := relevance.Run(ctx, e, catalog.Dimensions, relevance.Store, lang, catalog.Judgments(lang))
			if err != nil {
				return fmt.Errorf("%s in %s: %w", e.name, lang, err)
			}
			row := Row{What: fmt.Sprintf("%s%s: %s", judgedPrefix, lang, e.name)}
			row.Set("judged queries", float64(r.Score.Queries))
			row.Set(figureGain, 100*r.Score.NDCG)
			row.Set("% that find nothing", 100*float64(r.Score.Zero)/float64(max(r.Score.Queries, 1)))
			report.Rows = append(report.Rows, row)
		}
	}
	return nil
}

// judgedPrefix begins the rows about relevance.
const judgedPrefix = "relevance, "

// figureGain is the mean of nDCG@10, in percent.
const figureGain = "nDCG@10, %"

// offersOf reads the number of offers from the name of a row, and what comes after it.
func offersOf(what string) (offers int, rest string) {
	if _, err := fmt.Sscanf(what, "%d offers:", &offers); err != nil {
		return 0, what
	}
	_, rest, _ = strings.Cut(what, ": ")
	return offers, rest
}

package bench

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"freshet/projectors/tree"
)

// HomeConfig says how many stores there are, and how busy they are.
type HomeConfig struct {
	Stores   []int         // each measured by itself; default 10, 100, 1000
	Products int           // of which a store sells all or a quarter, less a tenth; default 240
	Prices   float64       // changes of prices per second meanwhile; default 50
	Readers  int           // home pages under way at once; default 4
	Duration time.Duration // for which each of the two ways is read; default 10 s
}

func (c *HomeConfig) defaults() {
	if len(c.Stores) == 0 {
		c.Stores = []int{10, 100, 1000}
	}
	if c.Products <= 0 {
		c.Products = 240
	}
	if c.Prices <= 0 {
		c.Prices = 50
	}
	if c.Readers <= 0 {
		c.Readers = 4
	}
	if c.Duration <= 0 {
		c.Duration = 10 * time.Second
	}
}

// The two ways to a home page.
const (
	wayTables = "recursive SQL"
	wayPage   = "page read"
)

//go:embed home.sql
var homeQuery string

// Home reads the same home pages in two ways while prices change: by a recursive query over the shop's tables, and as the page
// that the tree keeps in MongoDB. It works in databases of its own on the target's servers, one for each number of stores, and
// removes them. At the end of each the two answers are compared, so that no way is the faster for being wrong.
//
// The pages are made by the tree's own code, from the changes as they are written: no log, no Kafka and no other stage stand
// between. How late a page is in the whole pipeline is what freshness measures.
func Home(ctx context.Context, t Target, cfg HomeConfig) (*Report, error) {
	cfg.defaults()
	report := t.report(ctx, "home", map[string]string{
		"products": fmt.Sprint(cfg.Products), "price changes": fmt.Sprintf("%g/s", cfg.Prices), "readers": fmt.Sprint(cfg.Readers), "each for": cfg.Duration.String(),
	})
	for _, stores := range cfg.Stores {
		if err := measureHomes(ctx, t, cfg, report, stores); err != nil {
			return nil, fmt.Errorf("%d stores: %w", stores, err)
		}
	}
	return report, nil
}

func measureHomes(ctx context.Context, t Target, cfg HomeConfig, report *Report, stores int) (err error) {
	m := newMall(t)
	defer func() { err = errors.Join(err, m.close(context.WithoutCancel(ctx))) }()
	t.Note("%d stores: making them and their pages", stores)
	if err := m.open(ctx, stores, cfg); err != nil {
		return err
	}
	t.Note("%d stores, %d offers", stores, len(m.offers))
	for _, way := range []string{wayTables, wayPage} {
		if err := m.measure(ctx, cfg, report, way); err != nil {
			return fmt.Errorf("%s: %w", way, err)
		}
	}
	return m.compare(ctx, report)
}

// measure reads pages in one way, as many as the readers get, while prices change.
func (m *mall) measure(ctx context.Context, cfg HomeConfig, report *Report, way string) error {
	taken, over := newSamples(), make(chan struct{})
	stream := schedule{rate: cfg.Prices, duration: time.Hour, workers: priceWriters, until: over}
	var changed int
	began := time.Now()
	err := together(ctx, func(ctx context.Context) (err error) {
		changed, _, err = stream.run(ctx, func(ctx context.Context, _ int, _ time.Time) error { return m.reprice(ctx) })
		return err
	}, func(ctx context.Context) error {
		defer close(over)
		m.read(ctx, way, cfg, taken)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	row := taken.row(report, fmt.Sprintf("%d stores: %s", len(m.stores), way), way)
	row.Set("homes/s", row.Figures["n"]/took)
	row.Set("prices/s", float64(changed)/took)
	row.Set("offers", float64(len(m.offers)))
	taken.complain(report)
	m.t.Note("%s: p50 %g ms, p99 %g ms, %.0f/s", row.What, row.Figures["p50 ms"], row.Figures["p99 ms"], row.Figures["homes/s"])
	return nil
}

func (m *mall) read(ctx context.Context, way string, cfg HomeConfig, taken *samples) {
	deadline := time.Now().Add(cfg.Duration)
	var wg sync.WaitGroup
	for reader := range cfg.Readers {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(uint64(reader), 1))
			for ctx.Err() == nil && time.Now().Before(deadline) {
				s := m.stores[dice.IntN(len(m.stores))]
				lang := s.Languages[dice.IntN(len(s.Languages))]
				start := time.Now()
				_, err := m.home(ctx, way, s.ID, lang)
				taken.add(way, time.Since(start), err)
			}
		})
	}
	wg.Wait()
}

// home reads a page in one of the ways.
func (m *mall) home(ctx context.Context, way string, store int64, lang string) ([]tree.Section, error) {
	if way == wayPage {
		page, err := m.pages.WholeHome(ctx, store, lang)
		return page.Categories, err
	}
	var raw []byte
	if err := m.pool.QueryRow(ctx, homeQuery, store, lang).Scan(&raw); err != nil {
		return nil, fmt.Errorf("home page of store %d from the tables: %w", store, err)
	}
	var sections []tree.Section
	if err := json.Unmarshal(raw, &sections); err != nil {
		return nil, fmt.Errorf("home page of store %d from the tables: %w", store, err)
	}
	return sections, nil
}

// compared is how many stores are compared at most, each in all its languages.
const compared = 50

// compare is for when no price changes: then both ways must say the same.
func (m *mall) compare(ctx context.Context, report *Report) error {
	for _, s := range m.stores[:min(compared, len(m.stores))] {
		for _, lang := range s.Languages {
			tables, err := m.home(ctx, wayTables, s.ID, lang)
			if err != nil {
				return err
			}
			page, err := m.home(ctx, wayPage, s.ID, lang)
			if err != nil {
				return err
			}
			if !reflect.DeepEqual(tables, page) {
				report.problem("%d stores: the tables and the page of store %d in %s differ", len(m.stores), s.ID, lang)
			}
		}
	}
	return nil
}

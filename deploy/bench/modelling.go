package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/bench/modelling"
)

// ModellingConfig says how large the catalogs are, and how often they are asked.
type ModellingConfig struct {
	Products []int // of each catalog; default 1,000, 3,000 and 10,000
	// Rounds are how often the models take turns with each operation. Default 20.
	Rounds int
	// Calls are how often one is asked in a turn. Default 10.
	Calls int
}

func (c *ModellingConfig) defaults() {
	if len(c.Products) == 0 {
		c.Products = []int{1_000, 3_000, 10_000}
	}
	if c.Rounds <= 0 {
		c.Rounds = 20
	}
	if c.Calls <= 0 {
		c.Calls = 10
	}
}

// modelNames are the columns, in the order of the models.
var modelNames = []string{"EAV", "JSONB", "documents"}

// catalogModel is a way to keep a catalog.
type catalogModel interface {
	modelling.Catalog
	Fill(ctx context.Context, g *modelling.Goods) error
	Declare(ctx context.Context) (statements int, err error)
	Insert(ctx context.Context, items []modelling.Item) error
	Size(ctx context.Context) (modelling.Size, error)
	Drop(ctx context.Context) error
}

// catalogs are the same goods in each model.
type catalogs struct {
	t      Target
	cfg    ModellingConfig
	report *Report
	models []catalogModel
	pool   *pgxpool.Pool
	client *mongo.Client
	goods  *modelling.Goods
}

// errNoProducts says that there would be nothing to ask for.
var errNoProducts = errors.New("a catalog needs at least one product")

// Modelling compares ways to keep a catalog whose products have attributes of their own: rows of entity, attribute and value,
// JSONB, MongoDB documents. It works in the schemas bench_eav and bench_jsonb and in a database of its own in MongoDB, and removes
// them. The models take turns, so that a bad minute of the machine is everybody's; before and after, their answers are compared.
func Modelling(ctx context.Context, t Target, cfg ModellingConfig) (report *Report, err error) {
	cfg.defaults()
	if slices.Min(cfg.Products) < 1 {
		return nil, errNoProducts
	}
	c := &catalogs{t: t, cfg: cfg, report: t.report(ctx, "modelling", map[string]string{
		"rounds": fmt.Sprint(cfg.Rounds), "calls of a model's turn": fmt.Sprint(cfg.Calls),
	})}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	if err := c.open(ctx); err != nil {
		return nil, err
	}
	for _, n := range cfg.Products {
		if err := c.measure(ctx, int64(n)); err != nil {
			return nil, fmt.Errorf("%d products: %w", n, err)
		}
	}
	return c.report, nil
}

// writerConnections are for who asks, and for who writes while a kind of product is declared.
const writerConnections = 2

func (c *catalogs) open(ctx context.Context) (err error) {
	if c.pool, err = openPool(ctx, c.t.PostgresURL, writerConnections); err != nil {
		return err
	}
	if c.client, err = mongo.Connect(options.Client().ApplyURI(c.t.MongoURL).SetAppName("freshet bench")); err != nil {
		return fmt.Errorf("connect to MongoDB: %w", err)
	}
	own := c.client.Database("freshet_modelling_" + strings.ToLower(rand.Text()[:8]))
	c.models = []catalogModel{modelling.NewEAV(c.pool), modelling.NewJSONB(c.pool), modelling.NewDocuments(own)}
	return nil
}

// close drops what was made.
func (c *catalogs) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var errs []error
	for _, m := range c.models {
		errs = append(errs, m.Drop(ctx))
	}
	if c.client != nil {
		errs = append(errs, c.client.Disconnect(ctx))
	}
	if c.pool != nil {
		c.pool.Close()
	}
	return errors.Join(errs...)
}

// compared questions of each operation are asked of all models before and after; before, that warms them up, too.
const comparedQuestions = 20

func (c *catalogs) measure(ctx context.Context, n int64) error {
	c.goods = &modelling.Goods{N: n}
	filled, err := c.fill(ctx)
	if err != nil {
		return err
	}
	if err := c.compare(ctx, 1); err != nil {
		return err
	}
	took, err := c.turns(ctx)
	if err != nil {
		return err
	}
	sizes, err := c.sizes(ctx)
	if err != nil {
		return err
	}
	added, err := c.addKind(ctx)
	if err != nil {
		return err
	}
	c.report.Rows = slices.Concat(c.report.Rows, took, sizes, []Row{*filled}, added)
	return c.compare(ctx, 2)
}

func (c *catalogs) fill(ctx context.Context) (*Row, error) {
	filled := c.row("filled and indexed, s")
	for i, m := range c.models {
		c.t.Note("%d products: filling %s", c.goods.N, modelNames[i])
		begun := time.Now()
		if err := m.Fill(ctx, c.goods); err != nil {
			return nil, fmt.Errorf("fill %s: %w", modelNames[i], err)
		}
		filled.Set(modelNames[i], time.Since(begun).Seconds())
	}
	return filled, nil
}

// row begins one of this catalog's.
func (c *catalogs) row(what string) *Row {
	return &Row{What: modellingRow(what, int(c.goods.N))}
}

func modellingRow(what string, products int) string {
	return fmt.Sprintf("%d products: %s", products, what)
}

func (c *catalogs) compare(ctx context.Context, seed uint64) error {
	c.t.Note("%d products: comparing the answers", c.goods.Total())
	asked := make([]modelling.Catalog, len(c.models))
	for i, m := range c.models {
		asked[i] = m
	}
	differ, err := modelling.Compare(ctx, asked, c.goods, comparedQuestions, seed)
	if err == nil && len(differ) > 0 {
		c.report.problem("%d products: %d answers differ, the first: %s", c.goods.Total(), len(differ), differ[0])
	}
	return err
}

// turns asks the models in turns, each first as often as the others, and sums up each operation.
func (c *catalogs) turns(ctx context.Context) ([]Row, error) {
	taken := make([]map[string][]time.Duration, len(c.models))
	for i := range taken {
		taken[i] = map[string][]time.Duration{}
	}
	for round := range c.cfg.Rounds {
		c.t.Note("%d products: round %d of %d", c.goods.N, round+1, c.cfg.Rounds)
		for _, op := range modelling.Operations {
			for turn := range c.models {
				i := (turn + round) % len(c.models)
				took, err := c.turn(ctx, c.models[i], op, uint64(round))
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", modelNames[i], op.Name, err)
				}
				taken[i][op.Name] = append(taken[i][op.Name], took...)
			}
		}
	}
	return c.latencies(taken), nil
}

// latencies are the rows of what the models took, by operation.
func (c *catalogs) latencies(taken []map[string][]time.Duration) []Row {
	var medians, tails []Row
	for _, op := range modelling.Operations {
		median, tail := c.row(op.Name+", p50 ms"), c.row(op.Name+", p99 ms")
		for i, name := range modelNames {
			var sum Row
			sum.latencies(taken[i][op.Name])
			median.Set(name, sum.Figures["p50 ms"])
			tail.Set(name, sum.Figures["p99 ms"])
		}
		medians, tails = append(medians, *median), append(tails, *tail)
	}
	return append(medians, tails...)
}

// turn asks one model; every model is asked the same in a round.
func (c *catalogs) turn(ctx context.Context, m catalogModel, op modelling.Operation, round uint64) (took []time.Duration, err error) {
	dice := mathrand.New(mathrand.NewPCG(round, 7))
	for range c.cfg.Calls {
		it := c.goods.Item(1 + dice.Int64N(c.goods.Total()))
		begun := time.Now()
		if _, err := op.Ask(ctx, m, it, dice); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	return took, nil
}

// What a model takes on disk.
const (
	figureData    = "data, MB"
	figureIndexes = "indexes, MB"
)

func (c *catalogs) sizes(ctx context.Context) ([]Row, error) {
	data, indexes := c.row(figureData), c.row(figureIndexes)
	for i, m := range c.models {
		size, err := m.Size(ctx)
		if err != nil {
			return nil, err
		}
		data.Set(modelNames[i], float64(size.Data)/1e6)
		indexes.Set(modelNames[i], float64(size.Indexes)/1e6)
	}
	return []Row{*data, *indexes}, nil
}

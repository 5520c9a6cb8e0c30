package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/dimension"
)

// StageName names the stage: its consumer group and its progress.
const StageName = "tree"

// Config is the settings of the stage; zero values take the defaults.
type Config struct {
	Prefix string // of the topics; required
	// Window is how long views are gathered before the pages they touch are written, 250 ms. Longer writes a page fewer
	// times while prices are imported, and shows each change that much later.
	Window time.Duration
	// MemoryBytes is what the assortments of one partition may occupy between batches, 256 MiB; the least recently used
	// are dropped and loaded again when touched. A store of 15,000 offers takes about 8 MiB. Less than the stores in
	// daily use means loading them over and over.
	MemoryBytes int64
	// DimensionWait is how long a command waits for the version of the dimensions that it names, 2 s.
	DimensionWait time.Duration
	Log           *slog.Logger          // slog.Default when nil
	Registry      prometheus.Registerer // of the metrics; none when nil
}

func (c Config) views() string    { return change.OfferViewTopic(c.Prefix) }
func (c Config) commands() string { return change.CommandTopic(c.Prefix) }

func (c Config) withDefaults() (Config, error) {
	c.Window = cmp.Or(c.Window, 250*time.Millisecond)
	c.MemoryBytes = cmp.Or(c.MemoryBytes, 256<<20)
	c.DimensionWait = cmp.Or(c.DimensionWait, 2*time.Second)
	c.Log = cmp.Or(c.Log, slog.Default())
	var problems []error
	if c.Prefix == "" {
		problems = append(problems, errors.New("no topic prefix"))
	}
	if c.Window < 0 || c.MemoryBytes < 0 || c.DimensionWait < 0 {
		problems = append(problems, fmt.Errorf("a negative setting: Window %s, MemoryBytes %d, DimensionWait %s", c.Window, c.MemoryBytes, c.DimensionWait))
	}
	if err := errors.Join(problems...); err != nil {
		return Config{}, fmt.Errorf("configure the tree: %w", err)
	}
	return c, nil
}

// bulkBatch is how many views of bulk are taken in at a time while others wait beside.
const bulkBatch = 500

// NewStage returns the stage for the runtime. Its workers share nothing but the store's client and the dimensions.
func NewStage(cfg Config, store *Store, cache *dimension.Cache) (projectors.Stage, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return projectors.Stage{}, err
	}
	m := newMetrics(cfg.Registry)
	return projectors.Stage{
		Name: StageName, Topics: []string{cfg.views(), cfg.commands()},
		Upstream: []string{"catalog", "offer", "dimension"}, Window: cfg.Window, Rest: 3,
		Overtake: []string{cfg.views()}, BulkBatch: bulkBatch,
		New: func(_ context.Context, partition int) (projectors.Handler, error) {
			return newHandler(cfg, store, cached{cache}, m, partition), nil
		},
	}, nil
}

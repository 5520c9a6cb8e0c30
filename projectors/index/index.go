// Package index keeps the search index: it writes every offer view to Elasticsearch in all languages of its store, and
// indexes a whole store again when the attribute registry or the store's languages change, or when told to.
//
// cmd/freshet runs it as a stage. Guarantees: when Handle returns, everything the batch asked for is stored and
// searchable, so the runtime's progress means "found by the next search"; a batch may be handled again, in part, by two
// workers at once and in any order, since documents are ordered by external versions; and what disappears leaves a
// versioned tombstone.
package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/dimension"
	"freshet/search"
)

// StageName names the stage: its consumer group and its progress.
const StageName = "index"

// Config is the settings of the stage; zero values take the defaults.
type Config struct {
	Prefix string // of the topics and the indices; required
	// Window is how long views are gathered before they are written, 60 ms. The writer gathers those of all partitions
	// again, so less only makes smaller batches; more is how much later a change is found.
	Window time.Duration
	// DimensionWait is how long a command waits for the version of the dimensions that it names, 2 s.
	DimensionWait time.Duration
	Log           *slog.Logger // slog.Default when nil
}

func (c Config) views() string    { return change.OfferViewTopic(c.Prefix) }
func (c Config) commands() string { return change.CommandTopic(c.Prefix) }

func (c Config) withDefaults() (Config, error) {
	c.Window = cmp.Or(c.Window, 60*time.Millisecond)
	c.DimensionWait = cmp.Or(c.DimensionWait, 2*time.Second)
	c.Log = cmp.Or(c.Log, slog.Default())
	var problems []error
	if c.Prefix == "" {
		problems = append(problems, errors.New("no prefix"))
	}
	if c.Window < 0 || c.DimensionWait < 0 {
		problems = append(problems, fmt.Errorf("negative time: Window %s, DimensionWait %s", c.Window, c.DimensionWait))
	}
	if err := errors.Join(problems...); err != nil {
		return Config{}, fmt.Errorf("configure the index stage: %w", err)
	}
	return c, nil
}

// bulkBatch is how many views of bulk are written at a time while others wait beside.
const bulkBatch = 250

// NewStage returns the stage for the runtime. The indices must exist: see search.Indices.
func NewStage(cfg Config, store *Store, writer *search.Writer, cache *dimension.Cache) (projectors.Stage, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return projectors.Stage{}, err
	}
	return projectors.Stage{
		Name: StageName, Topics: []string{cfg.views(), cfg.commands()},
		Upstream: []string{"catalog", "offer", "dimension"}, Window: cfg.Window, InFlight: 4,
		Overtake: []string{cfg.views()}, BulkBatch: bulkBatch,
		New: func(_ context.Context, partition int) (projectors.Handler, error) {
			return newHandler(cfg, store, writer, cache, partition), nil
		},
	}, nil
}

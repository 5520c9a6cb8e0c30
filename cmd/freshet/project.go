package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"freshet/deploy/health"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/offer"
	"freshet/projectors/tree"
	"freshet/projectors/view"
)

// stageNames are the projectors in the order of the flow.
var stageNames = []string{"dimension", "catalog", "offer", "tree"}

// projectOptions are the settings of project alone.
type projectOptions struct {
	plain bool
}

func newProjectCommand(s *settings) *cobra.Command {
	var o projectOptions
	cmd := &cobra.Command{
		Use:   "project NAME…",
		Short: "Keep read models fresh: " + strings.Join(stageNames, ", "),
		Long: `Runs the named projectors in one process: dimension (stores, categories, brands), catalog and
offer (the documents of products and offers), tree (home and category pages), index (search).
Processes that run the same projector share its partitions; each projector also runs alone.`,
		Example:   "  freshet project dimension catalog offer tree index\n  freshet project tree   # one more for the pages",
		GroupID:   "process",
		Args:      cobra.MatchAll(cobra.MinimumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: stageNames,
		RunE:      func(cmd *cobra.Command, args []string) error { return s.project(cmd.Context(), args, o) },
	}
	cmd.Flags().BoolVar(&o.plain, "mongo-plain", false, "write without transactions: right for a sharded MongoDB, slow on the stand-in")
	return cmd
}

func (s *settings) project(ctx context.Context, names []string, o projectOptions) error {
	client, err := mongo.Connect(options.Client().ApplyURI(s.mongoURL).SetAppName("freshet project"))
	if err != nil {
		return fmt.Errorf("open MongoDB: %w", err)
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }() // all writes are acknowledged by then
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	runtime, err := projectors.NewRuntime(projectors.Config{Brokers: s.kafka, Prefix: s.prefix}, s.logger(), registry)
	if err != nil {
		return err
	}
	w := &wiring{settings: s, options: o, db: client.Database(s.mongoDatabase), runtime: runtime, registry: registry}
	w.cache = dimension.NewCache(w.db, dimension.CacheConfig{Logger: s.logger()})
	stages, err := w.stages(ctx, names)
	if err != nil {
		return err
	}
	probe := health.New(s.health, registry)
	probe.Check("projectors", func(context.Context) error { return runtime.Ready() })

	// The first of them to end ends all: the stages draining, the others at once.
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() error { return probe.Run(ctx) })
	group.Go(func() error { return w.cache.Run(ctx) })
	group.Go(func() error { defer cancel(); return runtime.Run(ctx, stages...) })
	return group.Wait()
}

// wiring is what the stages are made of.
type wiring struct {
	settings *settings
	options  projectOptions
	db       *mongo.Database
	runtime  *projectors.Runtime
	registry *prometheus.Registry
	cache    *dimension.Cache
}

func (w *wiring) stages(ctx context.Context, names []string) ([]projectors.Stage, error) {
	if err := errors.Join(catalog.EnsureIndexes(ctx, w.db), offer.EnsureIndexes(ctx, w.db)); err != nil {
		return nil, fmt.Errorf("create the documents' indexes: %w", err)
	}
	var stages []projectors.Stage
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		stage, err := w.stage(name)
		if err != nil {
			return nil, err
		}
		stages = append(stages, stage)
	}
	return stages, nil
}

func (w *wiring) stage(name string) (projectors.Stage, error) {
	docs := document.Config{Plain: w.options.plain}
	prefix, out := w.settings.prefix, w.runtime.Producer()
	views := view.NewPublisher(catalog.Open(w.db, docs), offer.Open(w.db, docs), out, prefix)
	switch name {
	case "dimension":
		return w.tables(name, dimension.Tables, change.CommandTopic(prefix), func() projectors.Handler { return dimension.NewProjector(w.db, docs, out, prefix) }), nil
	case "catalog":
		return w.tables(name, catalog.Tables, change.OfferViewTopic(prefix), func() projectors.Handler { return catalog.NewProjector(w.db, docs, views) }), nil
	case "offer":
		return w.tables(name, offer.Tables, change.OfferViewTopic(prefix), func() projectors.Handler { return offer.NewProjector(w.db, docs, views) }), nil
	case "tree":
		return tree.NewStage(tree.Config{Prefix: prefix, Log: w.settings.logger()}, tree.NewStore(w.db, !w.options.plain), w.cache)
	}
	return projectors.Stage{}, fmt.Errorf("no projector is called %q", name)
}

// tables is a stage that folds table topics.
func (w *wiring) tables(name string, tables []string, output string, handler func() projectors.Handler) projectors.Stage {
	stage := projectors.Stage{
		Name: name, Upstream: []string{"ingest"}, Outputs: []string{output},
		New: func(context.Context, int) (projectors.Handler, error) { return handler(), nil },
	}
	for _, table := range tables {
		stage.Topics = append(stage.Topics, change.Topic(w.settings.prefix, "public", table))
	}
	return stage
}

package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"freshet/deploy/health"
	"freshet/projectors"
	"freshet/projectors/control"
	"freshet/projectors/demand"
	"freshet/projectors/dimension"
	"freshet/projectors/notify"
)

// stageNames are the projectors in the order of the flow.
var stageNames = []string{"dimension", "catalog", "offer", "tree", "index", "order", "alert", "recommend"}

// everyStage are those, what folds no tables and so has no position, and what runs only where it is configured.
var everyStage = append(slices.Clone(stageNames), demand.StageName, notify.StageName)

// projectOptions are the settings of project alone.
type projectOptions struct {
	plain  bool
	notify notifyOptions
}

func newProjectCommand(s *settings) *cobra.Command {
	var o projectOptions
	cmd := &cobra.Command{
		Use:   "project NAME…",
		Short: "Keep read models fresh: " + strings.Join(append(slices.Clone(stageNames), demand.StageName), ", "),
		Long: `Runs the named projectors in one process: dimension (stores, categories, brands), catalog and
offer (the documents of products and offers), tree (home and category pages), index (search), order
(orders with payments, parcels and returns), alert (stock that runs low, out, and is back),
recommend (bought together, and picks for customers), demand (what shoppers search for). notify, which runs only where --notify-smtp or
--notify-webhook says how, tells customers and sellers what happened.
Processes that run the same projector share its partitions; each projector also runs alone.`,
		Example:   "  freshet project dimension catalog offer tree index order alert recommend demand\n  freshet project tree   # one more for the pages",
		GroupID:   "process",
		Args:      cobra.MatchAll(cobra.MinimumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: everyStage,
		RunE:      func(cmd *cobra.Command, args []string) error { return s.project(cmd.Context(), args, o) },
	}
	cmd.Flags().BoolVar(&o.plain, "mongo-plain", false, "write without transactions: right for a sharded MongoDB, slow on the stand-in")
	o.notify.bind(cmd.Flags())
	return cmd
}

// heapFloor is what the collector takes the heap for at least. It runs when the heap has doubled: one of 60 MB that makes
// 130 MB of garbage a second, as at 500 transactions a second, was collected three times a second, an eighth of the
// process. The floor is never written to, so it is addresses and no memory; what it costs is garbage that stays for longer,
// at most as much again.
const heapFloor = 256 << 20

func (s *settings) project(ctx context.Context, names []string, o projectOptions) error {
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	if err := s.checkRecords(); err != nil {
		return err
	}
	client, err := mongo.Connect(options.Client().ApplyURI(s.mongoURL).SetAppName("freshet project"))
	if err != nil {
		return fmt.Errorf("open MongoDB: %w", err)
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }() // all writes are acknowledged by then
	registry := newRegistry()
	db := client.Database(s.mongoDatabase)
	board := control.NewBoard(control.Open(db), everyStage, control.DefaultInterval, s.logger())
	workers, err := projectors.NewRuntime(projectors.Config{
		Brokers: s.kafka, Security: s.security, Prefix: s.prefix, Controls: board,
		// A view is some kilobytes: catching up, a batch of a thousand lets the later view of an offer spare the earlier one.
		FetchBytes: 6 << 20, PartitionBytes: 3 << 20,
	}, s.logger(), registry)
	if err != nil {
		return err
	}
	w := &wiring{settings: s, options: o, db: db, runtime: workers, registry: registry}
	if slices.Contains(names, notify.StageName) {
		book, closeBook, err := s.openBook(ctx)
		if err != nil {
			return err
		}
		defer closeBook()
		w.book = book
	}
	w.cache = dimension.NewCache(w.db, dimension.CacheConfig{Logger: s.logger()})
	stages, err := w.stages(ctx, names)
	if err != nil {
		return err
	}
	probe := health.New(s.health, registry)
	probe.Check("projectors", func(context.Context) error { return workers.Ready() })

	// The first of them to end ends all: the stages draining, the others at once.
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() error { return probe.Run(ctx) })
	group.Go(func() error { return w.cache.Run(ctx) })
	group.Go(func() error { return board.Run(ctx) })
	group.Go(func() error { defer cancel(); return workers.Run(ctx, stages...) })
	return group.Wait()
}

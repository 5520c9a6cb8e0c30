package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// newBenchLockingCommand compares ways to take stock: it measures Postgres, not us.
func newBenchLockingCommand(s *settings) *cobra.Command {
	var cfg bench.LockingConfig
	cmd := newComparisonCommand(s, comparison{
		name: "locking", short: "Ways to take stock so that none is sold twice, compared on Postgres", plot: bench.PlotLocking,
		run: func(ctx context.Context, t bench.Target) (*bench.Report, error) { return bench.Locking(ctx, t, cfg) },
	})
	flags := cmd.Flags()
	flags.IntSliceVar(&cfg.Buyers, "buyers", []int{1, 8, 64, 512}, "how many buy at once")
	flags.IntSliceVar(&cfg.SKUs, "skus", []int{1, 10, 100, 1000}, "of how many SKUs")
	flags.DurationVar(&cfg.Duration, "duration", time.Second, "how long each strategy is tried by each number of buyers on each number of SKUs")
	flags.IntVar(&cfg.Connections, "connections", 128, "connections that the buyers share")
	return cmd
}

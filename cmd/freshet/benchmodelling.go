package main

import (
	"context"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// newBenchModellingCommand compares ways to keep a catalog: it measures the servers, not us.
func newBenchModellingCommand(s *settings) *cobra.Command {
	var cfg bench.ModellingConfig
	cmd := newComparisonCommand(s, comparison{
		name: "modelling", short: "A catalog as EAV rows, as JSONB and as documents, compared", plot: bench.PlotModelling,
		run: func(ctx context.Context, t bench.Target) (*bench.Report, error) { return bench.Modelling(ctx, t, cfg) },
	})
	flags := cmd.Flags()
	flags.IntSliceVar(&cfg.Products, "products", []int{1_000, 3_000, 10_000}, "products of each catalog that is compared")
	flags.IntVar(&cfg.Rounds, "rounds", 20, "how often the models take turns with each operation")
	flags.IntVar(&cfg.Calls, "calls", 10, "how often one is asked in a turn")
	return cmd
}

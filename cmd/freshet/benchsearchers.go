package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// newBenchSearchersCommand compares the index with what a shop has without it; it takes minutes to fill the three.
func newBenchSearchersCommand(s *settings) *cobra.Command {
	var cfg bench.SearchersConfig
	cmd := newComparisonCommand(s, comparison{
		name: "searchers", short: "Searches by Postgres' full text, by MongoDB's queries and by the index, compared", plot: bench.PlotSearchers,
		run: func(ctx context.Context, t bench.Target) (*bench.Report, error) { return bench.Searchers(ctx, t, cfg) },
	})
	flags := cmd.Flags()
	flags.IntSliceVar(&cfg.Products, "products", []int{1000, 5000}, "how many products, each number in databases of its own; a department store offers nine tenths")
	flags.IntVar(&cfg.Stores, "stores", 1, "stores, the first of which has all five languages")
	flags.DurationVar(&cfg.Duration, "duration", 30*time.Second, "for how long pages are asked, and again as an adapter asks")
	return cmd
}

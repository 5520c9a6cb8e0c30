package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// newBenchHomeCommand compares a page read with the query it spares; it takes minutes to make its stores.
func newBenchHomeCommand(s *settings) *cobra.Command {
	var cfg bench.HomeConfig
	cmd := newComparisonCommand(s, comparison{
		name: "home", short: "Home pages by recursive SQL and as the tree keeps them, while prices change", plot: bench.PlotHome,
		run: func(ctx context.Context, t bench.Target) (*bench.Report, error) { return bench.Home(ctx, t, cfg) },
	})
	flags := cmd.Flags()
	flags.IntSliceVar(&cfg.Stores, "stores", []int{10, 100, 1000}, "how many stores, each number in a database of its own")
	flags.IntVar(&cfg.Products, "products", 240, "products, of which a store sells all or a quarter, less a tenth")
	flags.Float64Var(&cfg.Prices, "prices", 50, "changes of prices per second meanwhile")
	flags.IntVar(&cfg.Readers, "readers", 4, "home pages under way at once")
	flags.DurationVar(&cfg.Duration, "duration", 10*time.Second, "for how long each way is read")
	return cmd
}

package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// newBenchHomeCommand makes the comparison of a page read with the query it spares. It isn't one of all: it needs nothing that
// runs here but the servers, and takes minutes to make its stores.
func newBenchHomeCommand(s *settings) *cobra.Command {
	var o benchOptions
	var cfg bench.HomeConfig
	cmd := &cobra.Command{
		Use: "home", Short: "Home pages by recursive SQL and as the tree keeps them, while prices change", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := bench.Home(cmd.Context(), s.benchTarget(o), cfg)
			if err != nil {
				return err
			}
			if o.write != "" {
				if err := bench.Write(o.write, "freshet bench home --write "+o.write, []*bench.Report{report}); err != nil {
					return err
				}
				if err := bench.PlotHome(strings.TrimSuffix(o.write, ".md")+".svg", report); err != nil {
					return err
				}
			}
			return s.printReports(o, report)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flags.StringVar(&o.write, "write", "", "Markdown file whose table is replaced; the plot is put beside it, as .svg")
	flags.IntSliceVar(&cfg.Stores, "stores", []int{10, 100, 1000}, "how many stores, each number in a database of its own")
	flags.IntVar(&cfg.Products, "products", 240, "products, of which a store sells all or a quarter, less a tenth")
	flags.Float64Var(&cfg.Prices, "prices", 50, "changes of prices per second meanwhile")
	flags.IntVar(&cfg.Readers, "readers", 4, "home pages under way at once")
	flags.DurationVar(&cfg.Duration, "duration", 10*time.Second, "for how long each way is read")
	return cmd
}

package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// newBenchSearchersCommand makes the comparison of the index with what a shop has without it. It isn't one of all: it needs
// nothing that runs here but the servers, and takes minutes to fill them.
func newBenchSearchersCommand(s *settings) *cobra.Command {
	var o benchOptions
	var cfg bench.SearchersConfig
	cmd := &cobra.Command{
		Use: "searchers", Short: "Searches by Postgres' full text, by MongoDB's queries and by the index, compared", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := bench.Searchers(cmd.Context(), s.benchTarget(o), cfg)
			if err != nil {
				return err
			}
			if o.write != "" {
				if err := bench.Write(o.write, "freshet bench searchers --write "+o.write, []*bench.Report{report}); err != nil {
					return err
				}
				if err := bench.PlotSearchers(strings.TrimSuffix(o.write, ".md")+".svg", report); err != nil {
					return err
				}
			}
			return s.printReports(o, report)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flags.StringVar(&o.write, "write", "", "Markdown file whose table is replaced; the plot is put beside it, as .svg")
	flags.IntSliceVar(&cfg.Products, "products", []int{1000, 5000}, "how many products, each number in databases of its own; a department store offers nine tenths")
	flags.IntVar(&cfg.Stores, "stores", 1, "stores, the first of which has all five languages")
	flags.DurationVar(&cfg.Duration, "duration", 30*time.Second, "for how long pages are asked, and again as an adapter asks")
	return cmd
}

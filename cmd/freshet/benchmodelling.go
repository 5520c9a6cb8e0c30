package main

import (
	"strings"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// newBenchModellingCommand makes the comparison of ways to keep a catalog. It isn't one of all: it measures the servers, not us.
func newBenchModellingCommand(s *settings) *cobra.Command {
	var o benchOptions
	var cfg bench.ModellingConfig
	cmd := &cobra.Command{
		Use: "modelling", Short: "A catalog as EAV rows, as JSONB and as documents, compared", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := bench.Modelling(cmd.Context(), s.benchTarget(o), cfg)
			if err != nil {
				return err
			}
			if o.write != "" {
				if err := bench.Write(o.write, "freshet bench modelling --write "+o.write, []*bench.Report{report}); err != nil {
					return err
				}
				if err := bench.PlotModelling(strings.TrimSuffix(o.write, ".md")+".svg", report); err != nil {
					return err
				}
			}
			return s.printReports(o, report)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flags.StringVar(&o.write, "write", "", "Markdown file whose table is replaced; the plot is put beside it, as .svg")
	flags.IntSliceVar(&cfg.Products, "products", []int{1_000, 3_000, 10_000}, "products of each catalog that is compared")
	flags.IntVar(&cfg.Rounds, "rounds", 20, "how often the models take turns with each operation")
	flags.IntVar(&cfg.Calls, "calls", 10, "how often one is asked in a turn")
	return cmd
}

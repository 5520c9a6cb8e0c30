package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// newBenchLockingCommand makes the comparison of ways to take stock. It isn't one of all: it measures Postgres, not us.
func newBenchLockingCommand(s *settings) *cobra.Command {
	var o benchOptions
	var cfg bench.LockingConfig
	cmd := &cobra.Command{
		Use: "locking", Short: "Ways to take stock so that none is sold twice, compared on Postgres", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := bench.Locking(cmd.Context(), s.benchTarget(o), cfg)
			if err != nil {
				return err
			}
			if o.write != "" {
				if err := bench.Write(o.write, "freshet bench locking --write "+o.write, []*bench.Report{report}); err != nil {
					return err
				}
				if err := bench.PlotLocking(strings.TrimSuffix(o.write, ".md")+".svg", report); err != nil {
					return err
				}
			}
			return s.printReports(o, report)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flags.StringVar(&o.write, "write", "", "Markdown file whose table is replaced; the plot is put beside it, as .svg")
	flags.IntSliceVar(&cfg.Buyers, "buyers", []int{1, 8, 64, 512}, "how many buy at once")
	flags.IntSliceVar(&cfg.SKUs, "skus", []int{1, 10, 100, 1000}, "of how many SKUs")
	flags.DurationVar(&cfg.Duration, "duration", time.Second, "how long each strategy is tried by each number of buyers on each number of SKUs")
	flags.IntVar(&cfg.Connections, "connections", 128, "connections that the buyers share")
	return cmd
}

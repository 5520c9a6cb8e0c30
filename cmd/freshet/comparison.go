package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

// comparison measures one way of doing something beside others. It isn't one of all: it needs nothing that runs here but the
// servers, and its page is written by itself.
type comparison struct {
	name, short string
	run         func(ctx context.Context, t bench.Target) (*bench.Report, error)
	plot        func(path string, r *bench.Report) error
}

// newComparisonCommand makes the command of a comparison, which writes its page and plot where that is asked.
func newComparisonCommand(s *settings, c comparison) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use: c.name, Short: c.short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := c.run(cmd.Context(), s.benchTarget(o))
			if err != nil {
				return err
			}
			if o.write != "" {
				if err := bench.Write(o.write, "freshet bench "+c.name+" --write "+o.write, []*bench.Report{report}); err != nil {
					return err
				}
				if err := c.plot(strings.TrimSuffix(o.write, ".md")+".svg", report); err != nil {
					return err
				}
			}
			return s.printReports(o, report)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flags.StringVar(&o.write, "write", "", "Markdown file whose table is replaced; the plot is put beside it, as .svg")
	return cmd
}

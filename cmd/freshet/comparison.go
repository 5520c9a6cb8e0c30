package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
				if err := bench.Write(o.write, asAsked(cmd), []*bench.Report{report}); err != nil {
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

// asAsked is the command with the flags of its own that were given, so that whoever reads the page can run it again. Those of
// every command, which may hold an address with a password, it leaves out.
func asAsked(cmd *cobra.Command) string {
	asked := cmd.CommandPath()
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			asked += " --" + f.Name + " " + strings.Trim(f.Value.String(), "[]") // of a list as it is typed
		}
	})
	return asked
}

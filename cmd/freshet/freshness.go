package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/bench"
)

func newFreshnessCommand(s *settings) *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "freshness",
		Short: "Change one price in SQL and print how long until shoppers see it",
		Long: `Waits until pages and search show all that was committed, changes the price of an offer
on a home page in SQL, and prints the milliseconds from the commit until the product
page, the category page and the search result show it. Then it puts the old price back.`,
		GroupID: "machine",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.freshness(cmd.Context(), timeout, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "after which the change counts as not shown")
	return cmd
}

func (s *settings) freshness(ctx context.Context, timeout time.Duration, asJSON bool) error {
	change, err := bench.Once(ctx, s.benchTarget(benchOptions{}), timeout)
	if err != nil {
		return err
	}
	if asJSON {
		line, err := json.Marshal(change)
		if err != nil {
			return fmt.Errorf("encode the measurement: %w", err)
		}
		return s.printf("%s\n", line)
	}
	if err := s.printf("  price of %q in %s: %s to %s and back\n", change.Title, change.StoreCode, money(change.Was), money(change.Set)); err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, shown := range change.Shown {
		if _, err := fmt.Fprintf(table, "  %s\t%d ms\t%s\n", shown.Model, shown.Took.Milliseconds(), shown.URL); err != nil {
			return err
		}
	}
	return table.Flush()
}

// money is an amount in minor units as people write it; every currency of the shop has two decimals.
func money(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }

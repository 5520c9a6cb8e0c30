package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"freshet/deploy/seed"
)

// seedOptions are the settings of seed alone.
type seedOptions struct {
	config  seed.Config
	ifEmpty bool
	base    string
}

func newSeedCommand(s *settings) *cobra.Command {
	var o seedOptions
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Fill an empty shop with a believable assortment and its sales history",
		Long: `Makes stores, category trees, products in five languages, prices, stock and ninety
days of sales. The same numbers and seed give the same rows, ids and timestamps
included. All goes in as one transaction; a shop that holds anything is refused.`,
		Example: `  freshet seed
  freshet seed --stores 24 --products 16000 --seed 7   # about 200,000 offers`,
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.seed(cmd.Context(), o) },
	}
	cmd.Flags().IntVar(&o.config.Stores, "stores", 12, "stores; of twelve, five sell everything")
	cmd.Flags().IntVar(&o.config.Products, "products", 3000, "products; a store offers nine tenths of those of its kind")
	cmd.Flags().IntVar(&o.config.Orders, "orders", 0, "orders of the last ninety days (default two for each product)")
	cmd.Flags().Uint64Var(&o.config.Seed, "seed", 1, "chooses among shops of one size; not 0")
	cmd.Flags().StringVar(&o.base, "base-date", "2026-06-30", "the day the shop is made for; sales end there")
	cmd.Flags().BoolVar(&o.ifEmpty, "if-empty", false, "do nothing, and succeed, if the shop holds anything")
	return cmd
}

func (s *settings) seed(ctx context.Context, o seedOptions) error {
	base, err := time.Parse(time.DateOnly, o.base)
	if err != nil {
		return fmt.Errorf("--base-date %q: want a day such as 2026-06-30", o.base)
	}
	o.config.Base = base
	conn, err := pgx.Connect(ctx, s.postgresURL)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	bars := newBars(s.stderr)
	summary, err := seed.Run(ctx, conn, o.config, bars.table)
	bars.finish()
	if o.ifEmpty && errors.Is(err, seed.ErrNotEmpty) {
		return s.printf("the shop holds data already: not seeded\n")
	}
	if err != nil {
		return err
	}
	return s.printf("seeded %d stores, %d products, %d offers, %d orders: %d rows in %s; %.0f offers/s, each with its prices, stock and ledger\n",
		summary.Stores, summary.Products, summary.Offers, summary.Orders, summary.Rows, summary.Elapsed.Round(time.Millisecond), summary.OffersPerSecond())
}

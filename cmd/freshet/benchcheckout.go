package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"freshet/api/auth"
	"freshet/deploy/bench"
)

// bindCheckout adds the flags of bench checkout.
func (s *settings) bindCheckout(cmd *cobra.Command, o *benchOptions) {
	flags, cfg := cmd.Flags(), &o.checkout
	flags.IntVar(&cfg.Attempts, "attempts", 20_000, "attempts to buy of one SKU, and as many of many")
	flags.IntVar(&cfg.Buyers, "buyers", 5000, "customers who try")
	flags.IntVar(&cfg.Units, "units", 100, "units of the one SKU; as many come in after so many attempts as there are buyers")
	flags.IntVar(&cfg.SKUs, "skus", 1000, "SKUs where there are many")
	flags.IntVar(&cfg.Workers, "workers", 64, "buyers who act at once")
	flags.Uint64Var(&cfg.Seed, "seed", 1, "chooses what buyers do")
	s.bindSigningKey(cmd, o)
}

// bindSigningKey lets the key be given that signs the buyers' tokens; not given, it is the one that up made.
func (s *settings) bindSigningKey(cmd *cobra.Command, o *benchOptions) {
	cmd.Flags().StringVar(&o.signingKey, "account-signing-key", "", "file of the private key that the write API believes, to sign buyers' tokens with (default the one that up made)")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		return s.fromUp(cmd.Context(), &o.signingKey, signingKeyVariable)
	}
}

// benchCheckout signs for its buyers itself: five thousand sign-ins, each made slow on purpose, would be most of the run.
func benchCheckout(ctx context.Context, t bench.Target, o benchOptions) (*bench.Report, error) {
	if slices.ContainsFunc(o.rates, func(rate float64) bool { return rate <= 0 }) {
		return nil, errors.New("--rate: want numbers above 0")
	}
	issuer, err := loadIssuer(o.signingKey, time.Hour)
	if err == nil && issuer == nil {
		err = errors.New("--account-signing-key is needed: with the key that the write API's tokens are signed with")
	}
	if err != nil {
		return nil, err
	}
	cfg := o.checkout
	cfg.Rates, cfg.Duration = o.rates, o.duration
	cfg.Sign = func(customer int64) (string, error) {
		return issuer.Issue(auth.Claims{Subject: strconv.FormatInt(customer, 10), Role: auth.Customer})
	}
	return bench.Checkout(ctx, t, cfg)
}

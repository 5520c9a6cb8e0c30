package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"freshet/api/write"
)

func newReconcileCommand(s *settings) *cobra.Command {
	var o write.ReconcileOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare stock with its ledger, holds with reservations, payments with orders, and mend",
		Long: `Compares what Postgres says twice, in one snapshot: levels with the ledger's sum, what is reserved with
the reservations, payments and refunds with orders. The write API keeps them equal in every transaction,
so a difference means that somebody wrote past it. It ends with 1 while anything is wrong.

With --halt the SKUs that are wrong are not sold until they agree. With --repair they are halted, each
is mended in a transaction of its own (the ledger gets a movement with the reason), looked at again, and
sold again once it agrees. The shop may be open meanwhile. What no rule can mend is said, with what to do.`,
		Example: "  freshet reconcile\n  freshet reconcile --repair --reason 'stock was edited by hand on 3 May'",
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.reconcile(cmd.Context(), o, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.Halt, "halt", false, "stop the sale of the SKUs that are wrong")
	flags.BoolVar(&o.Repair, "repair", false, "halt, mend, verify and resume")
	flags.StringVar(&o.Reason, "reason", "", "why, for the ledger; a repair needs it")
	flags.StringVar(&o.Actor, "actor", "reconcile", "who, for the ledger")
	flags.BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func (s *settings) reconcile(ctx context.Context, o write.ReconcileOptions, asJSON bool) error {
	if len(o.Reason) > 500 || len(o.Actor) > 100 {
		return errors.New("--reason has at most 500 bytes and --actor 100")
	}
	if err := errors.Join(wantText("reason", o.Reason), wantText("actor", o.Actor)); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, s.postgresURL)
	if err != nil {
		return fmt.Errorf("open Postgres: %w", err)
	}
	defer pool.Close()
	shop, err := write.New(write.Config{Pool: pool, Log: s.logger()})
	if err != nil {
		return err
	}
	found, err := shop.Reconcile(ctx, o)
	if err != nil {
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(s.stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(found)
	} else {
		err = printReconciliation(s.stdout, found)
	}
	if n := found.Wrong(); err == nil && n > 0 {
		err = fmt.Errorf("%d entries disagree; freshet reconcile --repair --reason … mends them", n)
	}
	return err
}

func printReconciliation(out io.Writer, r *write.Reconciliation) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	lines := []string{"CHECK\tSTORE\tSKU\tORDER\tPAYMENT\tHAVE\tWANT\tSTATE"}
	for _, d := range r.Found {
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s", d.Check, orDash(d.Store), orWord(d.SKU), orDash(d.Order), orDash(d.Payment), d.Have, d.Want, stateOf(d)))
	}
	if len(r.Found) == 0 {
		lines = []string{"the books agree"}
	}
	if r.Resumed > 0 {
		lines = append(lines, fmt.Sprintf("%d halted SKUs agree and are sold again", r.Resumed))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(table, line); err != nil {
			return err
		}
	}
	return table.Flush()
}

func stateOf(d write.Discrepancy) string {
	switch {
	case d.Mended:
		return "mended"
	case d.Why != "":
		return "not mended: " + d.Why
	case d.Halted:
		return "halted"
	}
	return "wrong"
}

func orDash(id int64) string {
	if id == 0 {
		return "-"
	}
	return fmt.Sprint(id)
}

func orWord(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

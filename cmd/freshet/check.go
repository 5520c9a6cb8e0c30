package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"freshet/ingest"
	"freshet/ingest/check"
)

func newCheckCommand(s *settings) *cobra.Command {
	var own ingestSettings
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what would stop ingest, cost it changes, or fill the server's disk",
		Long: `check looks at Postgres (settings, role, publication, replica identities, slot, failover,
long transactions) and at the topics. Each finding comes with its reason and the command
that mends it. Nothing is changed. It ends with 1 if there is an error among them.`,
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCheck(cmd.Context(), s, own, asJSON)
		},
	}
	own.bindStream(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

// errFindings makes the command end with 1; the findings themselves are printed already.
var errFindings = errors.New("check found errors")

func runCheck(ctx context.Context, s *settings, own ingestSettings, asJSON bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	config, err := own.config(s)
	if err != nil {
		return err
	}
	findings, err := ingest.Check(ctx, config)
	if err != nil {
		return err
	}
	if asJSON {
		if findings == nil {
			findings = []check.Finding{}
		}
		encoder := json.NewEncoder(s.stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(findings)
	} else {
		err = printFindings(s.stdout, findings)
	}
	if err == nil && check.Failed(findings) {
		err = errFindings
	}
	return err
}

func printFindings(out io.Writer, findings []check.Finding) error {
	if len(findings) == 0 {
		_, err := fmt.Fprintln(out, "nothing to find fault with")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\n\t\twhy: %s\n", f.Severity, f.Subject, f.What, f.Why); err != nil {
			return err
		}
		if f.Fix != "" {
			if _, err := fmt.Fprintf(table, "\t\tfix: %s\n", f.Fix); err != nil {
				return err
			}
		}
	}
	return table.Flush()
}

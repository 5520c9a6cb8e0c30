package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"freshet/ingest"
)

// newDDLCommand returns the command that installs and removes the event trigger of ingest.
func newDDLCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ddl",
		Short: "Record changes of tables in the log, so that they are published in order",
		Long: `Postgres sends no event for a change of a table's columns; ingest sees it with the table's next
row. ddl install makes an event trigger (in the schema freshet_ddl) that writes every such
statement into the log; it appears on the topic <prefix>.schema at its place among the rows.
It takes a role that may make event triggers, usually a superuser.`,
		GroupID: "data",
	}
	cmd.AddCommand(
		ddlSubcommand(s, "install", "Install the event trigger; safe to run again", ingest.InstallDDL),
		ddlSubcommand(s, "remove", "Remove the event trigger with its functions", ingest.RemoveDDL))
	return cmd
}

func ddlSubcommand(s *settings, use, short string, run func(ctx context.Context, url string) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := run(cmd.Context(), s.postgresURL); err != nil {
				return err
			}
			_, err := fmt.Fprintf(s.stdout, "event trigger: %s done\n", use)
			return err
		},
	}
}

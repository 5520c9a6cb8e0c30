package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"freshet/deploy/postgres"
)

func newMigrateCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "migrate",
		Short:   "Bring the shop's schema up to date; safe to run again and by several at once",
		GroupID: "data",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			applied, err := postgres.Migrate(cmd.Context(), s.postgresURL)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.stdout, "migrations applied: %d\n", applied)
			return err
		},
	}
}

package main

import (
	"runtime"

	"github.com/spf13/cobra"
)

func newVersionCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return s.printf("freshet %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

func newHealthyCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "healthy",
		Short:   "Ask the process at --health whether it is ready; for containers, which have no shell",
		GroupID: "process",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askHealth(cmd.Context(), s.health)
		},
	}
}

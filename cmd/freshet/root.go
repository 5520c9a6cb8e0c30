package main

import "github.com/spf13/cobra"

// newRoot returns the command tree. Each subcommand is a file of its own with a
// function newXCommand(*settings) *cobra.Command, and is listed here.
func newRoot(s *settings) *cobra.Command {
	root := &cobra.Command{
		Use:   "freshet",
		Short: "Product pages and search that follow a shop's Postgres within a second",
		Long: `Freshet reads a shop's Postgres write-ahead log, publishes every committed change to
Kafka, and keeps store pages in MongoDB and a search index in Elasticsearch fresh.

Every setting is a flag and an environment variable: --postgres-url is
FRESHET_POSTGRES_URL. A flag wins. An unknown FRESHET_ variable is an error.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return s.load(cmd)
		},
	}
	s.bind(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: "machine", Title: "On one machine:"},
		&cobra.Group{ID: "process", Title: "Processes:"},
		&cobra.Group{ID: "data", Title: "Data:"},
	)
	root.AddCommand(
		newUpCommand(s),
		newStatusCommand(s),
		newLogsCommand(s),
		newDownCommand(s),
		newCleanCommand(s),
		newWithServersCommand(s),
		newMigrateCommand(s),
		newDDLCommand(s),
		newSeedCommand(s),
		newImportCommand(s),
		newIngestCommand(s),
		newCheckCommand(s),
		newProjectCommand(s),
		newServeCommand(s),
		newSandboxCommand(s),
		newAccountKeysCommand(s),
		newAuditCommand(s),
		newReconcileCommand(s),
		newExplainCommand(s),
		newSearchCommand(s),
		newRebuildCommand(s),
		newReplayCommand(s),
		newReindexCommand(s),
		newReprojectCommand(s),
		newStageCommand(s),
		newSnapshotCommand(s),
		newBenchCommand(s),
		newFreshnessCommand(s),
		newHealthyCommand(s),
		newVersionCommand(s),
	)
	describeEnvironment(root)
	return root
}

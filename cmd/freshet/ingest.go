package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"freshet/deploy/health"
	"freshet/ingest"
)

func newIngestCommand(s *settings) *cobra.Command {
	config := ingest.Config{}
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Read the write-ahead log and put every committed change on Kafka",
		Long: `Reads Postgres through a replication slot of its own, created on the first start together with a
snapshot of all published tables, and publishes every committed change in Debezium's JSON. One
process reads the slot; a second one stands by and takes over when the first ends.`,
		GroupID: "process",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.ingest(cmd.Context(), config) },
	}
	cmd.Flags().BoolVar(&config.Resnapshot, "resnapshot", false, "drop the slot, take a new one and publish every row again")
	return cmd
}

func (s *settings) ingest(ctx context.Context, config ingest.Config) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	config.PostgresURL, config.Brokers, config.Prefix, config.Partitions = s.postgresURL, s.kafka, s.prefix, s.partitions
	config.Slot, config.Version, config.Registerer, config.Logger = s.prefix, version, registry, s.logger()
	in, err := ingest.New(config)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() error { return health.New(s.health, registry).Run(ctx) })
	group.Go(func() error { defer cancel(); return in.Run(ctx) })
	return group.Wait()
}

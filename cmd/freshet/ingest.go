package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"freshet/deploy/health"
	"freshet/ingest"
)

// ingestSettings are the flags of ingest alone.
type ingestSettings struct {
	slot, publication string
	resnapshot, adopt bool
	connections       int
	retention         time.Duration
	compression       string
	linger            time.Duration
	routing           map[string]string
	streaming         string
	streamBytes       int64
	spillDir          string
	origin            string
	transactions      bool
	failover          bool
	replication       int
	minInsync         int
	records           recordSettings
}

func newIngestCommand(s *settings) *cobra.Command {
	var own ingestSettings
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Put every committed change of the published tables on Kafka",
		Long: `ingest reads the shop's write-ahead log through a replication slot and publishes every
committed change to Kafka. The first start makes the slot and publishes every row as of
that instant; later starts go on where the last one ended. Where that can't be proven it
refuses, and says why; --resnapshot then drops the slot, makes a new one and publishes
every row again, and a delete for each row that vanished meanwhile.

A second ingest on the same slot stands by and takes over when the first one ends.

Records are as Debezium writes them by default. The projectors read no other format:
another one needs an ingest of its own, with a --prefix and --slot of its own.`,
		GroupID: "process",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runIngest(cmd.Context(), s, own)
		},
	}
	flags := cmd.Flags()
	own.bindStream(flags)
	flags.BoolVar(&own.adopt, "adopt-slot", false, "begin where an existing slot stands, without a snapshot: takes the place of another reader that has stopped")
	flags.BoolVar(&own.resnapshot, "resnapshot", false, "drop the slot and publish every row again")
	flags.IntVar(&own.connections, "snapshot-connections", 4, "connections that read the tables of the first snapshot, 1 to 64")
	flags.StringVar(&own.compression, "compression", "none", "of batches on Kafka: none, lz4, zstd, snappy or gzip")
	flags.DurationVar(&own.linger, "linger", 0, "least time between two requests of small batches to a broker; a few milliseconds spare a machine that all share")
	flags.StringVar(&own.streaming, "streaming", "on", "large transactions while they run (on), or when they commit (off)")
	flags.Int64Var(&own.streamBytes, "stream-bytes", 16<<20, "memory for large transactions that run, in bytes; the rest goes to --spill-dir")
	flags.StringVar(&own.spillDir, "spill-dir", "", "where large transactions wait for their commit (default the system's)")
	flags.StringVar(&own.origin, "origin", "any", "none leaves out what was replicated from another server; Postgres 16")
	flags.BoolVar(&own.transactions, "transactions", false, "publish BEGIN and END on <prefix>.transaction, and each change's place in between")
	flags.BoolVar(&own.failover, "failover", true, "let standbys keep a copy of the slot (Postgres 17 and later)")
	own.records.bind(flags)
	return cmd
}

// bindStream defines the flags that say what is read and how its topics are; check has them too.
func (own *ingestSettings) bindStream(flags *pflag.FlagSet) {
	flags.StringVar(&own.slot, "slot", "", "the replication slot (default the prefix)")
	flags.StringVar(&own.publication, "publication", "freshet", "the publication to read")
	flags.DurationVar(&own.retention, "retention", 7*24*time.Hour, "how long topics keep changes; dimensions are kept for ever")
	flags.StringToStringVar(&own.routing, "routing", nil, "routing columns that differ from the rule, schema.table=column, comma-separated")
	flags.IntVar(&own.replication, "replication-factor", 0, "copies of each topic that is made (default the broker's)")
	flags.IntVar(&own.minInsync, "min-insync-replicas", 0, "copies that must have a record before it counts as written, for topics that are made (default the broker's)")
}

// config is what the settings say to ingest.
func (own *ingestSettings) config(s *settings) (ingest.Config, error) {
	compression, err := parseCompression(own.compression)
	slot := own.slot
	if slot == "" {
		slot = s.prefix
	}
	config := ingest.Config{
		PostgresURL: s.postgresURL, Brokers: s.kafka, Security: s.security, Prefix: s.prefix, Slot: slot, Publication: own.publication,
		Partitions: s.partitions, Retention: own.retention, Routing: own.routing, Resnapshot: own.resnapshot, AdoptSlot: own.adopt,
		ReplicationFactor: own.replication, MinInsyncReplicas: own.minInsync, NoFailover: !own.failover,
		Streaming: own.streaming, StreamBytes: own.streamBytes, SpillDir: own.spillDir, Origin: own.origin, Transactions: own.transactions,
		Compression: compression, Linger: own.linger, Version: version, Logger: s.logger(),
	}
	own.records.apply(&config)
	return config, err
}

func runIngest(ctx context.Context, s *settings, own ingestSettings) error {
	config, err := own.config(s)
	if err != nil {
		return err
	}
	registry := newRegistry()
	config.Registerer = registry
	in, err := ingest.New(config)
	if err != nil {
		return err
	}
	probe := health.New(s.health, registry)
	probe.Check("stream", in.Healthy)
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() error { return probe.Run(ctx) })
	group.Go(func() error { defer cancel(); return in.Run(ctx) })
	return group.Wait()
}

func parseCompression(name string) (kafka.Compression, error) {
	if strings.EqualFold(name, "none") || name == "" {
		return 0, nil
	}
	var c kafka.Compression
	if err := c.UnmarshalText([]byte(name)); err != nil {
		return 0, fmt.Errorf("--compression %q: want none, lz4, zstd, snappy or gzip", name)
	}
	return c, nil
}

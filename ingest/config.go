package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/topic"
)

// Config is what an Ingest needs. PostgresURL and Brokers must be given; the zero value of every other field means its
// default.
type Config struct {
	// PostgresURL connects to the database itself, not through a transaction pooler: the replication protocol passes none.
	PostgresURL string
	// Brokers are Kafka's bootstrap addresses, host:port.
	Brokers []string
	// Security is how they are reached; default plain TCP without a name.
	Security broker.Security
	// Prefix begins the name of every topic; default "freshet".
	Prefix string
	// Slot is the replication slot; default "freshet". Two prefixes on one database need two slots.
	Slot string
	// Publication names what is read; default "freshet". It must exist.
	Publication string
	// Partitions of every topic that is not a dimension's; default 4. Fixed at creation: another count later is refused.
	Partitions int
	// Retention of table topics; default 7 days. Shorter than a consumer's longest outage means that it must be rebuilt.
	Retention time.Duration
	// ReplicationFactor is how many copies the topics made here have, and MinInsyncReplicas how many must hold a record before
	// it counts as written; default the broker's. With one copy a record goes with its broker; with as many in sync as there
	// are copies, one broker's absence stops ingest.
	ReplicationFactor, MinInsyncReplicas int
	// Dimensions are the tables ("schema.table") with one partition that are kept for ever; default topic.Dimensions().
	Dimensions []string
	// Routing names a table's routing column ("schema.table" -> column) where the rule does not fit: product_id if the
	// table has it (products: id), else order_id (orders: id), else the first column of the key. order_items has both and
	// belongs to its order.
	Routing map[string]string
	// NoFailover makes the slot one that standbys do not copy. By default they do, from Postgres 17 on, if they are set up to
	// (sync_replication_slots): after a failover the stream then goes on. Before 17 it has no meaning.
	NoFailover bool
	// Resnapshot throws the slot and the stored position away and publishes every row again.
	Resnapshot bool
	// AdoptSlot lets a first start begin where an existing slot stands, without a snapshot: to take over the slot of another
	// reader that has stopped. What that reader acknowledged and did not deliver is not delivered by anyone.
	AdoptSlot bool
	// SnapshotConnections is how many connections read the tables of the slot's first snapshot; default 4. One reads slower
	// than Kafka takes; many keep more of the server's processors from the shop. Each holds a snapshot open until the end.
	SnapshotConnections int

	// BufferBytes bounds what is read and not yet acknowledged by Kafka; default 24 MiB. Too small slows catching up,
	// memory grows to about three times of it.
	BufferBytes int64
	// BatchBytes is the size at which a partition's batch is closed; default 512 KiB. Larger ones compress better and
	// wait longer.
	BatchBytes int
	// Linger is the least time between the beginnings of two requests of small batches to a broker; what comes meanwhile shares
	// the second, and what comes alone goes at once. Default none: a request begins as soon as the one before, and as long again,
	// is over. A request costs both sides something however few records it holds, so where ingest, broker and readers share few
	// processors a few milliseconds here leave more of them to what reads the topics (docs/adr/0050).
	Linger time.Duration
	// MaxRecordBytes is the largest record that is published; larger ones go to the dead-letter topic. Default and limit
	// is what the topics take, 8 MiB less 4 KiB.
	MaxRecordBytes int
	// Compression of batches; default none, which costs the least processor time where the broker is near.
	Compression kafka.Compression
	// Streaming says how transactions come that outgrow the server's logical_decoding_work_mem: "off" when they commit, from
	// the server's spill files; "on" while they run, into ours. Default "on".
	Streaming string
	// StreamBytes bounds the memory of transactions that stream and have not ended; default 16 MiB. What is beyond goes to
	// spill files, which cost no more time while the system caches them: larger buys memory for little.
	StreamBytes int64
	// SpillDir takes the spill files; default os.TempDir(). It must hold the largest transactions that run at one time: when
	// it is full the session fails and begins again, and the slot keeps the log.
	SpillDir string
	// Origin is "any" to read all changes, or "none" to leave out those that logical replication from another server
	// brought, which breaks circles; default "any". "none" needs Postgres 16.
	Origin string
	// Transactions publishes BEGIN and END of every transaction on <prefix>.transaction and fills the envelope's transaction
	// block; default false. Costs two records a transaction.
	Transactions bool
	// Format says how values become records; default is Debezium's default. The projectors read that one alone: whoever
	// wants another runs a second ingest with its own Prefix and Slot.
	Format change.Format
	// Registry is the URL of a Confluent-compatible schema registry, user and password in it; needed by Avro alone.
	Registry string
	// NoContextHeaders leaves the four headers __debezium.context.* out, about 190 bytes a record; it is Debezium's
	// extended.headers.enabled=false.
	NoContextHeaders bool
	// NoTombstones leaves out the record with a null value behind every delete (tombstones.on.delete=false). The projectors
	// do without; a compacted topic keeps deleted keys for ever.
	NoTombstones bool
	// SkipTruncates leaves TRUNCATE out, as Debezium's skipped.operations=t does by default. Whoever copies the table then
	// keeps rows that are gone.
	SkipTruncates bool
	// Version is written into source.version of every envelope; default "dev".
	Version string

	// Registerer takes the metrics; default a registry of its own that nobody reads.
	Registerer prometheus.Registerer
	// Logger; default slog.Default().
	Logger *slog.Logger
}

func (c *Config) cluster() broker.Cluster {
	return broker.Cluster{Addresses: c.Brokers, Security: c.Security}
}

func (c *Config) setDefaults() {
	c.Format.SetDefaults()
	or(&c.Prefix, "freshet")
	or(&c.Slot, "freshet")
	or(&c.Publication, "freshet")
	or(&c.Version, "dev")
	or(&c.Streaming, "on")
	or(&c.StreamBytes, 16<<20)
	or(&c.SpillDir, os.TempDir())
	or(&c.Origin, "any")
	or(&c.Partitions, 4)
	or(&c.SnapshotConnections, 4)
	or(&c.Retention, 7*24*time.Hour)
	or(&c.BufferBytes, 24<<20)
	or(&c.BatchBytes, 512<<10)
	or(&c.MaxRecordBytes, topic.MaxRecordBytes-4096)
	if c.Dimensions == nil {
		c.Dimensions = topic.Dimensions()
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// slotName is what Postgres allows.
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

func (c *Config) validate() error {
	var problems []error
	report := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	report(c.PostgresURL == "", "the Postgres URL is missing")
	report(len(c.Brokers) == 0, "the Kafka brokers are missing")
	report(!slotName.MatchString(c.Slot), "slot %q: only a-z, 0-9 and _, at most 63", c.Slot)
	report(c.SnapshotConnections < 1 || c.SnapshotConnections > 64, "snapshot connections %d: want 1 to 64", c.SnapshotConnections)
	report(c.Partitions < 1 || c.Partitions > 1000, "partitions %d: want 1 to 1000", c.Partitions)
	report(c.Retention < time.Minute && c.Retention != topic.Forever, "retention %s: want a minute at least", c.Retention)
	report(c.ReplicationFactor < 0 || c.ReplicationFactor > 100, "replication factor %d: want 1 to 100, or 0 for the broker's", c.ReplicationFactor)
	report(c.MinInsyncReplicas < 0 || (c.ReplicationFactor > 0 && c.MinInsyncReplicas > c.ReplicationFactor),
		"min insync replicas %d: want at most the replication factor, or 0 for the broker's", c.MinInsyncReplicas)
	report(c.Linger < 0 || c.Linger > time.Second, "linger %s: want 0 to 1s", c.Linger)
	report(c.BatchBytes < 1024, "batch bytes %d: want 1024 at least", c.BatchBytes)
	report(c.BufferBytes < int64(c.BatchBytes), "buffer bytes %d: want a batch (%d) at least", c.BufferBytes, c.BatchBytes)
	report(c.MaxRecordBytes < 1024 || c.MaxRecordBytes > topic.MaxRecordBytes-4096, "max record bytes %d: want 1024 to %d", c.MaxRecordBytes, topic.MaxRecordBytes-4096)
	report(c.Streaming != "on" && c.Streaming != "off", "streaming %q: want on or off", c.Streaming)
	report(c.StreamBytes < chunkSize, "stream bytes %d: want %d at least", c.StreamBytes, chunkSize)
	report(c.Origin != "any" && c.Origin != "none", "origin %q: want any or none", c.Origin)
	for table, column := range c.Routing {
		report(!strings.Contains(table, ".") || column == "", "routing %q -> %q: want schema.table -> column", table, column)
	}
	if err := c.Format.Validate(); err != nil {
		problems = append(problems, err)
	}
	report((c.Format.Encoding == change.EncodingAvro) != (c.Registry != ""), "encoding %s and registry %q: Avro needs a schema registry, and nothing else uses one", c.Format.Encoding, c.Registry)
	return errors.Join(problems...)
}

package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/broker"
	"freshet/ingest/change"
)

// IngestConfig says what to drain.
type IngestConfig struct {
	Rows       int   // of the largest case, at least 1000; default 200,000
	Partitions []int // of the topics, each measured by itself; default 1 and 12
}

func (c *IngestConfig) defaults() {
	if c.Rows <= 0 {
		c.Rows = 200_000
	}
	if len(c.Partitions) == 0 {
		c.Partitions = []int{1, 12}
	}
}

// Ingest fills slots with changes of several kinds and measures how fast the same slot contents are drained: by a raw
// reader that throws the messages away, and pg_recvlogical where it is installed, which is what Postgres and the wire can
// give; and by ingest into Kafka, full envelopes, every record acknowledged by all replicas. It works in a database and
// topics of its own, on the target's servers, and removes them.
func Ingest(ctx context.Context, t Target, cfg IngestConfig) (report *Report, err error) {
	cfg.defaults()
	if cfg.Rows < 1000 {
		return nil, fmt.Errorf("%d rows are too few to measure: want 1000 or more", cfg.Rows)
	}
	report = t.report(ctx, "ingest", map[string]string{"rows": strconv.Itoa(cfg.Rows)})
	b := newIngestBench(t, cfg)
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	for i, c := range ingestCases(cfg.Rows) {
		t.Note("%s: %d changes", c.name, c.changes)
		if err := b.run(ctx, report, i, c); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	t.Note("the initial snapshot of %d rows", cfg.Rows)
	if err := b.snapshot(ctx, report); err != nil {
		return nil, fmt.Errorf("the initial snapshot: %w", err)
	}
	return report, nil
}

type ingestBench struct {
	t           Target
	cfg         IngestConfig
	name        string
	admin, conn *pgx.Conn
	url         string
}

func newIngestBench(t Target, cfg IngestConfig) *ingestBench {
	return &ingestBench{t: t, cfg: cfg, name: "freshet_bench_" + strings.ToLower(rand.Text()[:8])}
}

func (b *ingestBench) open(ctx context.Context) (err error) {
	if b.admin, err = pgx.Connect(ctx, b.t.PostgresURL); err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	if b.url, err = createDatabase(ctx, b.admin, b.t.PostgresURL, b.name); err != nil {
		return err
	}
	if b.conn, err = pgx.Connect(ctx, b.url); err != nil {
		return fmt.Errorf("connect to the benchmark's database: %w", err)
	}
	return b.exec(ctx, benchSchema...)
}

// createDatabase makes a database on the server and returns its URL.
func createDatabase(ctx context.Context, admin *pgx.Conn, server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("parse the Postgres URL: %w", err)
	}
	if _, err := admin.Exec(ctx, "create database "+name); err != nil {
		return "", fmt.Errorf("create the benchmark's database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// close drops the database with its slots, and the topics.
func (b *ingestBench) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	if b.conn != nil {
		_, err := b.conn.Exec(ctx, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1", b.name)
		errs = append(errs, err, b.conn.Close(ctx))
	}
	if b.admin != nil {
		_, err := b.admin.Exec(ctx, "drop database if exists "+b.name+" with (force)")
		errs = append(errs, err, b.admin.Close(ctx))
	}
	return errors.Join(append(errs, deleteTopics(ctx, b.t.cluster(), b.name))...)
}

// deleteTopics deletes all topics whose names begin with the prefix.
func deleteTopics(ctx context.Context, cluster broker.Cluster, prefix string) error {
	transport := cluster.Transport("freshet-bench", 0)
	defer transport.CloseIdleConnections()
	client := cluster.Client(transport, 0)
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("list the benchmark's topics: %w", err)
	}
	var names []string
	for _, t := range metadata.Topics {
		if strings.HasPrefix(t.Name, prefix) {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	answer, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: names})
	if err != nil {
		return fmt.Errorf("delete the benchmark's topics: %w", err)
	}
	var errs []error
	for name, err := range answer.Errors {
		if err != nil {
			errs = append(errs, fmt.Errorf("delete topic %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// run measures one case: slots of the same age see the same log.
func (b *ingestBench) run(ctx context.Context, report *Report, number int, c ingestCase) error {
	if err := b.exec(ctx, "truncate bench_event, bench_orders, bench_order_items", "vacuum bench_stock", "checkpoint"); err != nil {
		return err
	}
	slot := func(reader string) string { return fmt.Sprintf("%s_%d_%s", b.name, number, reader) }
	readers := rawReaders()
	for _, r := range readers {
		if err := b.exec(ctx, fmt.Sprintf("select pg_create_logical_replication_slot('%s', 'pgoutput')", slot(r.name))); err != nil {
			return err
		}
	}
	start, err := b.position(ctx)
	if err != nil {
		return err
	}
	for _, partitions := range b.cfg.Partitions {
		// The first run makes the slot; its snapshot is of rows that no case writes.
		if _, err := b.drain(ctx, slot(strconv.Itoa(partitions)), partitions, start); err != nil {
			return fmt.Errorf("prepare ingest: %w", err)
		}
	}
	if err := b.exec(ctx, append([]string{"set synchronous_commit = off"}, append(c.fill, "set synchronous_commit = on", "checkpoint")...)...); err != nil {
		return err
	}
	end, err := b.position(ctx)
	if err != nil {
		return err
	}
	floor := map[string]float64{} // changes per second by reader
	for _, r := range readers {
		took, err := r.read(ctx, b.url, slot(r.name), end)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		floor[r.name] = float64(c.changes) / took.Seconds()
	}
	for _, partitions := range b.cfg.Partitions {
		d, err := b.drain(ctx, slot(strconv.Itoa(partitions)), partitions, end)
		if err != nil {
			return fmt.Errorf("ingest: %w", err)
		}
		row := Row{What: fmt.Sprintf("%s, %s", c.name, plural(partitions, "partition"))}
		for _, r := range readers {
			row.Set(r.name+"/s", floor[r.name])
		}
		d.figures(&row, c.changes)
		for _, r := range readers {
			row.Set("of "+r.name, float64(c.changes)/d.took.Seconds()/floor[r.name])
		}
		report.Rows = append(report.Rows, row)
	}
	// Else the log that they hold would be read past by the next case.
	_, err = b.conn.Exec(ctx, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1", b.name)
	return err
}

// snapshot measures the first start on a full table, beside a COPY of it that is thrown away.
func (b *ingestBench) snapshot(ctx context.Context, report *Report) error {
	if err := b.exec(ctx, "truncate bench_event", "set synchronous_commit = off", inserts(b.cfg.Rows, 1000), "set synchronous_commit = on",
		"vacuum analyze bench_event", "checkpoint"); err != nil {
		return err
	}
	end, err := b.position(ctx)
	if err != nil {
		return err
	}
	copied, err := b.copyOut(ctx)
	if err != nil {
		return err
	}
	for _, partitions := range b.cfg.Partitions {
		d, err := b.drain(ctx, fmt.Sprintf("%s_snapshot_%d", b.name, partitions), partitions, end)
		if err != nil {
			return fmt.Errorf("ingest: %w", err)
		}
		row := Row{What: "initial snapshot, " + plural(partitions, "partition")}
		row.Set("COPY/s", float64(b.cfg.Rows)/copied.Seconds())
		d.figures(&row, b.cfg.Rows)
		row.Set("of COPY", copied.Seconds()/d.took.Seconds())
		report.Rows = append(report.Rows, row)
	}
	return nil
}

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}

func (b *ingestBench) exec(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := b.conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%.60s: %w", s, err)
		}
	}
	return nil
}

func (b *ingestBench) position(ctx context.Context) (change.LSN, error) {
	var s string
	if err := b.conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&s); err != nil {
		return 0, fmt.Errorf("read the position: %w", err)
	}
	return change.ParseLSN(s)
}

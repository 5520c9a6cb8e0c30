package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/segmentio/kafka-go"

	"freshet/ingest"
	"freshet/ingest/change"
	"freshet/projectors/progress"
)

// IngestConfig says what to drain.
type IngestConfig struct {
	Rows       int // per case, at least 1000; default 200,000
	Partitions int // of the topic; default 4
}

func (c *IngestConfig) defaults() {
	if c.Rows <= 0 {
		c.Rows = 200_000
	}
	if c.Partitions <= 0 {
		c.Partitions = 4
	}
}

// largestTransaction is the size at which ingest must still run in the memory it runs in at any other.
const largestTransaction = 100_000

// sizes are the transactions of the cases, in rows.
func (c IngestConfig) sizes() []int {
	return slices.Compact([]int{1, 10, 1000, min(c.Rows, largestTransaction)})
}

// Ingest fills a slot with transactions of several sizes and measures how fast the same slot contents are drained: by a raw
// reader that throws the messages away, which is what Postgres and the wire can give, and by ingest into Kafka with every
// record acknowledged. It works in a database and topics of its own, on the target's servers, and removes them.
func Ingest(ctx context.Context, t Target, cfg IngestConfig) (report *Report, err error) {
	cfg.defaults()
	if cfg.Rows < 1000 {
		return nil, fmt.Errorf("%d rows are too few to measure: want 1000 or more", cfg.Rows)
	}
	report = t.report(ctx, "ingest", map[string]string{"rows": strconv.Itoa(cfg.Rows), "partitions": strconv.Itoa(cfg.Partitions)})
	b := &ingestBench{t: t, cfg: cfg, name: "freshet_bench_" + strings.ToLower(rand.Text()[:8])}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	for _, size := range cfg.sizes() {
		t.Note("%d rows in transactions of %d", cfg.Rows, size)
		if err := b.run(ctx, report, size); err != nil {
			return nil, fmt.Errorf("transactions of %d rows: %w", size, err)
		}
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

const benchSchema = `create table bench_rows (id bigint primary key, product_id bigint not null, amount bigint not null,
	title text not null, attributes jsonb not null, at timestamptz not null default now());
create publication freshet for table bench_rows`

func (b *ingestBench) open(ctx context.Context) (err error) {
	if b.admin, err = pgx.Connect(ctx, b.t.PostgresURL); err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	if _, err = b.admin.Exec(ctx, "create database "+b.name); err != nil {
		return fmt.Errorf("create the benchmark's database: %w", err)
	}
	u, err := url.Parse(b.t.PostgresURL)
	if err != nil {
		return fmt.Errorf("parse the Postgres URL: %w", err)
	}
	u.Path = "/" + b.name
	b.url = u.String()
	if b.conn, err = pgx.Connect(ctx, b.url); err != nil {
		return fmt.Errorf("connect to the benchmark's database: %w", err)
	}
	if _, err := b.conn.Exec(ctx, benchSchema); err != nil {
		return fmt.Errorf("create the benchmark's table: %w", err)
	}
	return nil
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
	return errors.Join(append(errs, deleteTopics(ctx, b.t.Brokers, b.name))...)
}

// deleteTopics deletes all topics whose names begin with the prefix.
func deleteTopics(ctx context.Context, brokers []string, prefix string) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}
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

// run measures one transaction size: two slots of the same age see the same log.
func (b *ingestBench) run(ctx context.Context, report *Report, size int) error {
	if _, err := b.conn.Exec(ctx, "truncate bench_rows"); err != nil {
		return fmt.Errorf("empty the table: %w", err)
	}
	slot := fmt.Sprintf("%s_%d", b.name, size)
	if _, err := b.conn.Exec(ctx, "select pg_create_logical_replication_slot($1, 'pgoutput')", slot+"_raw"); err != nil {
		return fmt.Errorf("create the raw reader's slot: %w", err)
	}
	start, err := b.position(ctx)
	if err != nil {
		return err
	}
	if _, _, err := b.drain(ctx, slot, start); err != nil { // makes the slot and takes the empty snapshot
		return fmt.Errorf("prepare ingest: %w", err)
	}
	if err := b.fill(ctx, size); err != nil {
		return err
	}
	end, err := b.position(ctx)
	if err != nil {
		return err
	}
	raw, err := readRaw(ctx, b.url, slot+"_raw", end)
	if err != nil {
		return fmt.Errorf("raw reader: %w", err)
	}
	took, rss, err := b.drain(ctx, slot, end)
	if err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	rows := float64(b.cfg.Rows / size * size)
	row := Row{What: fmt.Sprintf("%d rows/tx", size)}
	row.Set("raw rows/s", rows/raw.Seconds())
	row.Set("ingest rows/s", rows/took.Seconds())
	row.Set("ratio", raw.Seconds()/took.Seconds())
	row.Set("peak RSS MB", float64(rss)/(1<<20))
	report.Rows = append(report.Rows, row)
	return b.dropSlots(ctx, slot)
}

// dropSlots lets the log go that the next case would otherwise have to read past.
func (b *ingestBench) dropSlots(ctx context.Context, slot string) error {
	_, err := b.conn.Exec(ctx, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name in ($1, $2)", slot, slot+"_raw")
	if err != nil {
		return fmt.Errorf("drop the slots: %w", err)
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

// fill inserts the rows, size a transaction, on the server's side.
func (b *ingestBench) fill(ctx context.Context, size int) error {
	sql := fmt.Sprintf(`do $$ begin for t in 0 .. %d loop
		insert into bench_rows (id, product_id, amount, title, attributes)
		select i, i %% 20000, i * 7, 'Pomodori pelati biologici in scatola ' || i, jsonb_build_object('weight_g', 400, 'colour', 'rosso', 'organic', true)
		from generate_series(t * %d + 1, (t + 1) * %d) i; commit; end loop; end $$`, b.cfg.Rows/size-1, size, size)
	// One statement a message: several in one are a transaction, in which the block may not commit.
	for _, statement := range []string{"set synchronous_commit = off", sql, "set synchronous_commit = on", "checkpoint"} {
		if _, err := b.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("insert the rows: %.40s: %w", statement, err)
		}
	}
	return nil
}

// drain runs ingest until its progress has passed the position, and returns how long that took and the process's peak RSS.
func (b *ingestBench) drain(ctx context.Context, slot string, end change.LSN) (time.Duration, int64, error) {
	in, err := ingest.New(ingest.Config{
		PostgresURL: b.url, Brokers: b.t.Brokers, Prefix: slot, Slot: slot, Publication: "freshet",
		Partitions: b.cfg.Partitions, Retention: time.Hour, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return 0, 0, err
	}
	tracker, err := progress.New(progress.Config{Brokers: b.t.Brokers, Prefix: slot}, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, 0, err
	}
	debug.FreeOSMemory() // what the cases before have left is not this one's
	resetPeak()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	start := time.Now()
	go func() { ended <- in.Run(ctx) }()
	go func() { ended <- tracker.Run(ctx) }()
	waited := make(chan error, 1)
	go func() { waited <- tracker.Wait(ctx, end, "ingest") }()
	var runErr error
	running := 2
	select {
	case err = <-waited:
	case runErr = <-ended:
		running--
		err = errors.New("it ended before the log did")
	}
	took := time.Since(start)
	cancel()
	for range running {
		runErr = errors.Join(runErr, <-ended)
	}
	if err != nil {
		return 0, 0, errors.Join(err, runErr)
	}
	return took, peakRSS(), runErr
}

var errEnd = errors.New("end of the log")

// readRaw reads the slot's messages up to the position and throws them away.
func readRaw(ctx context.Context, dsn, slot string, end change.LSN) (time.Duration, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return 0, fmt.Errorf("parse the Postgres URL: %w", err)
	}
	cfg.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // a walsender in the middle of its stream has no orderly end
	start := time.Now()
	if err := discard(ctx, conn, slot, end); !errors.Is(err, errEnd) {
		return 0, err
	}
	return time.Since(start), nil
}

package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/ingest/validator"
)

// patience bounds every wait: a machine shared with other servers and tests is slow at times.
const patience = 5 * time.Minute

// world is a Postgres, a Kafka, the network between them and ingest, all the test's own, and what watches them.
type world struct {
	t        testing.TB
	postgres *stacktest.Server
	broker   *stacktest.Broker
	links    map[string]*link // by server
	settings settings
	url      string // of the database, not through the network that is spoilt
	ingest   *child

	nemesis   *nemesis
	topics    *topics
	validator *validator.Validator
	oracle    *validator.Oracle
	source    *source

	faults   map[string]int
	recovery []time.Duration
}

const slot = "freshet"

func newWorld(t testing.TB, seed uint64, pace time.Duration) *world {
	t.Helper()
	w := &world{t: t, links: map[string]*link{"postgres": newLink(t, "postgres"), "kafka": newLink(t, "kafka")}, faults: map[string]int{}}
	w.broker = stacktest.KafkaBroker(t, w.links["kafka"].port())
	w.links["kafka"].connect(w.broker.Relayed())
	w.postgres = stacktest.PostgresServer(t, 17, "max_wal_size=2GB", "log_min_messages=panic")
	w.links["postgres"].connect(w.postgres.Addr())
	database, url := w.postgres.Database(t)
	w.url = url
	w.settings = settings{
		PostgresURL: "postgres://postgres@" + w.links["postgres"].address() + "/" + database,
		Brokers:     []string{w.links["kafka"].address()}, Prefix: "proof", Slot: slot, Partitions: partitions, Dimensions: []string{"public.stores"},
	}
	w.prepare()
	w.watch(w.broker.Addr())
	w.nemesis = newNemesis(url, seed, pace)
	t.Cleanup(w.nemesis.close)
	return w
}

// watch makes what reads the topics and judges them.
func (w *world) watch(broker string) {
	transport := &kafka.Transport{MetadataTTL: 200 * time.Millisecond}
	w.t.Cleanup(transport.CloseIdleConnections)
	all := tables(w.settings.Prefix)
	byTopic := map[string]validator.Table{}
	w.source = &source{published: map[string]bool{}}
	for _, table := range all {
		byTopic[table.Topic] = table
		w.source.published[table.Name] = true
	}
	w.validator, w.oracle = validator.New(byTopic), validator.NewOracle(all...)
	w.topics = &topics{
		client: &kafka.Client{Addr: kafka.TCP(broker), Transport: transport, Timeout: 20 * time.Second},
		prefix: w.settings.Prefix, validator: w.validator, tables: all, next: map[string][]int64{}, swept: map[string]change.Position{},
	}
}

// prepare makes the tables and the witness, before anything is written.
func (w *world) prepare() {
	w.t.Helper()
	w.sql(sourceSQL, "select pg_create_logical_replication_slot('"+witness+"', 'pgoutput')",
		"insert into items (id, v, note) select i, i, repeat('x', 3000) from generate_series(2000, 2100) i")
}

// sql runs statements on a connection of their own: the server may have been killed since the last.
func (w *world) sql(statements ...string) {
	w.t.Helper()
	w.connected(func(ctx context.Context, conn *pgx.Conn) error {
		for _, s := range statements {
			if _, err := conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("%.200s: %w", s, err)
			}
		}
		return nil
	})
}

func (w *world) connected(f func(ctx context.Context, conn *pgx.Conn) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }() // its work is done
	if err := f(ctx, conn); err != nil {
		w.t.Fatal(err)
	}
}

// wal is the end of the log now.
func (w *world) wal() (lsn change.LSN) {
	w.t.Helper()
	w.connected(func(ctx context.Context, conn *pgx.Conn) error {
		var text string
		if err := conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
			return err
		}
		var err error
		lsn, err = change.ParseLSN(text)
		return err
	})
	return lsn
}

func (w *world) start() {
	w.t.Helper()
	w.ingest = startChild(w.t, w.settings)
}

// caughtUp waits until everything committed so far is on Kafka.
func (w *world) caughtUp() {
	w.t.Helper()
	if err := w.topics.follow(w.t.Context(), w.wal(), func() error { return w.ingest.ended() }); err != nil {
		w.t.Fatalf("%v\n%s", err, w.ingest.tail(15))
	}
	if w.nemesis != nil {
		w.nemesis.kept.Store(keepNothing) // a first snapshot is whole by now
	}
}

// verify compares everything up to the newest cut with the source.
func (w *world) verify() {
	w.t.Helper()
	w.caughtUp() // with what was ordered
	w.snapshotsEnd()
	w.caughtUp()
	below := w.validator.Cut()
	w.connected(func(ctx context.Context, conn *pgx.Conn) error {
		w.source.conn = conn
		commits, err := w.source.commits(ctx, below)
		if err == nil {
			w.oracle.Verify(w.validator.Complete(below), commits)
			w.oracle.Settle()
		}
		return err
	})
	for _, failure := range append(w.validator.Failures(), w.oracle.Failures()...) {
		w.t.Error(failure)
	}
	if w.t.Failed() {
		w.t.Log(w.topics.histories(w.t.Context(), append(w.validator.Failures(), w.oracle.Failures()...)))
		w.t.FailNow()
	}
}

// finish checks what only the end can show, and the tables themselves.
func (w *world) finish() {
	w.t.Helper()
	w.verify()
	w.validator.Finish()
	w.oracle.CompareChecksums(w.validator)
	for _, failure := range append(w.validator.Failures(), w.oracle.Failures()...) {
		w.t.Error(failure)
	}
	w.compareTables()
	w.checkLooseMessages()
	if n := w.topics.count(w.t.Context(), change.DeadLetterTopic(w.settings.Prefix)); n != 0 {
		w.t.Errorf("%d dead letters, want none", n)
	}
	w.ingest.end(syscall.SIGTERM)
}

// checkLooseMessages knows each message on the topic. That all are there it can't ask: a server that is killed forgets what
// was not part of a transaction.
func (w *world) checkLooseMessages() {
	w.t.Helper()
	found := w.oracle.LooseMessages()
	for _, m := range found {
		var message struct{ Prefix, Content string }
		if err := json.Unmarshal([]byte(m), &message); err != nil || message.Prefix != "nemesis" || !w.nemesis.loose[message.Content] {
			w.t.Errorf("message %s was never written: %v", m, err)
		}
	}
	if len(found) == 0 {
		w.t.Error("no message outside a transaction was seen")
	}
}

// compareTables holds the folded topics against the tables of the database: the triggers' word is not taken for it.
func (w *world) compareTables() {
	w.t.Helper()
	w.connected(func(ctx context.Context, conn *pgx.Conn) error {
		for _, table := range tables(w.settings.Prefix) {
			if table.Name == messages {
				continue
			}
			rows, err := conn.Query(ctx, "select to_jsonb(x)::text from "+strings.TrimPrefix(table.Name, "public.")+" x")
			if err != nil {
				return err
			}
			images, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			for _, difference := range w.oracle.Compare(table.Name, images) {
				w.t.Error(difference)
			}
		}
		return nil
	})
}

// count is how many records a topic of one partition has.
func (tp *topics) count(ctx context.Context, topic string) int64 {
	answer, err := tp.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(0)}}})
	if err != nil || len(answer.Topics[topic]) != 1 || answer.Topics[topic][0].Error != nil {
		return -1
	}
	return answer.Topics[topic][0].LastOffset
}

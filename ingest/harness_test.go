package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest"
	"freshet/ingest/change"
)

// rig is one test's database, topics and ingest.
type rig struct {
	t      testing.TB
	url    string
	prefix string
	config ingest.Config
	conn   *pgx.Conn
	client *kafka.Client
}

// patience bounds every wait: a machine shared with four servers and other tests is slow at times.
const patience = 60 * time.Second

func newRig(t testing.TB, schema ...string) *rig {
	t.Helper()
	brokers, prefix := stacktest.Kafka(t)
	return newRigAt(t, brokers, prefix, schema...)
}

// newRigAt is newRig with brokers of the test's own.
func newRigAt(t testing.TB, brokers []string, prefix string, schema ...string) *rig {
	t.Helper()
	r := &rig{t: t, url: database(t), prefix: prefix}
	transport := &kafka.Transport{MetadataTTL: 200 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	r.client = &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 20 * time.Second}
	conn, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(t, conn) })
	r.conn = conn
	// The slot's name is unique on the server, not in the database.
	r.config = ingest.Config{
		PostgresURL: r.url, Brokers: brokers, Prefix: prefix, Slot: prefix, Partitions: 3,
		Dimensions: []string{"public.stores"}, Version: "test", Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	r.exec(schema...)
	return r
}

func closeConn(t testing.TB, conn *pgx.Conn) {
	if err := conn.Close(context.Background()); err != nil {
		t.Log(err)
	}
}

func (r *rig) exec(statements ...string) {
	r.t.Helper()
	for _, s := range statements {
		if _, err := r.conn.Exec(r.t.Context(), s); err != nil {
			r.t.Fatalf("%.200s: %v", s, err)
		}
	}
}

// running is an ingest that runs until stop.
type running struct {
	stop func() error
	done chan error
}

// start runs an ingest in the background; it is stopped at the test's end if not before.
func (r *rig) start(change ...func(*ingest.Config)) *running {
	r.t.Helper()
	config := r.config
	for _, f := range change {
		f(&config)
	}
	in, err := ingest.New(config)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &running{done: make(chan error, 1)}
	go func() {
		err := in.Run(ctx)
		run.done <- err
		close(run.done)
	}()
	run.stop = func() error {
		cancel()
		return <-run.done
	}
	r.t.Cleanup(func() {
		if err := run.stop(); err != nil {
			r.t.Logf("ingest ended: %v", err)
		}
	})
	return run
}

// refused waits until ingest ends with a refusal.
func (run *running) refused(t testing.TB) *ingest.RefusedError {
	t.Helper()
	select {
	case err := <-run.done:
		var refused *ingest.RefusedError
		if !errors.As(err, &refused) {
			t.Fatalf("got %v, no refusal", err)
		}
		return refused
	case <-time.After(patience):
		t.Fatal("ingest goes on")
		return nil
	}
}

// wal is the end of the log now: whatever was committed before ends at or before it.
func (r *rig) wal() change.LSN {
	r.t.Helper()
	var text string
	if err := r.conn.QueryRow(r.t.Context(), "select pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		r.t.Fatal(err)
	}
	lsn, err := change.ParseLSN(text)
	if err != nil {
		r.t.Fatal(err)
	}
	return lsn
}

// settle waits until everything committed so far is on Kafka by ingest's own word.
func (r *rig) settle() change.Progress {
	r.t.Helper()
	target := r.wal()
	deadline := time.Now().Add(patience)
	var last change.Progress
	for offset := int64(0); time.Now().Before(deadline); {
		events, err := r.read(change.ProgressTopic(r.prefix), 0, offset)
		if err != nil { // the topic is not there yet, or has no leader
			<-time.After(50 * time.Millisecond)
			continue
		}
		offset += int64(len(events))
		for _, e := range events {
			if last, err = change.DecodeProgress(e.value); err != nil {
				r.t.Fatal(err)
			}
		}
		if last.LSN >= target {
			return last
		}
	}
	r.t.Fatalf("progress stands at %s and never reached %s", last.LSN, target)
	return last
}

// until polls for a condition.
func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !is(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// records counts what was ever written to a table's topic.
func (r *rig) records(table string) int64 {
	r.t.Helper()
	topic := change.Topic(r.prefix, "public", table)
	request := map[string][]kafka.OffsetRequest{}
	for p := range r.config.Partitions {
		request[topic] = append(request[topic], kafka.LastOffsetOf(p))
	}
	answer, err := r.client.ListOffsets(r.t.Context(), &kafka.ListOffsetsRequest{Topics: request})
	if err != nil {
		return 0 // not there yet
	}
	var n int64
	for _, p := range answer.Topics[topic] {
		n += max(0, p.LastOffset)
	}
	return n
}

// rawRecord is a record as it lies on a topic.
type rawRecord struct {
	partition  int
	offset     int64
	key, value []byte
	headers    []change.Header
	event      change.Event
}

func (r rawRecord) header(name string) string {
	for _, h := range r.headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// read returns the records of a partition from offset on, at once.
func (r *rig) read(topic string, partition int, offset int64) ([]rawRecord, error) {
	var out []rawRecord
	for {
		answer, err := r.client.Fetch(r.t.Context(), &kafka.FetchRequest{
			Topic: topic, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 16 << 20, MaxWait: 100 * time.Millisecond,
		})
		if err == nil {
			err = answer.Error
		}
		if err != nil {
			return nil, err
		}
		n := len(out)
		for {
			record, err := answer.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if record.Offset < offset {
				continue
			}
			offset = record.Offset + 1
			raw := rawRecord{partition: partition, offset: record.Offset}
			if raw.key, err = kafka.ReadAll(record.Key); err != nil {
				return nil, err
			}
			if raw.value, err = kafka.ReadAll(record.Value); err != nil {
				return nil, err
			}
			for _, h := range record.Headers {
				raw.headers = append(raw.headers, change.Header{Key: h.Key, Value: h.Value})
			}
			out = append(out, raw)
		}
		if len(out) == n || offset >= answer.HighWatermark {
			return out, nil
		}
	}
}

// events returns everything on a table's topic, ordered by position; records of one position keep their order.
func (r *rig) events(table string) []rawRecord {
	r.t.Helper()
	topic := change.Topic(r.prefix, "public", table)
	partitions := r.config.Partitions
	if slices.Contains(r.config.Dimensions, "public."+table) {
		partitions = 1
	}
	var all []rawRecord
	for p := range partitions {
		var records []rawRecord
		var err error
		for deadline := time.Now().Add(patience); ; <-time.After(50 * time.Millisecond) { // a partition may be without a leader for a moment
			if records, err = r.read(topic, p, 0); err == nil {
				break
			}
			if time.Now().After(deadline) {
				r.t.Fatalf("read %s/%d: %v", topic, p, err)
			}
		}
		all = append(all, records...)
	}
	for i := range all {
		var err error
		if all[i].event, err = change.Decode(all[i].key, all[i].value, all[i].headers); err != nil {
			r.t.Fatalf("%s/%d@%d: %v", topic, all[i].partition, all[i].offset, err)
		}
	}
	slices.SortStableFunc(all, func(a, b rawRecord) int { return a.event.Position.Compare(b.event.Position) })
	return all
}

// lines renders events shortly, for comparison.
func lines(events []rawRecord) []string {
	out := make([]string, len(events))
	for i, e := range events {
		if e.event.Op == change.Tombstone {
			out[i] = fmt.Sprintf("%s -", e.key)
			continue
		}
		out[i] = fmt.Sprintf("%s %c %s -> %s", orNull(e.key), e.event.Op, orNull(e.event.Before), orNull(e.event.After))
	}
	return out
}

func orNull(b []byte) string {
	if b == nil {
		return "null"
	}
	return string(b)
}

func compare(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", join(got), join(want))
	}
}

func join(lines []string) string {
	var out string
	for _, l := range lines {
		out += "\t" + l + "\n"
	}
	return out
}

// fold keeps each key's newest row, as any consumer does.
func fold(events []rawRecord) map[string]string {
	type version struct {
		position change.Position
		row      string
	}
	rows := map[string]version{}
	for _, e := range events {
		if e.event.Op == change.Tombstone || e.event.Op == change.Truncate {
			continue
		}
		if old, ok := rows[string(e.key)]; !ok || e.event.Position.After(old.position) {
			rows[string(e.key)] = version{e.event.Position, string(e.event.After)}
		}
	}
	out := map[string]string{}
	for key, v := range rows {
		if v.row != "" {
			out[key] = v.row
		}
	}
	return out
}

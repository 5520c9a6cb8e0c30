package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/ingest"
	"freshet/ingest/change"
)

// childVariable holds the configuration of an ingest that this test binary runs instead of tests, so that it can be killed.
const childVariable = "FRESHET_TEST_INGEST_CHILD"

func TestMain(m *testing.M) {
	raw := os.Getenv(childVariable)
	if raw == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var config ingest.Config
	err := json.Unmarshal([]byte(raw), &config)
	if err == nil {
		var in *ingest.Ingest
		if in, err = ingest.New(config); err == nil {
			err = in.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Ingest takes the place of another reader of the slot: what that one has acknowledged does not come again, all else does,
// and no row comes as a snapshot.
func TestAdoptsAnotherReadersSlot(t *testing.T) {
	r := newRig(t, "create table t (id int primary key)", "create publication freshet for table t")
	r.exec("select pg_create_logical_replication_slot('"+r.config.Slot+"', 'pgoutput')", "insert into t values (1)",
		"select pg_replication_slot_advance('"+r.config.Slot+"', pg_current_wal_lsn())", "insert into t values (2)")
	run := r.start()
	var refused *ingest.RefusedError
	if err := <-run.done; !errors.As(err, &refused) || !strings.Contains(err.Error(), "--adopt-slot") {
		t.Fatalf("without being told to it began with %v", err)
	}
	run = r.start(func(c *ingest.Config) { c.AdoptSlot = true })
	r.settle()
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.exec("insert into t values (3)")
	r.start()
	r.settle()
	compare(t, lines(r.events("t")), []string{`{"id":2} c null -> {"id":2}`, `{"id":3} c null -> {"id":3}`})
}

// child runs the rig's ingest in a process of its own.
func (r *rig) child() *exec.Cmd {
	r.t.Helper()
	raw, err := json.Marshal(struct {
		PostgresURL, Prefix, Slot string
		Brokers, Dimensions       []string
		Partitions                int
		Streaming, SpillDir       string
		StreamBytes               int64
	}{
		r.config.PostgresURL, r.config.Prefix, r.config.Slot, r.config.Brokers, r.config.Dimensions, r.config.Partitions,
		r.config.Streaming, r.config.SpillDir, r.config.StreamBytes,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(raw))
	cmd.Stderr = r.t.Output()
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return cmd
}

const counters = `create table products (id bigint primary key, v bigint not null);
	create table prices (id bigint primary key, product_id bigint not null, v bigint not null);
	create publication freshet for table products, prices`

// write commits transactions of several rows until the context ends.
func (r *rig) write(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, r.url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	whole := context.WithoutCancel(ctx) // a statement that is cut off may commit after the test has looked
	for n := 0; ctx.Err() == nil; n++ {
		_, err := conn.Exec(whole, fmt.Sprintf(`
			with p as (insert into products select i, %[1]d from generate_series(%[1]d, %[1]d + 9) i on conflict (id) do update set v = excluded.v returning id)
			insert into prices select id, id, %[1]d from p on conflict (id) do update set v = excluded.v`, n))
		if err == nil && n%5 == 4 {
			_, err = conn.Exec(whole, fmt.Sprintf(`delete from prices where id = %d`, n-3))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestKilled kills ingest again and again under load: nothing may be missing, neither a row of the end state nor an index
// of any transaction.
func TestKilled(t *testing.T) {
	r := newRig(t, counters, `insert into products select i, -1 from generate_series(100000, 102000) i`)
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- r.write(ctx) }()
	for i := range 6 {
		cmd := r.child()
		<-time.After(time.Duration(300+200*i) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.start()
	r.settle()
	r.check()
}

// TestStopped does the same with orderly stops, after which nothing is repeated.
func TestStopped(t *testing.T) {
	r := newRig(t, counters)
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- r.write(ctx) }()
	for range 4 {
		run := r.start()
		<-time.After(700 * time.Millisecond)
		if err := run.stop(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.start()
	r.settle()
	events := r.check()
	seen := map[string]bool{}
	for _, e := range events {
		id := fmt.Sprintf("%s %d in partition %d", e.header(change.HeaderEventID), e.event.Op, e.partition)
		if e.event.Op != change.Read && seen[id] {
			t.Fatalf("event %s came twice though every stop was orderly", id)
		}
		seen[id] = true
	}
}

// check compares the folded topics with the tables, and demands that the indices of every transaction have no gap.
func (r *rig) check() []rawRecord {
	r.t.Helper()
	var all []rawRecord
	for _, table := range []string{"products", "prices"} {
		events := r.events(table)
		all = append(all, events...)
		got := fold(events)
		rows, err := r.conn.Query(r.t.Context(), fmt.Sprintf(`select '{"id":' || id || '}', replace(row_to_json(x)::text, ': ', ':') from %s x`, table))
		if err != nil {
			r.t.Fatal(err)
		}
		want := map[string]string{}
		var key, row string
		if _, err := pgx.ForEachRow(rows, []any{&key, &row}, func() error { want[key] = row; return nil }); err != nil {
			r.t.Fatal(err)
		}
		for k, v := range want {
			if got[k] != v {
				r.t.Errorf("%s %s: on Kafka %s, in Postgres %s", table, k, got[k], v)
			}
		}
		if len(got) != len(want) {
			r.t.Errorf("%s: %d rows on Kafka, %d in Postgres", table, len(got), len(want))
		}
	}
	messages, err := r.read(change.MessageTopic(r.prefix), 0, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range messages { // they have places among the rows
		if m.event, err = change.Decode(m.key, m.value, m.headers); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, m)
	}
	indices := map[change.LSN]map[uint64]bool{}
	for _, e := range all {
		commit := e.event.Position.Commit
		if e.event.Op == change.Read {
			continue // snapshots that were cut off have gaps, and are replaced
		}
		if indices[commit] == nil {
			indices[commit] = map[uint64]bool{}
		}
		indices[commit][e.event.Position.Index] = true
	}
	for commit, set := range indices {
		for i := uint64(1); i <= uint64(len(set)); i++ {
			if !set[i] {
				r.t.Errorf("transaction %s: index %d of %d is missing", commit, i, len(set))
			}
		}
	}
	r.t.Logf("%d records, %d transactions", len(all), len(indices))
	return all
}

// TestRefusals is pitfall 18: whatever does not continue where the last run ended is refused, with the command that repairs
// it, and that command does.
func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		spoil func(r *rig)
		want  string
	}{
		"slot dropped": {func(r *rig) {
			r.exec(`select pg_drop_replication_slot('` + r.prefix + `')`)
		}, "is gone"},
		"slot made again": {func(r *rig) {
			r.exec(`select pg_drop_replication_slot('`+r.prefix+`')`, `insert into products values (77, 1)`,
				`select pg_create_logical_replication_slot('`+r.prefix+`', 'pgoutput')`)
		}, "made again, or someone else read from it"},
		"slot read by another": {func(r *rig) {
			r.exec(`insert into products values (78, 1)`, `select pg_replication_slot_advance('`+r.prefix+`', pg_current_wal_lsn())`)
		}, "someone else read from it"},
		"slot of another plugin": {func(r *rig) {
			r.exec(`select pg_drop_replication_slot('`+r.prefix+`')`, `select pg_create_logical_replication_slot('`+r.prefix+`', 'test_decoding')`)
		}, "belongs to plugin test_decoding"},
		"another publication": {func(r *rig) {
			r.exec(`create publication other for table products`)
			r.config.Publication = "other"
		}, "publication freshet; configured are"},
		"position lost":    {func(r *rig) { r.config.Prefix += "x" }, "holds no position"},
		"other partitions": {func(r *rig) { r.config.Partitions = 5 }, "has 3 partitions, the configuration says 5"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, counters, `insert into products values (1, 1)`)
			run := r.start()
			r.settle()
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			test.spoil(r)
			err := <-r.start().done
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			var refused *ingest.RefusedError
			if !errors.As(err, &refused) {
				return
			}
			if name == "slot of another plugin" {
				return // it is not ours to drop
			}
			if !strings.Contains(err.Error(), "--resnapshot") {
				t.Errorf("no repair named: %v", err)
			}
			r.start(func(c *ingest.Config) { c.Resnapshot = true })
			if r.config.Prefix == r.prefix && r.config.Publication == "" {
				r.settle()
				r.check()
			}
		})
	}
}

func TestStandby(t *testing.T) {
	r := newRig(t, counters)
	first := r.start()
	r.settle()
	second := r.start()
	r.exec(`insert into products values (1, 1)`)
	r.settle()
	select {
	case err := <-second.done:
		t.Fatalf("the standby ended: %v", err)
	default:
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	r.exec(`insert into products values (2, 2)`)
	r.settle()
	r.check()
}

// TestSnapshotUnderWrites starts the first snapshot in the midst of writes: the handoff to the stream loses nothing.
func TestSnapshotUnderWrites(t *testing.T) {
	r := newRig(t, counters, `insert into products select i, -1 from generate_series(100000, 110000) i`)
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- r.write(ctx) }()
	r.start()
	r.settle()
	<-time.After(500 * time.Millisecond)
	cancel()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.check()
}

// TestLargeTransaction streams a transaction much larger than the buffer in flat memory.
func TestLargeTransaction(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key, v bigint, note text)`, `create publication freshet for table products`)
	r.config.BufferBytes = 8 << 20
	r.start()
	r.settle()
	debug.FreeOSMemory()
	var peak uint64
	stop := make(chan struct{})
	sampled := make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.Sys-m.HeapReleased)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	began := time.Now()
	r.exec(`insert into products select i, i, repeat('x', 200) from generate_series(1, 100000) i`)
	committed := time.Now()
	r.settle()
	t.Logf("100000 rows committed in %s, published in %s more", committed.Sub(began), time.Since(committed))
	close(stop)
	<-sampled
	if peak > 200<<20 {
		t.Errorf("memory rose to %d MiB", peak>>20)
	}
	t.Logf("memory at most %d MiB", peak>>20)
	if events := r.events("products"); len(events) != 100000 || events[99999].event.Position.Index != 100000 {
		t.Errorf("%d events", len(events))
	}
}

// TestIdle shows that progress and the slot follow the log while only unpublished tables are written.
func TestIdle(t *testing.T) {
	r := newRig(t, counters, `create table private (id int)`)
	r.start()
	r.settle()
	r.exec(`insert into private select generate_series(1, 1000)`)
	began := time.Now()
	r.settle()
	t.Logf("progress passed an unpublished commit after %s", time.Since(began))
	r.acknowledged()
}

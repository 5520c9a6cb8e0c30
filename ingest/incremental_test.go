package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/ingest"
	"freshet/ingest/change"
)

// order sends a signal the way freshet snapshot does.
func (r *rig) order(sig ingest.Signal) {
	r.t.Helper()
	if err := ingest.Send(r.t.Context(), r.url, sig); err != nil {
		r.t.Fatal(err)
	}
}

// status is a snapshot's, as stored; nil when it is not known.
func (r *rig) status(id string) *ingest.Snapshot {
	r.t.Helper()
	var all []ingest.Snapshot
	var err error
	for deadline := time.Now().Add(patience); ; { // the broker of many tests may be slow to answer
		if all, err = ingest.Snapshots(r.t.Context(), r.config.Brokers, r.prefix); err == nil {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i]
		}
	}
	return nil
}

// finished waits for a snapshot's end.
func (r *rig) finished(id, state string) ingest.Snapshot {
	r.t.Helper()
	var last *ingest.Snapshot
	r.until("snapshot "+id+" to end", func() bool {
		last = r.status(id)
		return last != nil && last.Finished()
	})
	if last.State != state {
		r.t.Errorf("snapshot %s is %s (%s), want %s", id, last.State, last.Reason, state)
	}
	return *last
}

// lastWins folds a topic as a reader does that knows no positions: the newest record of a key in its partition is the row.
// It also demands that no image of a key is followed by an older one but where a delivery is repeated.
func (r *rig) lastWins(table string) map[string]string {
	r.t.Helper()
	out := map[string]string{}
	for p := range r.config.Partitions {
		records, err := r.read(change.Topic(r.prefix, "public", table), p, 0)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, record := range records {
			ev, err := change.Decode(record.key, record.value, record.headers)
			if err != nil {
				r.t.Fatal(err)
			}
			if ev.After == nil {
				delete(out, string(record.key))
				continue
			}
			out[string(record.key)] = string(ev.After)
		}
	}
	return out
}

// table is what a table holds, by the key as the topic has it. The query selects key and row.
func (r *rig) table(query string) map[string]string {
	r.t.Helper()
	rows, err := r.conn.Query(r.t.Context(), query)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]string{}
	var key, row string
	if _, err := pgx.ForEachRow(rows, []any{&key, &row}, func() error { out[key] = row; return nil }); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func rowsOf(table string) string {
	return fmt.Sprintf(`select '{"id":' || id || '}', replace(row_to_json(x)::text, ': ', ':') from %s x`, table)
}

// agree compares both ways of folding a topic with its table.
func (r *rig) agree(table, query string) {
	r.t.Helper()
	want := r.table(query)
	for name, got := range map[string]map[string]string{"by position": fold(r.events(table)), "last wins": r.lastWins(table)} {
		if maps.Equal(got, want) {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if got[key] != want[key] {
				r.t.Errorf("%s, %s %s: on Kafka %s, in Postgres %s", table, name, key, got[key], want[key])
			}
		}
		for key, row := range got {
			if _, ok := want[key]; !ok {
				r.t.Errorf("%s, %s %s: on Kafka %s, not in Postgres", table, name, key, row)
			}
		}
	}
}

// snapshotReads counts the rows of incremental snapshots.
func snapshotReads(events []rawRecord) (n int) {
	for _, e := range events {
		if e.event.Op == change.Read && strings.Contains(string(e.value), `"snapshot":"incremental"`) {
			n++
		}
	}
	return n
}

// TestIncrementalUnderWrites reads both tables again and again while they are written, and is killed in between.
func TestIncrementalUnderWrites(t *testing.T) {
	r := newRig(t, counters, `insert into products select i, -1 from generate_series(100000, 106000) i`)
	run := r.start()
	r.settle()
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- r.write(ctx) }()
	for i := range 4 {
		id := fmt.Sprintf("round-%d", i)
		r.order(ingest.Signal{Kind: "snapshot", Order: ingest.Order{ID: id, Tables: []string{"products", "prices"}}})
		if i%2 == 1 { // in the midst of it
			r.until("the snapshot to begin", func() bool { s := r.status(id); return s != nil && s.Rows > 0 })
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			run = r.start()
		}
		if s := r.finished(id, ingest.SnapshotDone); s.Rows < 6000 {
			t.Errorf("round %d published %d rows", i, s.Rows)
		}
	}
	cancel()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.check()
	for _, table := range []string{"products", "prices"} {
		r.agree(table, rowsOf(table))
	}
}

// TestIncrementalKilled kills ingest by SIGKILL while it reads: the snapshot goes on where it was, and is whole.
func TestIncrementalKilled(t *testing.T) {
	r := newRig(t, counters, `insert into products select i, -1 from generate_series(1, 20000) i`)
	cmd := r.child()
	r.until("the first snapshot", func() bool { return r.records("products") >= 20000 })
	r.settle()
	r.order(ingest.Signal{Kind: "snapshot", Order: ingest.Order{ID: "k", Tables: []string{"products"}, Rate: 8000}})
	r.until("half of it", func() bool { s := r.status("k"); return s != nil && s.Rows > 3000 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	before := r.status("k")
	r.start()
	s := r.finished("k", ingest.SnapshotDone)
	if s.Rows != 20000 {
		t.Errorf("%d rows counted, want 20000: stored progress says what is durable", s.Rows)
	}
	if n := snapshotReads(r.events("products")); n < 20000 || n > 20000+2000+int(before.Rows) {
		t.Errorf("%d rows published", n)
	}
	r.agree("products", rowsOf("products"))
}

// TestRowsTouchedUnseenAreDropped is pitfall 12: a chunk whose transaction does not see a change that stands before its
// watermark in the stream. The table's lock stretches the moment: the chunk has its snapshot and waits for the table, the
// update commits, and only then the chunk reads, the rows as they were.
func TestRowsTouchedUnseenAreDropped(t *testing.T) {
	r := newRig(t,
		`create table products (id bigint primary key, v int, note text)`, `alter table products alter note set storage external`,
		`insert into products select i, 0, repeat('n', 3000) from generate_series(1, 40) i`, `create publication freshet for table products`)
	r.start()
	r.settle()
	r.order(ingest.Signal{Kind: "snapshot", Order: ingest.Order{ID: "s", Tables: []string{"products"}, Rate: 10}})
	r.until("the first chunk", func() bool { s := r.status("s"); return s != nil && s.Rows > 0 })
	tx, err := r.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`lock table products in access exclusive mode`)
	other, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.Background()) }()
	r.until("the chunk to wait for the lock", func() bool {
		var n int
		if err := other.QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
			and application_name = 'freshet-ingest' and query like 'copy%'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	exec(`update products set v = 1 where id <= 30`)        // the large note stays unchanged: the event lacks it
	exec(`delete from products where id in (15, 35)`)       // gone before the chunk's watermark, and yet read by it
	exec(`update products set v = 2 where id in (16, 36)`)  // twice
	exec(`update products set id = id + 100 where id = 39`) // from what is not yet read
	exec(`update products set id = 0 where id = 38`)        // to what is read already
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.finished("s", ingest.SnapshotDone)
	r.settle()
	want := r.table(rowsOf("products"))
	var v map[string]any
	for key, row := range r.lastWins("products") {
		if err := json.Unmarshal([]byte(row), &v); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(want[key], fmt.Sprintf(`"v":%v,`, v["v"])) {
			t.Errorf("%s ends as %.60s, in Postgres %.60s", key, row, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("not on Kafka: %v", slices.Sorted(maps.Keys(want)))
	}
	// A reader that began with this snapshot knows every large value: what the log left out was read again.
	notes := map[string]bool{}
	for _, e := range r.events("products") {
		if strings.Contains(string(e.value), `"snapshot":"incremental"`) || e.event.Op == change.Create {
			notes[string(e.key)] = notes[string(e.key)] || !e.event.IsUnchanged("note")
		}
	}
	for key := range r.table(rowsOf("products")) {
		if !notes[key] {
			t.Errorf("%s: no record since the snapshot began holds its note", key)
		}
	}
}

// TestIncrementalReadsWhatIsAskedFor reads ranges and lists of keys, of composite and text keys.
func TestIncrementalReadsWhatIsAskedFor(t *testing.T) {
	r := newRig(t,
		`create table prices (store_id int, sku text, product_id bigint not null, amount int, primary key (store_id, sku))`,
		`create unique index prices_identity on prices (store_id, sku, product_id)`, `alter table prices replica identity using index prices_identity`,
		`insert into prices select s, 'it''s\' || p, p, s * p from generate_series(1, 3) s, generate_series(10, 49) p`,
		`create table loose (a int, b text)`, `alter table loose replica identity full`, `insert into loose values (1, 'x'), (1, 'x')`,
		`create table private (id int primary key)`,
		`create publication freshet for table prices, loose`)
	r.start()
	r.settle()
	if n := len(r.events("loose")); n != 2 {
		t.Errorf("the first snapshot of a table without a key has %d rows", n)
	}
	table := []string{"prices"}
	tests := []struct {
		name, state string
		order       ingest.Order
		rows        int64
	}{
		{"whole", ingest.SnapshotDone, ingest.Order{Tables: table}, 120},
		{"range", ingest.SnapshotDone, ingest.Order{Tables: table, From: []string{"2"}, To: []string{"2"}}, 40},
		{"range of both", ingest.SnapshotDone, ingest.Order{Tables: table, From: []string{"1", `it's\48`}, To: []string{"2", `it's\11`}}, 4},
		{"keys", ingest.SnapshotDone, ingest.Order{Tables: table, Keys: [][]string{{"1", `it's\10`}, {"3", `it's\11`}, {"9", "none"}}}, 2},
		{"without a key", ingest.SnapshotRefused, ingest.Order{Tables: []string{"loose"}}, 0},
		{"not published", ingest.SnapshotRefused, ingest.Order{Tables: []string{"private"}}, 0},
		{"not there", ingest.SnapshotRefused, ingest.Order{Tables: []string{"none"}}, 0},
		{"no number", ingest.SnapshotRefused, ingest.Order{Tables: table, From: []string{"x"}}, 0},
		{"half a key", ingest.SnapshotRefused, ingest.Order{Tables: table, Keys: [][]string{{"1"}}}, 0},
		{"swept range", ingest.SnapshotRefused, ingest.Order{Tables: table, From: []string{"1"}, Sweep: true}, 0},
		{"no table", ingest.SnapshotRefused, ingest.Order{}, 0},
	}
	for _, test := range tests {
		test.order.ID = test.name
		before := snapshotReads(r.events("prices"))
		r.order(ingest.Signal{Kind: "snapshot", Order: test.order})
		s := r.finished(test.name, test.state)
		if n := int64(snapshotReads(r.events("prices")) - before); n != test.rows || s.Rows != n {
			t.Errorf("%s: %d rows published, %d counted, want %d", test.name, n, s.Rows, test.rows)
		}
		if test.state == ingest.SnapshotRefused && s.Reason == "" {
			t.Errorf("%s: refused without a reason", test.name)
		}
	}
}

// TestPauseResumeStop steers a slow snapshot by rows of freshet_signals.
func TestPauseResumeStop(t *testing.T) {
	r := newRig(t,
		`create table products (id bigint primary key, v int)`, `insert into products select i, 0 from generate_series(1, 500) i`,
		`create table freshet_signals (id bigint generated always as identity primary key, kind text, body jsonb)`,
		`create publication freshet for table products, freshet_signals`)
	run := r.start()
	r.settle()
	signal := func(kind, body string) {
		t.Helper()
		if _, err := r.conn.Exec(t.Context(), `insert into freshet_signals (kind, body) values ($1, $2)`, kind, body); err != nil {
			t.Fatal(err)
		}
	}
	state := func(want string) ingest.Snapshot {
		t.Helper()
		var s *ingest.Snapshot
		r.until("state "+want, func() bool { s = r.status("slow"); return s != nil && s.State == want })
		return *s
	}
	signal("snapshot", `{"id": "slow", "tables": ["public.products"], "rate": 100}`)
	r.until("rows", func() bool { s := r.status("slow"); return s != nil && s.Rows > 0 })
	signal("pause", `{"id": "slow"}`)
	paused := state(ingest.SnapshotPaused)
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.exec(`update products set v = 1 where id = 500`)
	r.settle()
	if s := r.status("slow"); s.State != ingest.SnapshotPaused || s.Rows != paused.Rows {
		t.Errorf("paused at %d rows, and after a restart %s at %d", paused.Rows, s.State, s.Rows)
	}
	signal("resume", `{}`)
	r.until("more rows", func() bool { return r.status("slow").Rows > paused.Rows })
	signal("stop", `{"id": "slow"}`)
	if stopped := state(ingest.SnapshotStopped); stopped.Rows >= 500 {
		t.Errorf("stopped at %d rows, which is all", stopped.Rows)
	}
	signal("pause", `{"id": "nobody"}`) // is refused, and harms nothing
	signal("snapshot", `{"id": "after", "tables": ["products"], "keys": [["500"]]}`)
	if s := r.finished("after", ingest.SnapshotDone); s.Rows != 1 {
		t.Errorf("%d rows", s.Rows)
	}
	r.agree("products", rowsOf("products"))
}

// TestSweep is pitfall 17: rows are deleted while no slot exists. After the new snapshot the topics, folded by anybody, hold
// exactly what the tables hold.
func TestSweep(t *testing.T) {
	r := newRig(t, counters,
		`insert into products select i, i from generate_series(1, 200) i`, `insert into prices select i, i, i from generate_series(1, 200) i`)
	run := r.start()
	r.settle()
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.exec(`select pg_drop_replication_slot('`+r.prefix+`')`,
		`delete from products where id % 3 = 0`, `delete from prices where id % 5 = 0`, `update products set v = -1 where id = 1`,
		`insert into products values (201, 201)`,
		`update prices set product_id = product_id + 1000 where id in (7, 8, 9)`) // to other partitions, some of them
	r.start(func(c *ingest.Config) { c.Resnapshot = true })
	r.settle()
	s := r.finished("sweep-2", ingest.SnapshotDone)
	if s.Deleted < 66+40 {
		t.Errorf("%d rows were swept, at least 106 are gone", s.Deleted)
	}
	r.settle()
	r.check()
	r.agree("products", rowsOf("products"))
	byPosition := fold(r.events("prices"))
	if want := r.table(rowsOf("prices")); !maps.Equal(byPosition, want) {
		t.Errorf("prices: %d rows on Kafka, %d in Postgres", len(byPosition), len(want))
	}
	for _, e := range r.events("prices") {
		if e.event.Op == change.Delete && e.event.Before == nil {
			t.Errorf("%s: a swept delete without the columns of its identity: %s", e.key, e.value)
		}
	}
	// A sweep by order, of keys and of a table.
	again := s.Deleted
	r.order(ingest.Signal{Kind: "repair", Order: ingest.Order{ID: "keys", Tables: []string{"products"}, Keys: [][]string{{"1"}, {"3"}}}})
	r.order(ingest.Signal{Kind: "repair", Order: ingest.Order{ID: "table", Tables: []string{"products"}}})
	if s := r.finished("keys", ingest.SnapshotDone); s.Rows != 1 || s.Deleted != 0 {
		t.Errorf("keys: %d rows, %d deleted (%d before)", s.Rows, s.Deleted, again)
	}
	if s := r.finished("table", ingest.SnapshotDone); s.Deleted != 0 {
		t.Errorf("table: %d deleted, everything was in order", s.Deleted)
	}
}

// TestFirstSnapshotGoesOn is pitfalls 14 and 16: the process that exported the snapshot dies in the midst of it. Tables that
// were on Kafka stay, the others are read at an exact place further on, and nothing is missing or out of order.
func TestFirstSnapshotGoesOn(t *testing.T) {
	r := newRig(t, counters, `create table big (id bigint primary key, v text)`, `alter publication freshet add table big`,
		`create table loose (a int)`, `insert into loose values (1), (1)`, `alter publication freshet add table loose`,
		`insert into products select i, -1 from generate_series(100000, 102000) i`,
		`insert into big select i, repeat('x', 1000) from generate_series(1, 40000) i`)
	r.config.Dimensions = []string{"public.stores"}
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	for i := range 3 {
		cmd := r.child()
		r.until("some rows", func() bool { return r.records("big") >= int64(2000+5000*i) })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if i == 0 {
			go func() { written <- r.write(ctx) }()
		}
	}
	r.start()
	r.until("the last of the snapshot", func() bool { return r.records("products") >= 2001 && r.records("loose") >= 2 })
	cancel()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.check()
	r.agree("big", rowsOf("big"))
	r.agree("products", rowsOf("products"))
	positions := map[change.Position]string{}
	for _, e := range r.events("big") {
		if e.event.Op != change.Read {
			continue
		}
		if old, ok := positions[e.event.Position]; ok && old != string(e.key) {
			t.Fatalf("two rows, %s and %s, at %s", old, e.key, e.event.Position)
		}
		positions[e.event.Position] = string(e.key)
	}
}

// TestSnapshotPositionsGrow is pitfall 16 for a parallel snapshot: on every partition positions only grow.
func TestSnapshotPositionsGrow(t *testing.T) {
	r := newRig(t, counters, `insert into products select i, i from generate_series(1, 60000) i`,
		`insert into prices select i, i, i from generate_series(1, 20000) i`)
	r.start()
	r.settle()
	r.until("all rows", func() bool { return r.records("products") >= 60000 && r.records("prices") >= 20000 })
	markers := map[string]int{}
	for _, table := range []string{"products", "prices"} {
		for p := range r.config.Partitions {
			records, err := r.read(change.Topic(r.prefix, "public", table), p, 0)
			if err != nil {
				t.Fatal(err)
			}
			var last change.Position
			for _, record := range records {
				ev, err := change.Decode(record.key, record.value, record.headers)
				if err != nil {
					t.Fatal(err)
				}
				if !ev.Position.After(last) {
					t.Fatalf("%s/%d: %s follows %s", table, p, ev.Position, last)
				}
				last = ev.Position
				var env struct{ Source struct{ Snapshot string } }
				if err := json.Unmarshal(record.value, &env); err != nil {
					t.Fatal(err)
				}
				markers[env.Source.Snapshot]++
			}
		}
	}
	want := map[string]int{"first": 1, "first_in_data_collection": 1, "last_in_data_collection": 1, "last": 1, "true": 80000 - 4}
	if !maps.Equal(markers, want) {
		t.Errorf("markers %v, want %v", markers, want)
	}
	r.agree("products", rowsOf("products"))
}

// TestFirstSnapshotSeesOneInstant is pitfall 11: the snapshot is the slot's own, and a transaction that was open when the
// slot was made comes by the stream, once.
func TestFirstSnapshotSeesOneInstant(t *testing.T) {
	r := newRig(t, counters, `insert into products values (1, 1)`)
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- r.write(ctx) }()
	r.start()
	r.settle()
	cancel()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.check()
	seen := map[string]change.Op{}
	for _, e := range r.events("products") {
		id := fmt.Sprintf("%s by %s", e.key, e.event.After)
		if op, ok := seen[id]; ok && op == change.Read && e.event.Op == change.Create {
			t.Errorf("%s came with the snapshot and again with the stream", id)
		}
		seen[id] = e.event.Op
	}
}

// TestChunksAreReadByKey is pitfall 15: no chunk is read by OFFSET, which would read again all that it leaves out.
func TestChunksAreReadByKey(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key, v int)`, `insert into products select i, 0 from generate_series(1, 30000) i`,
		`vacuum analyze products`, `create publication freshet for table products`)
	r.start()
	r.settle()
	reads := func() (n int64) {
		r.exec(`select pg_stat_force_next_flush()`)
		if err := r.conn.QueryRow(t.Context(), `select idx_tup_read from pg_stat_user_indexes where relname = 'products'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := reads()
	r.order(ingest.Signal{Kind: "snapshot", Order: ingest.Order{ID: "s", Tables: []string{"products"}}})
	if s := r.finished("s", ingest.SnapshotDone); s.Rows != 30000 {
		t.Errorf("%d rows", s.Rows)
	}
	r.until("the statistics", func() bool { return reads()-before >= 30000 })
	if n := reads() - before; n > 33000 {
		t.Errorf("%d index entries read for 30000 rows", n)
	}
}

// TestSweepSparesWhatCouldNotBePublished: a row that is too large now is on the topic as it was, and must not be taken for
// deleted because of that.
func TestSweepSparesWhatCouldNotBePublished(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key, v text)`, `create publication freshet for table products`,
		`insert into products values (1, 'one'), (2, 'two')`)
	r.config.MaxRecordBytes = 2048
	run := r.start()
	r.settle()
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.exec(`select pg_drop_replication_slot('`+r.prefix+`')`, `update products set v = repeat('x', 5000) where id = 1`, `delete from products where id = 2`)
	r.start(func(c *ingest.Config) { c.Resnapshot = true })
	if s := r.finished("sweep-2", ingest.SnapshotDone); s.Deleted != 0 || !strings.Contains(s.Reason, "public.products was not swept") {
		t.Errorf("%+v", s)
	}
	r.order(ingest.Signal{Kind: "repair", Order: ingest.Order{ID: "again", Tables: []string{"products"}}})
	if s := r.finished("again", ingest.SnapshotDone); s.Deleted != 0 || !strings.Contains(s.Reason, "not swept") {
		t.Errorf("%+v", s)
	}
	r.exec(`update products set v = 'fits' where id = 1`)
	r.order(ingest.Signal{Kind: "repair", Order: ingest.Order{ID: "at last", Tables: []string{"products"}}})
	if s := r.finished("at last", ingest.SnapshotDone); s.Deleted != 1 {
		t.Errorf("%+v", s)
	}
	r.agree("products", rowsOf("products"))
}

// TestSweepReadsPlainJSONOnly: records of another encoding are not read back; nothing is deleted, and the snapshot says so.
func TestSweepReadsPlainJSONOnly(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key)`, `create publication freshet for table products`, `insert into products values (1), (2)`)
	r.config.Format.Encoding = change.EncodingJSONSchema
	run := r.start()
	r.settle()
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.exec(`select pg_drop_replication_slot('`+r.prefix+`')`, `delete from products where id = 2`)
	r.start(func(c *ingest.Config) { c.Resnapshot = true })
	if s := r.finished("sweep-2", ingest.SnapshotDone); s.Deleted != 0 || !strings.Contains(s.Reason, "was not swept: only records in plain JSON") {
		t.Errorf("%+v", s)
	}
}

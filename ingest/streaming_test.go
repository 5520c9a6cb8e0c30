package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest"
	"freshet/ingest/change"
)

// twin returns a rig on the same database with a slot and topics of its own.
func (r *rig) twin(change func(*ingest.Config)) *rig {
	r.t.Helper()
	other := *r
	_, other.prefix = stacktest.Kafka(r.t)
	other.config.Prefix, other.config.Slot = other.prefix, other.prefix
	change(&other.config)
	return &other
}

// smallWorkMem makes the server stream (or spill) transactions of more than some rows.
const smallWorkMem = `do $$ begin execute format('alter database %I set logical_decoding_work_mem = ''64kB''', current_database()); end $$`

// side returns the records of a topic beside the tables'.
func (r *rig) side(topic string) []rawRecord {
	r.t.Helper()
	records, err := r.read(topic, 0, 0)
	if err != nil {
		r.t.Fatalf("read %s: %v", topic, err)
	}
	return records
}

// positioned renders events with their positions, each once however often it was delivered.
func positioned(events []rawRecord) []string {
	out := lines(events)
	for i, e := range events {
		out[i] = e.event.Position.String() + " " + out[i]
	}
	return once(out)
}

func once(lines []string) (out []string) {
	seen := map[string]bool{}
	for _, l := range lines {
		if !seen[l] {
			out = append(out, l)
		}
		seen[l] = true
	}
	return out
}

// streamedBy says how many transactions the server streamed to a slot.
func (r *rig) streamedBy(slot string) (txs int64) {
	r.t.Helper()
	if err := r.conn.QueryRow(r.t.Context(), `select stream_txns from pg_stat_replication_slots where slot_name = $1`, slot).Scan(&txs); err != nil {
		r.t.Fatal(err)
	}
	return txs
}

// TestStreamedEqualsUnstreamed runs random transactions side by side, of all sizes, with savepoints rolled back and
// released, whole rollbacks, DDL and TRUNCATE inside, and demands that a slot read with streaming yields, record by record
// and position by position, what one read without does (pitfall 26, pitfall 27). Logical messages are left out:
// Postgres itself gives them no certain place beside another subtransaction's rows (docs/reliability.md, What is not
// covered).
func TestStreamedEqualsUnstreamed(t *testing.T) {
	plain := newRig(t, smallWorkMem,
		`create table products (id bigint generated always as identity primary key, n int, note text)`,
		`create table prices (id bigint generated always as identity primary key, product_id bigint not null, note text)`,
		`create publication freshet for all tables`)
	plain.config.Streaming = "off"
	streamed := plain.twin(func(c *ingest.Config) { c.Streaming, c.StreamBytes, c.SpillDir = "on", 256<<10, t.TempDir() })
	plain.start()
	streamed.start()
	plain.settle()
	streamed.settle()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var writers sync.WaitGroup
	for w := range uint64(4) {
		writers.Go(func() {
			if err := mess(t.Context(), plain.url, rand.New(rand.NewPCG(seed, w))); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	plain.settle()
	streamed.settle()
	rows := 0
	for _, table := range []string{"products", "prices"} {
		want := positioned(plain.events(table))
		compare(t, positioned(streamed.events(table)), want)
		rows += len(want)
	}
	t.Logf("%d records", rows)
	deadline := time.Now().Add(patience)
	for streamed.streamedBy(streamed.prefix) == 0 { // the statistics come late
		if time.Now().After(deadline) {
			t.Fatal("the server streamed nothing: the test shows nothing")
		}
		<-time.After(50 * time.Millisecond)
	}
}

// mess runs random transactions.
func mess(ctx context.Context, url string, random *rand.Rand) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for range 12 {
		if err := messyTransaction(ctx, conn, random); err != nil {
			return err
		}
	}
	return nil
}

func messyTransaction(ctx context.Context, conn *pgx.Conn, random *rand.Rand) error {
	statements := []string{"begin"}
	depth := 0
	for range 1 + random.IntN(25) {
		switch n := random.IntN(20); {
		case n < 4:
			depth++
			statements = append(statements, fmt.Sprintf("savepoint s%d", depth))
		case n < 6 && depth > 0:
			statements = append(statements, fmt.Sprintf("release s%d", depth))
			depth--
		case n < 9 && depth > 0:
			statements = append(statements, fmt.Sprintf("rollback to s%d", depth))
		default:
			statements = append(statements, messyStatement(random))
		}
	}
	end := "commit"
	if random.IntN(6) == 0 {
		end = "rollback"
	}
	_, err := conn.Exec(ctx, strings.Join(append(statements, end), "; "))
	if err != nil && (strings.Contains(err.Error(), "deadlock") || strings.Contains(err.Error(), "could not obtain lock") || strings.Contains(err.Error(), "lock timeout")) {
		_, err = conn.Exec(ctx, "rollback")
	}
	return err
}

func messyStatement(random *rand.Rand) string {
	rows := []int{1, 5, 100, 600}[random.IntN(4)]
	switch random.IntN(12) {
	case 0, 1, 2, 3:
		return fmt.Sprintf(`insert into products (n, note) select i, repeat('p', %d) from generate_series(1, %d) i`, random.IntN(300), rows)
	case 4, 5, 6:
		return fmt.Sprintf(`insert into prices (product_id, note) select i, repeat('q', %d) from generate_series(1, %d) i`, random.IntN(300), rows)
	case 7, 8:
		return fmt.Sprintf(`update products set n = n + 1 where id in (select id from products order by id desc limit %d for update skip locked)`, rows)
	case 9:
		return fmt.Sprintf(`delete from prices where id in (select id from prices order by id limit %d for update skip locked)`, rows)
	case 10:
		name := fmt.Sprintf("c%d", random.IntN(6))
		return fmt.Sprintf(`set local lock_timeout = '200ms'; alter table products drop column if exists %[1]s; alter table products add column %[1]s int default 7`, name)
	default:
		return `set local lock_timeout = '200ms'; truncate prices, products`
	}
}

// TestSavepointRolledBackInAStream loses only what the savepoint held (pitfall 26: a client that drops the whole transaction
// at STREAM ABORT loses the rest).
func TestSavepointRolledBackInAStream(t *testing.T) {
	r := newRig(t, smallWorkMem, `create table products (id bigint primary key, note text)`, `create publication freshet for table products`)
	r.start()
	r.settle()
	r.exec(`begin; insert into products select i, repeat('a', 100) from generate_series(1, 2000) i;
		savepoint a; insert into products select i, repeat('b', 100) from generate_series(2001, 4000) i;
		savepoint b; insert into products select i, repeat('c', 100) from generate_series(4001, 6000) i; release b; rollback to a;
		insert into products select i, repeat('d', 100) from generate_series(6001, 8000) i; commit`)
	r.settle()
	events := r.events("products")
	if len(events) != 4000 {
		t.Fatalf("%d events, want 4000", len(events))
	}
	for i, e := range events {
		if e.event.Position.Index != uint64(i+1) {
			t.Fatalf("event %d stands at %s", i, e.event.Position)
		}
	}
}

// TestShapesInStreams changes tables inside streamed transactions that commit and roll back, and publishes other columns
// while a transaction streams: every row is read in the shape of its time (pitfall 29).
func TestShapesInStreams(t *testing.T) {
	r := newRig(t, smallWorkMem,
		`create table products (id bigint primary key, a text, b text)`, `create table sparse (id bigint primary key, a text, b text)`,
		`create publication freshet for table products, sparse`)
	r.start()
	r.settle()
	const many = `select i, repeat('x', 100), 'y' from generate_series(%d, %d) i`
	insert := func(table string, from int) string {
		return fmt.Sprintf("insert into "+table+" "+many+"; ", from, from+1999)
	}
	// Rolled back: what comes after is in the old shape, and the server may say nothing about it.
	r.exec(`begin; `+insert("products", 1)+`alter table products drop column a; alter table products add column c int; insert into products values (5000, 'gone', 1); rollback`,
		`insert into products values (5001, 'a', 'b')`,
		`begin; `+insert("products", 10001)+`savepoint s; alter table products drop column a; insert into products select i, 'y' from generate_series(20001, 22000) i;
			rollback to s; insert into products values (30001, 'a', 'b'); commit`,
		`insert into products values (30002, 'a', 'b')`,
		`begin; `+insert("products", 40001)+`alter table products drop column a; insert into products values (50001, 'b'); commit`,
		`insert into products values (50002, 'b')`)
	// While one transaction streams, another is sent with fewer columns: its shape is the newer one.
	other, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.Background()) }()
	for _, s := range []string{"begin; " + insert("sparse", 1), `select pg_logical_emit_message(false, 'pause', '')`} {
		if _, err := other.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	r.exec(`insert into sparse values (90001, 'a', 'b')`, `alter publication freshet set table products, sparse (id, b)`, `insert into sparse values (90002, 'a', 'b')`)
	r.settle()
	if _, err := other.Exec(t.Context(), `commit`); err != nil {
		t.Fatal(err)
	}
	r.exec(`insert into sparse values (90003, 'a', 'b')`)
	r.settle()
	products := map[string]string{}
	for _, e := range r.events("products") {
		products[string(e.key)] = string(e.event.After)
	}
	for id, want := range map[int]string{
		5001: `"a":"a","b":"b"`, 30001: `"a":"a","b":"b"`, 30002: `"a":"a","b":"b"`, 50001: `"b":"b"`, 50002: `"b":"b"`,
	} {
		if got := products[fmt.Sprintf(`{"id":%d}`, id)]; got != fmt.Sprintf(`{"id":%d,%s}`, id, want) {
			t.Errorf("product %d: %s, want %s", id, got, want)
		}
	}
	if len(products) != 4005 {
		t.Errorf("%d products, want 4005", len(products))
	}
	sparse := r.events("sparse")
	compare(t, lines(sparse)[:2], []string{`{"id":90001} c null -> {"id":90001,"a":"a","b":"b"}`, `{"id":90002} c null -> {"id":90002,"b":"b"}`})
	compare(t, lines(sparse)[len(sparse)-1:], []string{`{"id":90003} c null -> {"id":90003,"b":"b"}`})
}

// TestAcknowledgedPastAStream lets the slot follow the log while a transaction streams, cuts ingest off, and still gets the
// transaction whole when it commits (pitfall 8, DBZ-5915's class: a position in the midst of a transaction).
func TestAcknowledgedPastAStream(t *testing.T) {
	r := newRig(t, smallWorkMem, `create table products (id bigint primary key, note text)`, `create table private (id int)`,
		`create publication freshet for table products`)
	run := r.start()
	r.settle()
	long, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = long.Close(context.Background()) }()
	if _, err := long.Exec(t.Context(), `begin; insert into products select i, repeat('x', 100) from generate_series(1, 3000) i`); err != nil {
		t.Fatal(err)
	}
	r.exec(`insert into private values (1)`, `insert into products values (9001, 'beside')`)
	before := r.settle()
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := long.Exec(t.Context(), `insert into products select i, 'y' from generate_series(3001, 3100) i; commit`); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.settle()
	events := r.events("products")
	if len(events) != 3101 {
		t.Fatalf("%d events, want 3101", len(events))
	}
	if commit := events[1].event.Position.Commit; commit < before.LSN {
		t.Errorf("the transaction stands at %s, and %s was acknowledged before", commit, before.LSN)
	}
	for i, e := range events[1:] {
		if e.event.Position.Index != uint64(i+1) {
			t.Fatalf("event %d stands at %s", i, e.event.Position)
		}
	}
}

// TestKilledWhileStreaming kills ingest amid streamed and spilled transactions: they begin anew, and nothing is missing.
func TestKilledWhileStreaming(t *testing.T) {
	r := newRig(t, smallWorkMem, counters)
	r.config.StreamBytes, r.config.SpillDir = 256<<10, t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { written <- r.writeLarge(ctx) }()
	for i := range 5 {
		cmd := r.child()
		<-time.After(time.Duration(400+200*i) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}
	cancel()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.start()
	r.settle()
	r.check()
}

// writeLarge commits transactions that stream, with a savepoint rolled back in each, until the context ends.
func (r *rig) writeLarge(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, r.url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for n := 0; ctx.Err() == nil; n++ {
		_, err := conn.Exec(ctx, fmt.Sprintf(`begin;
			insert into products select i, %[1]d from generate_series(1, 3000) i on conflict (id) do update set v = excluded.v;
			savepoint s; insert into prices select i, i, -1 from generate_series(100000, 103000) i; rollback to s;
			insert into prices select i, i, %[1]d from generate_series(1, 3000) i on conflict (id) do update set v = excluded.v; commit`, n))
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// TestMessageInARolledBackSavepoint is not published, and one beside it is, though in a stream both look alike.
func TestMessageInARolledBackSavepoint(t *testing.T) {
	r := newRig(t, smallWorkMem, `create table products (id bigint primary key, note text)`, `create publication freshet for table products`)
	r.start()
	r.settle()
	const many = `insert into products select i, repeat('x', 100) from generate_series(%d, %d) i; `
	r.exec(`begin; ` + fmt.Sprintf(many, 1, 2000) + `select pg_logical_emit_message(true, 'kept', '');` + fmt.Sprintf(many, 2001, 4000) +
		`savepoint s; select pg_logical_emit_message(true, 'undone', repeat('x', 100000)); ` + fmt.Sprintf(many, 4001, 6000) + `rollback to s; ` +
		fmt.Sprintf(many, 6001, 8000) + `commit`)
	r.settle()
	var got []string
	for _, m := range r.side(change.MessageTopic(r.prefix)) {
		got = append(got, string(m.key)+" "+m.header(change.HeaderTxIndex))
	}
	compare(t, got, []string{`{"prefix":"kept"} 2001`})
	if events := r.events("products"); len(events) != 6000 || events[5999].event.Position.Index != 6001 {
		t.Errorf("%d events, the last at %s", len(events), events[len(events)-1].event.Position)
	}
}

package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet/ingest"
	"freshet/ingest/change"
)

// volatile are the parts of a record that differ from run to run.
var volatile = regexp.MustCompile(`"(ts_(?:ms|us|ns)|txId|lsn|sequence|version|db|name|id)":("(?:[^"\\]|\\.)*"|\d+)`)

func steady(value []byte) string { return volatile.ReplaceAllString(string(value), `"$1":…`) }

// TestMessages publishes what pg_logical_emit_message wrote, in the form of Debezium's golden record (crud.jsonl) and at its
// place among the changes of its transaction (dbz#2058: the position of a message inside a transaction).
func TestMessages(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key, v int)`, `create publication freshet for table products`)
	run := r.start()
	r.settle()
	r.exec(`begin; insert into products values (1, 1); select pg_logical_emit_message(true, 'outbox', 'transactional message'); insert into products values (2, 2); commit`,
		`select pg_logical_emit_message(false, 'outbox', 'message outside a transaction')`,
		`begin; select pg_logical_emit_message(true, 'outbox', 'rolled back'); rollback`,
		`select pg_logical_emit_message(true, 'freshet.internal', 'not for readers')`)
	r.settle()
	messages := r.side(change.MessageTopic(r.prefix))
	const form = `{"op":"m","ts_ms":…,"source":{"version":…,"connector":"postgresql","name":…,"ts_ms":…,"snapshot":"false","db":…,"sequence":…,` +
		`"ts_us":…,"ts_ns":…,"schema":"","table":"","txId":%s,"lsn":…,"xmin":null,"origin":null,"origin_lsn":null},"transaction":null,` +
		`"message":{"prefix":"outbox","content":"%s"}}`
	var got []string
	for _, m := range messages {
		got = append(got, string(m.key)+" "+steady(m.value))
	}
	compare(t, got, []string{
		`{"prefix":"outbox"} ` + fmt.Sprintf(form, "…", "dHJhbnNhY3Rpb25hbCBtZXNzYWdl"),
		`{"prefix":"outbox"} ` + fmt.Sprintf(form, "null", "bWVzc2FnZSBvdXRzaWRlIGEgdHJhbnNhY3Rpb24="),
	})
	products := r.events("products")
	first, second := products[0].event.Position, products[1].event.Position
	if first.Index != 1 || second.Index != 3 || messages[0].header(change.HeaderTxIndex) != "2" || messages[0].header(change.HeaderCommitLSN) != first.Commit.String() {
		t.Errorf("rows at %s and %s, the message between them at %v", first, second, messages[0].headers)
	}
	loose, err := change.Decode(messages[1].key, messages[1].value, messages[1].headers)
	if err != nil {
		t.Fatal(err)
	}
	if loose.Op != change.Message || !loose.Position.After(second) {
		t.Errorf("the loose message stands at %s, not after %s", loose.Position, second)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.exec(`insert into products values (3, 3)`)
	r.settle()
	if again := r.side(change.MessageTopic(r.prefix)); len(again) != 2 {
		t.Errorf("%d messages after an orderly restart", len(again))
	}
	if third := r.events("products")[2].event.Position; !third.After(loose.Position) {
		t.Errorf("the next transaction stands at %s, not after %s", third, loose.Position)
	}
}

// TestMessageTooLarge is parked, and what follows it is published.
func TestMessageTooLarge(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key, v int)`, `create publication freshet for table products`)
	r.config.MaxRecordBytes = 4096
	r.start()
	r.settle()
	r.exec(`select pg_logical_emit_message(true, 'big', repeat('x', 10000))`, `select pg_logical_emit_message(true, 'small', 'x')`)
	r.settle()
	if messages := r.side(change.MessageTopic(r.prefix)); len(messages) != 1 {
		t.Errorf("%d messages", len(messages))
	}
	letters := r.side(change.DeadLetterTopic(r.prefix))
	if len(letters) != 1 || letters[0].header("dl_topic") != change.MessageTopic(r.prefix) || string(letters[0].key) != `{"prefix":"big"}` {
		t.Errorf("dead letters: %v", letters)
	}
}

// TestTransactionTopic replays the SQL of Debezium's golden records for provide.transaction.metadata (txmeta.jsonl).
func TestTransactionTopic(t *testing.T) {
	for _, streaming := range []string{"off", "on"} {
		t.Run("streaming "+streaming, func(t *testing.T) {
			r := newRig(t, smallWorkMem,
				`create table customers (id int primary key, name text not null, email text, balance int)`,
				`create table order_lines (order_id int, line_no int, note text, primary key (order_id, line_no))`,
				`create table nopk (a int, b text)`, `create publication freshet for table customers, order_lines, nopk`,
				`insert into customers values (1, 'Snap', null, 1)`)
			r.config.Transactions, r.config.Streaming = true, streaming
			r.start()
			r.settle()
			r.exec(`begin; insert into customers values (2, 'Bob', null, 2); insert into order_lines values (1, 1, 'a'), (1, 2, 'b');
					update customers set name = 'Bobby' where id = 2; delete from order_lines where line_no = 2; commit`,
				`insert into nopk values (1, 'single')`, `begin; update customers set id = 9 where id = 2; commit`,
				`begin; select pg_logical_emit_message(true, 'p', ''); truncate nopk; commit`,
				`begin; insert into customers values (10, 'none', null, 1); rollback`,
				`insert into order_lines select 7, i, repeat('x', 100) from generate_series(1, 1000) i`)
			r.settle()
			checkTransactions(t, r)
		})
	}
}

func checkTransactions(t *testing.T, r *rig) {
	t.Helper()
	var got []string
	ids := map[string]bool{}
	for i, record := range r.side(change.TransactionTopic(r.prefix)) {
		var v struct{ Status, ID string }
		if err := json.Unmarshal(record.value, &v); err != nil {
			t.Fatal(err)
		}
		if string(record.key) != `{"id":"`+v.ID+`"}` || ids[v.ID] != (i%2 == 1) {
			t.Errorf("record %d: key %s, value %s", i, record.key, record.value)
		}
		ids[v.ID] = true
		got = append(got, steady(record.value))
	}
	begin := `{"status":"BEGIN","id":…,"event_count":null,"data_collections":null,"ts_ms":…}`
	end := func(total int, collections ...string) string {
		return fmt.Sprintf(`{"status":"END","id":…,"event_count":%d,"data_collections":[%s],"ts_ms":…}`, total, strings.Join(collections, ","))
	}
	count := func(name string, n int) string {
		return fmt.Sprintf(`{"data_collection":"%s","event_count":%d}`, name, n)
	}
	compare(t, got, []string{
		begin, end(5, count("public.customers", 2), count("public.order_lines", 3)),
		begin, end(1, count("public.nopk", 1)),
		begin, end(2, count("public.customers", 2)),
		begin, end(2, count("LOGICAL_DECODING_MESSAGE", 1), count("public.nopk", 1)),
		begin, end(1000, count("public.order_lines", 1000)),
	})
	var places []string
	for _, e := range r.events("customers") {
		var v struct{ Transaction *change.TransactionBlock }
		if e.value == nil {
			continue
		}
		if err := json.Unmarshal(e.value, &v); err != nil {
			t.Fatal(err)
		}
		if v.Transaction == nil {
			places = append(places, "none")
			continue
		}
		if !ids[v.Transaction.ID] {
			t.Errorf("event of unknown transaction %s", v.Transaction.ID)
		}
		places = append(places, fmt.Sprintf("%d %d", v.Transaction.TotalOrder, v.Transaction.DataCollectionOrder))
	}
	compare(t, places, []string{"none", "1 1", "4 2", "1 1", "2 2"}) // txmeta.jsonl's
}

// TestOrigin names where replicated transactions came from, and leaves them out where that is wanted.
func TestOrigin(t *testing.T) {
	r := newRig(t, smallWorkMem, `create table products (id bigint primary key, note text)`, `create publication freshet for table products`)
	own := r.twin(func(c *ingest.Config) { c.Origin = "none" })
	if r.major() < 16 { // which can't leave them out, and says so
		err := <-own.start().done
		if err == nil || !strings.Contains(err.Error(), "--origin any, or upgrade") {
			t.Fatalf("origin none on Postgres %d: %v", r.major(), err)
		}
		return
	}
	r.start()
	own.start()
	r.settle()
	own.settle()
	replica, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = replica.Close(context.Background()) }()
	name := "o" + r.prefix
	for _, s := range []string{
		`select pg_replication_origin_create('` + name + `')`, `select pg_replication_origin_session_setup('` + name + `')`,
		`begin; select pg_replication_origin_xact_setup('0/ABC', now()); insert into products values (1, 'from afar'); commit`,
		`begin; insert into products select i, repeat('x', 100) from generate_series(100, 2100) i; commit`,
	} {
		if _, err := replica.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	r.exec(`insert into products values (2, 'ours')`)
	r.settle()
	own.settle()
	want := map[string]string{`{"id":1}`: `"origin":"` + name + `","origin_lsn":2748}`, `{"id":100}`: `"origin":"` + name + `","origin_lsn":`, `{"id":2}`: `"origin":null,"origin_lsn":null}`}
	for _, e := range r.events("products") {
		if w := want[string(e.key)]; !strings.Contains(string(e.value), w) {
			t.Errorf("%s: no %s", e.value, w)
		}
	}
	compare(t, lines(own.events("products")), []string{`{"id":2} c null -> {"id":2,"note":"ours"}`})
	if _, err := replica.Exec(t.Context(), `select pg_replication_origin_session_reset(), pg_replication_origin_drop($1)`, name); err != nil {
		t.Error(err)
	}
}

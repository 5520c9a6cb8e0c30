package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// major is the server's major version.
func (r *rig) major() (major int) {
	r.t.Helper()
	if err := r.conn.QueryRow(r.t.Context(), `select current_setting('server_version_num')::int / 10000`).Scan(&major); err != nil {
		r.t.Fatal(err)
	}
	return major
}

// TestRowFilter turns updates that cross the filter into inserts and deletes, and reads no more rows in the snapshot
// (pitfall 30).
func TestRowFilter(t *testing.T) {
	r := newRig(t, `create table products (id int primary key, public boolean not null)`, `alter table products replica identity full`,
		`create publication freshet for table products where (public)`, `insert into products values (1, true), (2, false)`)
	r.start()
	r.settle()
	r.exec(`insert into products values (3, false)`, `update products set public = true where id = 2`, `update products set public = false where id = 1`,
		`delete from products where id = 3`)
	r.settle()
	compare(t, lines(r.events("products")), []string{
		`{"id":1} r null -> {"id":1,"public":true}`,
		`{"id":2} c null -> {"id":2,"public":true}`,
		`{"id":1} d {"id":1,"public":true} -> null`,
		`{"id":1} -`,
	})
}

// TestColumnList publishes the listed columns alone, in snapshot and stream.
func TestColumnList(t *testing.T) {
	r := newRig(t, `create table products (id int primary key, secret text, name text)`,
		`create publication freshet for table products (id, name)`, `insert into products values (1, 'hidden', 'a')`)
	r.start()
	r.settle()
	r.exec(`insert into products values (2, 'hidden', 'b')`, `update products set secret = 'x', name = 'c' where id = 1`)
	r.settle()
	compare(t, lines(r.events("products")), []string{
		`{"id":1} r null -> {"id":1,"name":"a"}`,
		`{"id":2} c null -> {"id":2,"name":"b"}`,
		`{"id":1} u null -> {"id":1,"name":"c"}`,
	})
}

const partitioned = `create table sales (id int, region text, n int, primary key (id, region)) partition by list (region);
	create table sales_it partition of sales for values in ('it');
	create table sales_fr partition of sales for values in ('fr') partition by list (region);
	create table sales_fr_all partition of sales_fr for values in ('fr');
	insert into sales values (1, 'it', 1), (2, 'fr', 2)`

// TestPartitionRoot publishes a partitioned table as one, rows that were there before as well as later ones.
func TestPartitionRoot(t *testing.T) {
	r := newRig(t, partitioned, `create publication freshet for table sales with (publish_via_partition_root = true)`)
	r.start()
	r.settle()
	r.exec(`insert into sales values (3, 'fr', 3)`, `update sales set n = 4 where id = 1`, `update sales set region = 'fr' where id = 1`, `truncate sales`)
	r.settle()
	events := r.events("sales")
	got := lines(events)
	compare(t, got[:len(got)-r.config.Partitions], []string{
		`{"id":2,"region":"fr"} r null -> {"id":2,"region":"fr","n":2}`,
		`{"id":1,"region":"it"} r null -> {"id":1,"region":"it","n":1}`,
		`{"id":3,"region":"fr"} c null -> {"id":3,"region":"fr","n":3}`,
		`{"id":1,"region":"it"} u null -> {"id":1,"region":"it","n":4}`,
		`{"id":1,"region":"it"} d {"id":1,"region":"it","n":null} -> null`,
		`{"id":1,"region":"it"} -`,
		`{"id":1,"region":"fr"} c null -> {"id":1,"region":"fr","n":4}`,
	})
	for _, line := range got[len(got)-r.config.Partitions:] {
		if line != "null t null -> null" {
			t.Errorf("%s, want the truncate on every partition", line)
		}
	}
}

// TestPartitionLeaves publishes each partition as a table of its own; a row that moves is a delete and a create.
func TestPartitionLeaves(t *testing.T) {
	r := newRig(t, partitioned, `create publication freshet for table sales`)
	r.start()
	r.settle()
	r.exec(`insert into sales values (3, 'fr', 3)`, `update sales set region = 'fr' where id = 1`, `truncate sales_fr`)
	r.settle()
	compare(t, lines(r.events("sales_it")), []string{
		`{"id":1,"region":"it"} r null -> {"id":1,"region":"it","n":1}`,
		`{"id":1,"region":"it"} d {"id":1,"region":"it","n":null} -> null`,
		`{"id":1,"region":"it"} -`,
	})
	compare(t, lines(r.events("sales_fr_all"))[:3], []string{
		`{"id":2,"region":"fr"} r null -> {"id":2,"region":"fr","n":2}`,
		`{"id":3,"region":"fr"} c null -> {"id":3,"region":"fr","n":3}`,
		`{"id":1,"region":"fr"} c null -> {"id":1,"region":"fr","n":1}`,
	})
}

// TestGeneratedColumns are published where the publication says so, which it can since Postgres 18, and the snapshot agrees
// with the stream on which columns there are (pitfall 30).
func TestGeneratedColumns(t *testing.T) {
	r := newRig(t, `create table products (id int primary key, net int, gross int generated always as (net * 2) stored, note text)`)
	with, without := `{"id":%d,"net":%d,"gross":%d,"note":null}`, `{"id":%d,"net":%d,"note":null}`
	rows := map[string]string{"": without}
	if r.major() >= 18 {
		rows = map[string]string{
			"": without, "with (publish_generated_columns = none)": without, "with (publish_generated_columns = stored)": with,
		}
	}
	for option, form := range rows {
		row := func(id, net int) string {
			if form == with {
				return fmt.Sprintf(form, id, net, 2*net)
			}
			return fmt.Sprintf(form, id, net)
		}
		t.Run(option, func(t *testing.T) {
			r := newRig(t, `create table products (id int primary key, net int, gross int generated always as (net * 2) stored, note text)`,
				`create publication freshet for table products `+option, `insert into products values (1, 10)`)
			r.start()
			r.settle()
			r.exec(`insert into products values (2, 20)`, `update products set net = 11 where id = 1`)
			r.settle()
			compare(t, lines(r.events("products")), []string{
				`{"id":1} r null -> ` + row(1, 10), `{"id":2} c null -> ` + row(2, 20), `{"id":1} u null -> ` + row(1, 11),
			})
		})
	}
}

// TestTruncateSeveral tells each table that a TRUNCATE empties, those that CASCADE took along too, at its place among the
// rows (pitfall 28).
func TestTruncateSeveral(t *testing.T) {
	r := newRig(t, `create table products (id int primary key)`,
		`create table prices (id serial primary key, product_id int not null references products)`,
		`create table notes (id int primary key)`, `create publication freshet for table products, prices, notes`)
	r.start()
	r.settle()
	r.exec(`begin; insert into products values (1); insert into prices (product_id) values (1); insert into notes values (1);
		truncate notes, products restart identity cascade; insert into products values (2); insert into prices (product_id) values (2); commit`)
	r.settle()
	at := map[string][]string{}
	for _, table := range []string{"products", "prices", "notes"} {
		seen := map[string]bool{}
		for _, e := range r.events(table) {
			line := fmt.Sprintf("%d %c", e.event.Position.Index, e.event.Op)
			if !seen[line] {
				at[table] = append(at[table], line)
			}
			seen[line] = true
		}
	}
	// The three truncates have the indices 4 to 6, in the server's order.
	for table, ends := range map[string][2]string{"products": {"1 c", "7 c"}, "prices": {"2 c", "8 c"}, "notes": {"3 c", ""}} {
		got := at[table]
		if len(got) < 2 || got[0] != ends[0] || !strings.HasSuffix(got[1], " t") || (ends[1] != "" && (len(got) != 3 || got[2] != ends[1])) {
			t.Errorf("%s: %v", table, got)
		}
	}
	if last := r.events("prices"); string(last[len(last)-1].key) != `{"id":1}` {
		t.Errorf("the sequence did not begin again: %s", last[len(last)-1].key)
	}
}

// TestPreparedTransaction comes whole when it commits, at that position, and not at all when it is rolled back (pitfall 43).
func TestPreparedTransaction(t *testing.T) {
	r := newRig(t, smallWorkMem, `create table products (id int primary key, note text)`, `create publication freshet for table products`)
	var allowed int
	if err := r.conn.QueryRow(t.Context(), `select current_setting('max_prepared_transactions')::int`).Scan(&allowed); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.settle()
	conn, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if allowed == 0 { // the shared server; TestProtocolVersions has servers that allow it
		if _, err := conn.Exec(t.Context(), `begin; insert into products values (1, 'x'); prepare transaction 'no'`); err == nil {
			t.Fatal("prepared though the server allows none")
		}
		return
	}
	for i, name := range []string{"kept", "dropped"} {
		if _, err := conn.Exec(t.Context(), fmt.Sprintf(`begin; insert into products select i, repeat('x', 100) from generate_series(%d, %d) i; prepare transaction '%s%s'`,
			i*10000+1, i*10000+2000, name, r.prefix)); err != nil {
			t.Fatal(err)
		}
	}
	r.exec(`insert into products values (90000, 'between')`)
	r.settle()
	r.exec(`rollback prepared 'dropped`+r.prefix+`'`, `commit prepared 'kept`+r.prefix+`'`)
	r.settle()
	events := r.events("products")
	if len(events) != 2001 || string(events[0].key) != `{"id":90000}` || events[2000].event.Position.Index != 2000 {
		t.Errorf("%d events, the first %s", len(events), events[0].key)
	}
}

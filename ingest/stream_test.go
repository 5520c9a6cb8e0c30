package ingest_test

import (
	"fmt"
	"strings"
	"testing"

	"freshet/ingest/change"
)

func TestStream(t *testing.T) {
	r := newRig(t,
		`create table products (id bigint primary key, name text, note text)`,
		`create table stores (id int primary key, code text)`,
		`create publication freshet for table products, stores`,
		`insert into stores values (9, 'it')`,
		`insert into products values (1, 'one', null), (2, E'tab\t, line\n, back\\slash', 'x')`)
	r.config.SnapshotConnections = 1 // so that the order of rows, and with it every marker, is Debezium's
	r.start()
	r.settle()
	stores := r.events("stores")
	compare(t, lines(stores), []string{`{"id":9} r null -> {"id":9,"code":"it"}`})
	products := r.events("products")
	compare(t, lines(products), []string{
		`{"id":1} r null -> {"id":1,"name":"one","note":null}`,
		`{"id":2} r null -> {"id":2,"name":"tab\t, line\n, back\\slash","note":"x"}`,
	})
	if !strings.Contains(string(stores[0].value), `"snapshot":"last_in_data_collection"`) || !strings.Contains(string(products[1].value), `"snapshot":"last"`) ||
		stores[0].event.Position.Index != 1 || products[1].event.Position.Index != 3 {
		t.Errorf("snapshot markers and ordinals: %s, %s", stores[0].value, products[1].value)
	}
	r.exec(`insert into products values (3, 'three', null)`,
		`update products set name = 'drei' where id = 3`,
		`update products set id = 4 where id = 3`,
		`delete from products where id = 4`)
	r.settle()
	events := r.events("products")
	compare(t, lines(events)[2:], []string{
		`{"id":3} c null -> {"id":3,"name":"three","note":null}`,
		`{"id":3} u null -> {"id":3,"name":"drei","note":null}`,
		`{"id":3} d {"id":3,"name":null,"note":null} -> null`,
		`{"id":3} -`,
		`{"id":4} c null -> {"id":4,"name":"drei","note":null}`,
		`{"id":4} d {"id":4,"name":null,"note":null} -> null`,
		`{"id":4} -`,
	})
	for i, want := range map[int]string{4: `{"id":4}`, 5: `{"id":4}`} {
		if got := events[i].header("__debezium.newkey"); got != want {
			t.Errorf("newkey of event %d: %q", i, got)
		}
	}
	if got := events[6].header("__debezium.oldkey"); got != `{"id":3}` {
		t.Errorf("oldkey: %q", got)
	}
	if a, b := events[4].event.Position, events[5].event.Position; a != b {
		t.Errorf("the tombstone stands at %s, its delete at %s", b, a)
	}
	if id := events[4].header(change.HeaderEventID); !strings.HasSuffix(id, "/"+r.prefix+"/"+events[4].event.Position.Commit.String()+"/1") {
		t.Errorf("event id %q", id)
	}
}

func TestTransactions(t *testing.T) {
	r := newRig(t,
		`create table products (id bigint primary key, v int)`,
		`create table prices (sku text primary key, product_id bigint not null, amount int)`,
		`create table private (id int primary key)`,
		`create publication freshet for table products, prices`)
	r.start()
	r.settle()
	tx, err := r.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		`insert into products values (1, 1)`, `insert into private values (1)`,
		`savepoint a`, `insert into products values (2, 2)`, `insert into prices values ('gone', 2, 1)`, `rollback to a`,
		`insert into prices values ('kept', 1, 5)`, `savepoint b`, `update products set v = 3 where id = 1`, `release b`,
	} {
		if _, err := tx.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.exec(`begin; insert into products values (3, 3); rollback`)
	if _, err := r.conn.PgConn().CopyFrom(t.Context(), strings.NewReader("10\t1\n11\t\\N\n12\t3\n"), `copy products from stdin`); err != nil {
		t.Fatal(err)
	}
	r.settle()
	products, prices := r.events("products"), r.events("prices")
	compare(t, lines(products), []string{
		`{"id":1} c null -> {"id":1,"v":1}`, `{"id":1} u null -> {"id":1,"v":3}`,
		`{"id":10} c null -> {"id":10,"v":1}`, `{"id":11} c null -> {"id":11,"v":null}`, `{"id":12} c null -> {"id":12,"v":3}`,
	})
	compare(t, lines(prices), []string{`{"sku":"kept"} c null -> {"sku":"kept","product_id":1,"amount":5}`})
	var indices []uint64
	for _, e := range append(append(products[:1:1], prices...), products[1:]...) {
		indices = append(indices, e.event.Position.Index)
	}
	if fmt.Sprint(indices) != "[1 2 3 1 2 3]" {
		t.Errorf("indices %v", indices)
	}
	if products[0].event.Position.Commit != prices[0].event.Position.Commit {
		t.Error("one transaction, two commit positions")
	}
	// Rows of one product meet in one partition number, whatever their table.
	if products[0].partition != prices[0].partition {
		t.Errorf("product in partition %d, its price in %d", products[0].partition, prices[0].partition)
	}
}

// TestIdentity follows rows whose routing column is not in their key.
func TestIdentity(t *testing.T) {
	r := newRig(t,
		`create table variants (sku text primary key, product_id bigint not null, note text)`,
		`create unique index variants_identity on variants (sku, product_id)`,
		`alter table variants replica identity using index variants_identity`,
		`create table reviews (id int primary key, product_id bigint not null)`,
		`create table full_rows (id int primary key, product_id bigint, v text)`,
		`alter table full_rows replica identity full`,
		`create publication freshet for table variants, reviews, full_rows`)
	r.start()
	r.settle()
	r.exec(`insert into variants values ('a', 1, 'x')`,
		`update variants set note = 'y' where sku = 'a'`,
		`update variants set product_id = 2 where sku = 'a'`, // to another partition
		`delete from variants where sku = 'a'`,
		`insert into reviews values (1, 5)`, `delete from reviews where id = 1`,
		`insert into full_rows values (1, 1, 'p'), (2, null, 'q')`, `update full_rows set v = 'r' where id = 1`, `delete from full_rows`)
	r.settle()
	variants := r.events("variants")
	compare(t, lines(variants), []string{
		`{"sku":"a"} c null -> {"sku":"a","product_id":1,"note":"x"}`,
		`{"sku":"a"} u null -> {"sku":"a","product_id":1,"note":"y"}`,
		`{"sku":"a"} d {"sku":"a","product_id":1,"note":null} -> null`,
		`{"sku":"a"} -`,
		`{"sku":"a"} c null -> {"sku":"a","product_id":2,"note":"y"}`,
		`{"sku":"a"} d {"sku":"a","product_id":2,"note":null} -> null`,
		`{"sku":"a"} -`,
	})
	one, two := change.Partition([]byte("1"), 3), change.Partition([]byte("2"), 3)
	for i, want := range []int{one, one, one, one, two, two, two} {
		if variants[i].partition != want {
			t.Errorf("event %d in partition %d, want %d", i, variants[i].partition, want)
		}
	}
	// A delete that does not say where its row lies goes everywhere.
	if reviews := r.events("reviews"); len(reviews) != 1+3*2 {
		t.Errorf("%d records of reviews:\n%s", len(reviews), join(lines(reviews)))
	}
	compare(t, lines(r.events("full_rows")), []string{
		`{"id":1} c null -> {"id":1,"product_id":1,"v":"p"}`,
		`{"id":2} c null -> {"id":2,"product_id":null,"v":"q"}`,
		`{"id":1} u {"id":1,"product_id":1,"v":"p"} -> {"id":1,"product_id":1,"v":"r"}`,
		`{"id":2} d {"id":2,"product_id":null,"v":"q"} -> null`,
		`{"id":2} -`,
		`{"id":1} d {"id":1,"product_id":1,"v":"r"} -> null`,
		`{"id":1} -`,
	})
}

// TestAMoveWithinAPartition has a row go to another product whose rows are in the same partition.
func TestAMoveWithinAPartition(t *testing.T) {
	r := newRig(t,
		`create table variants (sku text primary key, product_id bigint not null)`,
		`create unique index variants_identity on variants (sku, product_id)`,
		`alter table variants replica identity using index variants_identity`,
		`create publication freshet for table variants`)
	to := 2
	for change.Partition([]byte("1"), 3) != change.Partition(fmt.Append(nil, to), 3) {
		to++
	}
	r.start()
	r.settle()
	r.exec(`insert into variants values ('a', 1)`, fmt.Sprintf(`update variants set product_id = %d`, to))
	r.settle()
	compare(t, lines(r.events("variants")), []string{
		`{"sku":"a"} c null -> {"sku":"a","product_id":1}`,
		`{"sku":"a"} d {"sku":"a","product_id":1} -> null`,
		`{"sku":"a"} -`,
		fmt.Sprintf(`{"sku":"a"} c null -> {"sku":"a","product_id":%d}`, to),
	})
}

func TestUnchangedToast(t *testing.T) {
	r := newRig(t,
		`create table products (id bigint primary key, n int, t text, j jsonb, tags text[])`,
		`alter table products alter t set storage external, alter j set storage external, alter tags set storage external`,
		`create publication freshet for table products`)
	r.start()
	r.settle()
	r.exec(`insert into products select 1, 1, repeat('x', 5000), jsonb_build_object('k', repeat('y', 5000)), array[repeat('z', 5000)]`,
		`update products set n = 2`, `update products set t = 'short'`)
	r.settle()
	events := r.events("products")
	compare(t, lines(events)[1:], []string{
		`{"id":1} u null -> {"id":1,"n":2,"t":"__debezium_unavailable_value","j":"__debezium_unavailable_value","tags":["__debezium_unavailable_value"]}`,
		`{"id":1} u null -> {"id":1,"n":2,"t":"short","j":"__debezium_unavailable_value","tags":["__debezium_unavailable_value"]}`,
	})
	if got := fmt.Sprint(events[1].event.Unchanged, events[2].event.Unchanged, len(events[0].event.Unchanged)); got != "[t j tags] [j tags] 0" {
		t.Errorf("unchanged: %s", got)
	}
}

func TestTruncateAndAlter(t *testing.T) {
	r := newRig(t,
		`create table products (id bigint primary key, name text)`,
		`create publication freshet for table products`,
		`insert into products values (1, 'one')`)
	r.start()
	r.settle()
	r.exec(`begin; insert into products values (2, 'two'); truncate products; insert into products values (3, 'three'); commit`,
		`alter table products add column extra int default 7`, `insert into products values (4, 'four')`,
		`alter table products drop column name`, `insert into products values (5, 8)`)
	r.settle()
	events := r.events("products")
	compare(t, lines(events), []string{
		`{"id":1} r null -> {"id":1,"name":"one"}`,
		`{"id":2} c null -> {"id":2,"name":"two"}`,
		`null t null -> null`, `null t null -> null`, `null t null -> null`, // one for each partition
		`{"id":3} c null -> {"id":3,"name":"three"}`,
		`{"id":4} c null -> {"id":4,"name":"four","extra":7}`,
		`{"id":5} c null -> {"id":5,"extra":8}`,
	})
}

func TestTableThatJoinsLater(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key)`, `create publication freshet for table products`)
	r.start()
	r.settle()
	r.exec(`create table offers (id int primary key)`, `alter publication freshet add table offers`, `insert into offers values (1)`)
	r.settle()
	compare(t, lines(r.events("offers")), []string{`{"id":1} c null -> {"id":1}`})
}

package ingest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"freshet/ingest"
	"freshet/ingest/change"
)

// schemaRecord is a record of the schema topic, as far as tests look at it.
type schemaRecord struct {
	Kind, Tag, Table, Schema string
	ObjectType               string   `json:"object_type"`
	PrimaryKey               []string `json:"primary_key"`
	Columns                  []struct{ Name, Type string }
	Changes                  []change.SchemaChange
	Source                   struct{ TxID *uint32 }
}

func (r *rig) schemaRecords() (records []schemaRecord, raw []rawRecord) {
	r.t.Helper()
	raw = r.side(change.SchemaTopic(r.prefix))
	for _, record := range raw {
		var v schemaRecord
		if err := json.Unmarshal(record.value, &v); err != nil {
			r.t.Fatalf("%s: %v", record.value, err)
		}
		records = append(records, v)
	}
	return records, raw
}

func (s schemaRecord) columns() string {
	var out []string
	for _, c := range s.Columns {
		out = append(out, c.Name+" "+c.Type)
	}
	return strings.Join(out, ", ")
}

// TestShapesAreDetected tells every table's shape before its first change in it, without any trigger, and again after a
// restart (pitfall 29: DDL has no event of its own).
func TestShapesAreDetected(t *testing.T) {
	r := newRig(t, `create table products (id int primary key, name varchar(20), price numeric(8,2))`, `create publication freshet for table products`)
	run := r.start()
	r.settle()
	r.exec(`insert into products values (1, 'a', 1)`, `insert into products values (2, 'b', 2)`,
		`alter table products alter id type bigint, drop column price, add column tags text[]`,
		`insert into products values (3, 'c', '{}')`,
		`alter table products rename name to title`,
		`update products set title = 'd' where id = 3`)
	r.settle()
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.exec(`insert into products values (4, 'e', null)`)
	r.settle()
	records, raw := r.schemaRecords()
	var got []string
	for _, s := range records {
		got = append(got, fmt.Sprintf("%s %s.%s %v (%s) %v", s.Kind, s.Schema, s.Table, s.PrimaryKey, s.columns(), s.Changes))
	}
	compare(t, got, []string{
		`relation public.products [id] (id integer, name character varying(20), price numeric(8,2)) []`,
		`relation public.products [id] (id bigint, name character varying(20), tags text[]) [{dropped price numeric(8,2) } {type id integer bigint} {added tags  text[]}]`,
		`relation public.products [id] (id bigint, title character varying(20), tags text[]) [{dropped name character varying(20) } {added title  character varying(20)}]`,
		`relation public.products [id] (id bigint, title character varying(20), tags text[]) []`,
	})
	products := r.events("products")
	for i, event := range []int{0, 2, 3, 4} {
		if at := raw[i].header(change.HeaderCommitLSN) + ":" + raw[i].header(change.HeaderTxIndex); at != products[event].event.Position.String() {
			t.Errorf("shape %d stands at %s, the change that follows at %s", i, at, products[event].event.Position)
		}
		if !strings.HasSuffix(raw[i].header(change.HeaderEventID), "/1/relation") {
			t.Errorf("event id %s", raw[i].header(change.HeaderEventID))
		}
	}
}

// TestDDLInOrder records statements that change tables at their place among the changes of rows, rolled back ones not at all.
func TestDDLInOrder(t *testing.T) {
	r := newRig(t, smallWorkMem, `create table products (id int primary key, name text)`, `create publication freshet for all tables`)
	for range 2 { // it may be installed again
		if err := ingest.InstallDDL(t.Context(), r.url); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	r.settle()
	r.exec(`begin; insert into products values (1, 'a'); alter table products add column price numeric(10,2) not null default 0; insert into products values (2, 'b'); commit`,
		`begin; alter table products add column gone int; rollback`,
		`create table later (a int, b text, primary key (b, a))`, `create temp table passing (id int)`,
		`alter table products drop column name`, `drop table later`, `create type mood as enum ('sad')`,
		// The same inside a transaction that streams, with a part rolled back.
		`begin; insert into products select i, i from generate_series(100, 3000) i; savepoint s; alter table products add column never int; rollback to s;
			alter table products add column late text; commit`)
	if err := ingest.RemoveDDL(t.Context(), r.url); err != nil {
		t.Fatal(err)
	}
	r.exec(`alter table products add column unseen int`, `insert into products values (5000, 1, 'x', 1)`)
	r.settle()
	records, raw := r.schemaRecords()
	var got []string
	place := map[string]rawRecord{}
	for i, s := range records {
		if s.Kind == "ddl" {
			got = append(got, fmt.Sprintf("%s %s %s %v (%s)", s.Tag, s.ObjectType, s.Table, s.PrimaryKey, s.columns()))
			place[s.Tag+" "+s.columns()] = raw[i]
		}
	}
	compare(t, got, []string{
		`ALTER TABLE table public.products [id] (id integer, name text, price numeric(10,2))`,
		`CREATE TABLE table public.later [b a] (a integer, b text)`,
		`ALTER TABLE table column public.products [] ()`, // what was dropped, then the table without it
		`ALTER TABLE table public.products [id] (id integer, price numeric(10,2))`,
		`DROP TABLE table public.later [] ()`,
		`CREATE TYPE type  [] ()`,
		`ALTER TABLE table public.products [id] (id integer, price numeric(10,2), late text)`,
	})
	products := r.events("products")
	altered := place["ALTER TABLE id integer, name text, price numeric(10,2)"]
	if altered.header(change.HeaderTxIndex) != "2" || products[0].event.Position.Index != 1 || products[1].event.Position.Index != 3 ||
		altered.header(change.HeaderCommitLSN) != products[0].event.Position.Commit.String() {
		t.Errorf("the statement stands at %v, between rows at %s and %s", altered.headers, products[0].event.Position, products[1].event.Position)
	}
	if late := place["ALTER TABLE id integer, price numeric(10,2), late text"]; late.header(change.HeaderTxIndex) != "2902" {
		t.Errorf("the statement in the stream stands at %v", late.headers)
	}
	if last := records[len(records)-1]; last.Kind != "relation" || !slices.Contains(last.Changes, change.SchemaChange{Change: "added", Column: "unseen", To: "integer"}) {
		t.Errorf("without the trigger: %+v", last)
	}
}

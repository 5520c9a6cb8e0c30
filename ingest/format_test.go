package ingest_test

import (
	"errors"
	"strings"
	"testing"

	"freshet/ingest"
	"freshet/ingest/change"
)

// TestHonest writes nothing that the database did not say.
func TestHonest(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key, name text not null default 'anon', note text default 'none', amount numeric(10,2) not null, tags text[] not null)`,
		`create publication freshet for table products`)
	r.config.Format.Preset = change.PresetHonest
	r.start()
	r.settle()
	r.exec(`insert into products values (1, 'x', null, 1.5, '{a}')`, `update products set id = 2`, `delete from products`)
	r.settle()
	compare(t, lines(r.events("products")), []string{
		`{"id":1} c null -> {"id":1,"name":"x","note":null,"amount":"1.50","tags":["a"]}`,
		`{"id":1} d {"id":1,"name":null,"note":null,"amount":null,"tags":null} -> null`,
		`{"id":1} -`,
		`{"id":2} c null -> {"id":2,"name":"x","note":null,"amount":"1.50","tags":["a"]}`,
		`{"id":2} d {"id":2,"name":null,"note":null,"amount":null,"tags":null} -> null`,
		`{"id":2} -`,
	})
}

// TestHonestInAvro has schemas that admit the nulls of old rows.
func TestHonestInAvro(t *testing.T) {
	fake := &schemaRegistry{last: map[string]string{}}
	r := newRig(t, `create table products (id bigint primary key, name text not null)`, `create publication freshet for table products`)
	r.start(serveAvro(t, fake), func(c *ingest.Config) { c.Partitions, c.Format.Preset = 1, change.PresetHonest })
	r.settle()
	r.exec(`insert into products values (1, 'x')`, `delete from products`)
	r.settle()
	records, err := r.read(change.Topic(r.prefix, "public", "products"), 0, 0)
	if err != nil || len(records) != 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	envelope, _ := fake.read(t, records[1].value).(map[string]any)
	if old, _ := envelope["before"].(map[string]any); old["id"] != int64(1) || old["name"] != nil {
		t.Errorf("old row: %v", envelope["before"])
	}
}

// TestChangedFormatIsRefused keeps two formats out of one topic.
func TestChangedFormatIsRefused(t *testing.T) {
	r := newRig(t, `create table products (id bigint primary key)`, `create publication freshet for table products`)
	first := r.start()
	r.settle()
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := r.start(func(c *ingest.Config) { c.Format.Decimal = "string" })
	var refused *ingest.RefusedError
	if err := <-second.done; !errors.As(err, &refused) || !strings.Contains(refused.Reason, `format "", and this is set to write "decimal mode=string"`) {
		t.Errorf("%v", err)
	}
	r.start(func(c *ingest.Config) { c.Format.Decimal, c.Resnapshot = "string", true })
	r.settle()
}

func TestFormatProblems(t *testing.T) {
	for _, format := range []change.Format{{Encoding: change.EncodingAvro}, {Time: "sundial"}} {
		if _, err := ingest.New(ingest.Config{PostgresURL: "postgres://", Brokers: []string{"a:1"}, Format: format}); err == nil {
			t.Errorf("%+v is accepted", format)
		}
	}
}

package check_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/check"
	"freshet/ingest/topic"
)

func connect(t *testing.T, url string, schema ...string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Log(err)
		}
	})
	for _, s := range schema {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return conn
}

// look runs the check and returns "severity subject what fix" lines.
func look(t *testing.T, conn *pgx.Conn, slot string) (lines string, findings []check.Finding) {
	t.Helper()
	findings, err := check.Postgres(t.Context(), conn, check.Target{Slot: slot, Publication: "freshet", Routing: func(_ string, columns, _ []string) string {
		for _, c := range columns {
			if c == "product_id" {
				return c
			}
		}
		return "id"
	}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(string(f.Severity) + " " + f.Subject + " " + f.What + " | " + f.Fix + "\n")
	}
	return b.String(), findings
}

func expect(t *testing.T, lines string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(lines, want) {
			t.Errorf("%q is missing in\n%s", want, lines)
		}
	}
}

func TestPublications(t *testing.T) {
	conn := connect(t, stacktest.Postgres(t))
	lines, findings := look(t, conn, "none")
	expect(t, lines, "error publication freshet does not exist", "info slot none does not exist")
	if check.Fatal(findings) == nil || !check.Failed(findings) {
		t.Error("a missing publication is fatal")
	}
	for _, s := range []string{
		`create table bare (n int)`,
		`create table full_rows (n int, v text)`, `alter table full_rows replica identity full`,
		`create table reviews (id int primary key, product_id int not null)`,
		`create table parts (id int primary key, a text, b text, product_id int)`, `alter table parts replica identity full`,
		`create publication freshet for table bare, full_rows, reviews, parts (id, a) where (id > 5) with (publish = 'insert, update')`,
	} {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	lines, findings = look(t, conn, "none")
	expect(t, lines,
		"error publication freshet does not publish delete | ALTER PUBLICATION \"freshet\" SET (publish = 'insert, update, delete, truncate');",
		"error publication freshet does not publish truncate",
		"error table public.bare has no replica identity",
		"warning table public.full_rows has no primary key",
		`warning table public.reviews its replica identity lacks the routing column product_id | CREATE UNIQUE INDEX CONCURRENTLY "reviews_identity" ON "public"."reviews" ("id", "product_id"); ALTER TABLE "public"."reviews" REPLICA IDENTITY USING INDEX "reviews_identity";`,
		"info table public.parts is published with a row filter: (id > 5)",
		"info table public.parts is published with 2 of its 4 columns")
	if f := check.Fatal(findings); f == nil || !strings.Contains(f.What, "delete") {
		t.Errorf("fatal: %+v", f)
	}
	// The commands that it names mend what it found.
	connect(t, conn.Config().ConnString(), `alter publication freshet set (publish = 'insert, update, delete, truncate')`,
		`alter table bare replica identity full`,
		`create unique index reviews_identity on reviews (id, product_id)`, `alter table reviews replica identity using index reviews_identity`)
	lines, findings = look(t, conn, "none")
	if check.Failed(findings) || strings.Contains(lines, "reviews") {
		t.Errorf("left over:\n%s", lines)
	}
}

func TestRoleAndSlot(t *testing.T) {
	url := stacktest.Postgres(t)
	conn := connect(t, url, `create table products (id int primary key)`, `create publication freshet for table products`)
	var name string
	if err := conn.QueryRow(t.Context(), `select current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	connect(t, url, `create role `+name+` login`, `select pg_create_logical_replication_slot('`+name+`', 'pgoutput')`)
	t.Cleanup(func() {
		if _, err := conn.Exec(context.Background(), `drop role `+name); err != nil {
			t.Error(err)
		}
	})
	weak := connect(t, strings.Replace(url, "postgres@", name+"@", 1))
	lines, _ := look(t, weak, name)
	expect(t, lines,
		"error role "+name+" lacks REPLICATION | ALTER ROLE \""+name+"\" REPLICATION;",
		"error table public.products may not be read | GRANT SELECT ON \"public\".\"products\"",
		"warning slot "+name+" is not read",
		"info role "+name+" does not see other roles' sessions")
	connect(t, url, `select pg_drop_replication_slot('`+name+`')`, `select pg_create_logical_replication_slot('`+name+`', 'test_decoding')`)
	lines, _ = look(t, conn, name)
	expect(t, lines, "error slot "+name+" belongs to plugin test_decoding")
}

// TestServer looks at servers that are not set up, one of them a standby.
func TestServer(t *testing.T) {
	server := stacktest.PostgresServer(t, 17, "wal_level=replica", "max_replication_slots=1", "wal_sender_timeout=0")
	server.Exec(`select pg_create_physical_replication_slot('other')`)
	lines, findings := look(t, connect(t, server.URL(), `create publication freshet for all tables`), "freshet")
	expect(t, lines,
		"error wal_level is replica | ALTER SYSTEM SET wal_level = logical",
		"error max_replication_slots is 1, and there are 1 other slots",
		"warning max_slot_wal_keep_size is not set",
		"info wal_sender_timeout is 0",
		"warning synchronized_standby_slots is empty")
	if f := check.Fatal(findings); f == nil || f.Subject != "wal_level" {
		t.Errorf("fatal: %+v", f)
	}
}

func TestTopics(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	transport := &kafka.Transport{MetadataTTL: 50 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport, Timeout: 20 * time.Second}
	answer, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: prefix + ".bad", NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{
			{ConfigName: "cleanup.policy", ConfigValue: "compact"},
			{ConfigName: "retention.ms", ConfigValue: "60000"},
			{ConfigName: "max.message.bytes", ConfigValue: "1000"},
		},
	}}})
	if err != nil || answer.Errors[prefix+".bad"] != nil {
		t.Fatal(err, answer)
	}
	specs := []topic.Spec{{Name: prefix + ".bad", Partitions: 3, Retention: time.Hour}, {Name: prefix + ".none", Partitions: 1}}
	deadline := time.Now().Add(time.Minute)
	var text string
	for !strings.Contains(text, "cleanup.policy") && time.Now().Before(deadline) {
		findings, err := check.Topics(t.Context(), client, specs)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, f := range findings {
			b.WriteString(string(f.Severity) + " " + f.Subject + " " + f.What + " | " + f.Fix + "\n")
		}
		text = b.String()
	}
	expect(t, text,
		"error topic "+prefix+".bad has 2 partitions, the configuration says 3",
		"error topic "+prefix+".bad cleanup.policy is compact",
		"warning topic "+prefix+".bad keeps records for 1m0s, the configuration says 1h0m0s | kafka-configs.sh",
		"--add-config retention.ms=3600000",
		"warning topic "+prefix+".bad takes records of 1000 bytes",
		"info topic "+prefix+".none does not exist")
}

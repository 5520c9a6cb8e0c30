package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/check"
	"freshet/ingest/topic"
)

// TestCheckAndReplay runs both commands on a database that is not ready and a topic with letters.
func TestCheckAndReplay(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	url := stacktest.Postgres(t)
	env := []string{
		"FRESHET_KAFKA=" + strings.Join(brokers, ","), "FRESHET_PREFIX=" + prefix, "FRESHET_POSTGRES_URL=" + url,
		"FRESHET_KAFKA_TLS=false",
	}
	command := func(args ...string) (string, error) {
		var out, diagnostics bytes.Buffer
		err := run(t.Context(), args, env, &out, &diagnostics)
		return out.String(), err
	}
	text, err := command("check")
	if !errors.Is(err, errFindings) || !strings.Contains(text, "publication freshet  does not exist") || !strings.Contains(text, "fix: freshet migrate") {
		t.Errorf("check: %v\n%s", err, text)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `create table products (id int primary key); create publication freshet for table products`); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err = command("check", "--json")
	var findings []check.Finding
	if err != nil || json.Unmarshal([]byte(text), &findings) != nil || !strings.Contains(text, prefix+".public.products") {
		t.Errorf("check --json: %v\n%s", err, text)
	}

	if err := topic.Ensure(t.Context(), broker.Cluster{Addresses: brokers}, topic.Flow(prefix, 1, time.Hour)); err != nil {
		t.Fatal(err)
	}
	letter(t, brokers, prefix, `{"id":7}`, "ingest")
	letter(t, brokers, prefix, `{"id":8}`, "index")
	if text, err = command("replay", "--list", "--stage", "index"); err != nil || !strings.Contains(text, `{"id":8}`) || strings.Contains(text, `{"id":7}`) {
		t.Errorf("replay --list: %v\n%s", err, text)
	}
	if text, err = command("replay", "--all"); err != nil || !strings.Contains(text, `freshet snapshot command --keys '[["7"]]'`) || !strings.Contains(text, "1 records sent again") {
		t.Errorf("replay --all: %v\n%s", err, text)
	}
	if _, err = command("replay"); err == nil || !strings.Contains(err.Error(), "which letters?") {
		t.Errorf("replay: %v", err)
	}
}

// letter parks a record of the command topic, which every prefix has.
func letter(t *testing.T, brokers []string, prefix, key, stage string) {
	t.Helper()
	transport := broker.Security{}.Transport("test", 0)
	defer transport.CloseIdleConnections()
	record := kafka.Record{Key: kafka.NewBytes([]byte(key)), Value: kafka.NewBytes([]byte("v")), Headers: []kafka.Header{
		{Key: "dl_topic", Value: []byte(change.CommandTopic(prefix))},
		{Key: "dl_partition", Value: []byte("0")},
		{Key: "dl_offset", Value: []byte("0")},
		{Key: "dl_stage", Value: []byte(stage)},
	}}
	answer, err := broker.Cluster{Addresses: brokers}.Client(transport, 20*time.Second).Produce(t.Context(), &kafka.ProduceRequest{
		Topic: change.DeadLetterTopic(prefix), RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(record),
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

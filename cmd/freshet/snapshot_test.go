package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack/stacktest"
)

// TestSnapshot orders snapshots of a running ingest on the command line and reads what became of them.
func TestSnapshot(t *testing.T) {
	url := stacktest.Postgres(t)
	brokers, prefix := stacktest.Kafka(t)
	env := []string{"FRESHET_KAFKA=" + strings.Join(brokers, ","), "FRESHET_PREFIX=" + prefix, "FRESHET_POSTGRES_URL=" + url}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), `create table products (id bigint primary key, v int); create table loose (id int);
		insert into products select i, i from generate_series(1, 100) i; create publication freshet for table products, loose`)
	if err != nil {
		t.Fatal(err)
	}
	early := run(t.Context(), []string{"snapshot", "products"}, env, io.Discard, io.Discard)
	if early == nil || !strings.Contains(early.Error(), "start freshet ingest") {
		t.Errorf("before there is a slot: %v", early)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"ingest"}, env, io.Discard, t.Output()) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	// A slot that is being made waits for every transaction on the server, those of other tests too.
	var slots int
	for deadline := time.Now().Add(time.Minute); slots == 0 && time.Now().Before(deadline); {
		if err := conn.QueryRow(t.Context(), `select count(confirmed_flush_lsn) from pg_replication_slots where slot_name = $1`, prefix).Scan(&slots); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		args, out, err string
	}{
		{"--status", "no snapshot is under way", ""},
		{"products --from 11 --to 20 --wait=2m --id some", "10 rows published, 0 vanished rows deleted", ""},
		{`products --keys [["1"],["2"]] --sweep --wait=2m`, "2 rows published", ""},
		{"loose --wait=2m", "on its way", "no published primary key"},
		{"--pause all", "pause of all is on its way", ""},
		{"--stop some products", "", "takes the snapshot's id"},
		{"", "", "which tables?"},
		{"products --keys x", "", "want a list of keys"},
		{"products loose --from 1", "", "exactly one table"},
		{"--status", "some  ", ""},
	}
	for _, test := range tests {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"snapshot"}, strings.Fields(test.args)...), env, &out, io.Discard)
		if !strings.Contains(out.String(), test.out) {
			t.Errorf("snapshot %s says %q, want %q", test.args, out.String(), test.out)
		}
		if (err == nil) != (test.err == "") || (err != nil && !strings.Contains(err.Error(), test.err)) {
			t.Errorf("snapshot %s: %v, want %q", test.args, err, test.err)
		}
	}
}

package stacktest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres creates an empty database and returns its URL. The server runs with
// wal_level=logical, so slots and publications may be made; at the end of the test
// the database is dropped with everything on it: connections, slots, publications.
func Postgres(t testing.TB) string {
	t.Helper()
	server := address(t, "FRESHET_TEST_POSTGRES_URL")
	name := randomName(t)
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	if err := createDatabase(ctx, server, name); err != nil {
		t.Fatal(err)
	}
	cleanup(t, "database "+name, func(ctx context.Context) error {
		err := onServer(ctx, server, func(conn *pgx.Conn) error { return dropDatabase(ctx, conn, name) })
		if err != nil {
			logWaits(t, server)
		}
		return err
	})
	location, err := url.Parse(server)
	if err != nil {
		t.Fatalf("parse FRESHET_TEST_POSTGRES_URL: %v", err)
	}
	location.Path = "/" + name
	return location.String()
}

// logWaits says what the server's backends wait for, so that a removal which took too
// long can be explained by the log alone.
func logWaits(t testing.TB, server string) {
	const waits = `SELECT format('%s %s %s for %s, in %s/%s: %s', pid, datname, state, now() - state_change,
		wait_event_type, wait_event, left(query, 80)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()`
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := onServer(ctx, server, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, waits)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		t.Logf("backends: %s", strings.Join(lines, "\n"))
		return err
	})
	if err != nil {
		t.Logf("what the backends wait for is not known: %v", err)
	}
}

func createDatabase(ctx context.Context, server, name string) error {
	return onServer(ctx, server, func(conn *pgx.Conn) error {
		// template0 is copied, since a connection to template1 would block us.
		if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'", name)); err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
		return nil
	})
}

func onServer(ctx context.Context, server string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return errors.Join(f(conn), conn.Close(ctx))
}

// dropDatabase removes the slots first: DROP DATABASE refuses while one exists,
// FORCE or not, and a forgotten slot pins WAL on a server that tests share.
func dropDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1
		UNION ALL SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = $1 AND active_pid IS NOT NULL`
	const drop = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1`
	for {
		if _, err := conn.Exec(ctx, terminate, name); err != nil {
			return fmt.Errorf("end the connections: %w", err)
		}
		_, err := conn.Exec(ctx, drop, name)
		if err == nil {
			break
		}
		// A walsender needs a moment to notice that it was terminated.
		select {
		case <-ctx.Done():
			return fmt.Errorf("drop the slots: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)); err != nil {
		return fmt.Errorf("drop the database: %w", err)
	}
	return nil
}

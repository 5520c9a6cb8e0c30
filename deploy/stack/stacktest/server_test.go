package stacktest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/stacktest"
)

// ask returns the one value that a query answers.
func ask[T any](t *testing.T, url, query string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if err := conn.QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// TestPostgresServers goes through a server's ends with every major version: what was
// committed is there after each of them, and on the standby once it is promoted.
func TestPostgresServers(t *testing.T) {
	for _, major := range artifact.PostgresMajors() {
		t.Run(fmt.Sprint("Postgres ", major), func(t *testing.T) {
			t.Parallel()
			server := stacktest.PostgresServer(t, major, "max_connections=60")
			if got := ask[int](t, server.URL(), "SELECT current_setting('server_version_num')::int / 10000"); got != major {
				t.Fatalf("Postgres %d answers, want %d", got, major)
			}
			if got := ask[string](t, server.URL(), "SELECT current_setting('max_connections') || current_setting('fsync')"); got != "60on" {
				t.Errorf("settings: %s", got)
			}
			name, url := server.Database(t)
			if ask[string](t, url, "SELECT current_database()") != name {
				t.Errorf("%s is not the database %s", url, name)
			}
			server.Exec("CREATE TABLE kept (n int)")
			for n, end := range []func(){server.Restart, server.Stop, server.Crash, server.Kill} {
				server.Exec("INSERT INTO kept VALUES (1)")
				end()
				server.Start()
				if got := ask[int](t, server.URL(), "SELECT count(*) FROM kept"); got != n+1 {
					t.Errorf("%d rows after end %d", got, n)
				}
			}
			standby := server.Standby(t)
			server.Exec("INSERT INTO kept VALUES (1)")
			awaitCount(t, standby.URL(), 5)
			server.Kill()
			standby.Promote()
			standby.Exec("INSERT INTO kept VALUES (1)")
			awaitCount(t, standby.URL(), 6)
		})
	}
}

func awaitCount(t *testing.T, url string, want int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for got := -1; got != want; {
		if time.Now().After(deadline) {
			t.Fatalf("%d rows, want %d", got, want)
		}
		got = ask[int](t, url, "SELECT count(*) FROM kept")
	}
}

package ingest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/stacktest"
)

// serverOf holds Postgres servers by the name of the test whose subtests run on them.
var serverOf sync.Map

// database makes the test's database: on the server of a test that it is part of, else on the shared one.
func database(t testing.TB) string {
	t.Helper()
	for name, found := t.Name(), true; found; {
		value, _ := serverOf.Load(name)
		if server, ok := value.(*stacktest.Server); ok {
			_, url := server.Database(t)
			return url
		}
		end := strings.LastIndexByte(name, '/')
		if found = end > 0; found {
			name = name[:end]
		}
	}
	return stacktest.Postgres(t)
}

// useServer makes the rigs of the test and its subtests use a server.
func useServer(t *testing.T, server *stacktest.Server) {
	serverOf.Store(t.Name(), server)
	t.Cleanup(func() { serverOf.Delete(t.Name()) })
}

// TestVersions runs the core of the tests on every major version of Postgres that is supported.
func TestVersions(t *testing.T) {
	core := []struct {
		name string
		test func(*testing.T)
	}{
		{"Stream", TestStream},
		{"Transactions", TestTransactions},
		{"Identity", TestIdentity},
		{"UnchangedToast", TestUnchangedToast},
		{"TruncateAndAlter", TestTruncateAndAlter},
		{"TableThatJoinsLater", TestTableThatJoinsLater},
		{"Debezium", TestDebezium},
		{"Stopped", TestStopped},
		{"Standby", TestStandby},
		{"Refusals", TestRefusals},
	}
	for _, major := range artifact.PostgresMajors() {
		t.Run(fmt.Sprint("Postgres ", major), func(t *testing.T) {
			t.Parallel()
			useServer(t, stacktest.PostgresServer(t, major))
			for _, c := range core {
				t.Run(c.name, c.test)
			}
		})
	}
}

// Package stacktest gives a test its own corner of the four real servers: a
// database, a topic prefix, a MongoDB database and an index prefix, each with a
// random name, each removed when the test ends.
//
// Tests of every package that speaks to a server call it. The shared servers it never
// starts, stops or kills: the addresses come from FRESHET_TEST_POSTGRES_URL, FRESHET_TEST_KAFKA,
// FRESHET_TEST_MONGO_URL and FRESHET_TEST_ELASTIC_URL, which `make test` sets.
// Where one is missing the test is skipped on a developer's machine and fails
// when CI is set, so that a pipeline without servers can't look green.
//
// Corners are disjoint: tests may run in parallel, in any number of processes. A test
// that must kill a server, or needs another version of Postgres, starts one of its own
// with PostgresServer.
package stacktest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"testing"
	"time"
)

// cleanupTimeout bounds each removal: a server that went away during the test
// must not hang the run. It is long because dropping a database waits for the whole
// server: for a checkpoint, and for every backend to close the dropped files, which one
// that sends to a client that does not read does only when the client does.
const cleanupTimeout = 2 * time.Minute

// address reads the server's address, or ends the test as the package says.
func address(t testing.TB, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value != "" {
		return value
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not set, and CI runs every test: use `make test`, which starts the servers", variable)
	}
	t.Skipf("%s is not set: `make test` starts the servers and sets it", variable)
	return ""
}

// randomName returns a name no other test has, valid as a database, a topic
// and an index: a lower-case letter and twelve hexadecimal digits.
func randomName(t testing.TB) string {
	t.Helper()
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatalf("read random bytes: %v", err)
	}
	return "t" + hex.EncodeToString(b[:])
}

// cleanup runs f when the test ends, on a context of its own since the test's is
// cancelled by then, and reports what could not be removed as a failure.
func cleanup(t testing.TB, what string, f func(ctx context.Context) error) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := f(ctx); err != nil {
			t.Errorf("remove %s: %v", what, err)
		}
	})
}

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// childOf returns the environment that a process of ours would get.
func childOf(t *testing.T, env []string, args ...string) []string {
	t.Helper()
	s := newSettings(env, os.Stdout, os.Stderr)
	root := newRoot(s)
	var child []string
	root.AddCommand(&cobra.Command{Use: "probe", RunE: func(cmd *cobra.Command, _ []string) error {
		child = s.childEnvironment(cmd, "127.0.0.1:8470")
		return nil
	}})
	root.SetArgs(append([]string{"probe"}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return child
}

func TestProcessesGetTheSettings(t *testing.T) {
	child := childOf(t, []string{"FRESHET_PREFIX=a", "FRESHET_PROCESS=/x/up", "FRESHET_KAFKA_PORT=1", "HOME=/h", "GOGC=50", "EDITOR=vi", "FRESHET_TEST_LONG=1"},
		"--prefix", "b", "--mongo-url", "mongodb://h/d")
	for _, want := range []string{
		"FRESHET_PREFIX=b", "FRESHET_KAFKA=127.0.0.1:1", "FRESHET_MONGO_URL=mongodb://h/d", "HOME=/h", "GOGC=50",
		"FRESHET_POSTGRES_URL=postgres://postgres@127.0.0.1:5433/shop", "FRESHET_HEALTH=127.0.0.1:8470",
	} {
		if !slices.Contains(child, want) {
			t.Errorf("%s is not passed on: %v", want, child)
		}
	}
	for _, entry := range child {
		if strings.HasPrefix(entry, "EDITOR=") || strings.HasPrefix(entry, "FRESHET_PROCESS=") {
			t.Errorf("%s is passed on", entry)
		}
	}
	if child := childOf(t, []string{"FRESHET_LINGER=1ms"}); !slices.Contains(child, "FRESHET_LINGER=1ms") {
		t.Errorf("a linger that was set is not passed on: %v", child)
	}
	// What a process gets must be what a command accepts.
	if _, err := runWith(t, child, "version"); err != nil {
		t.Error(err)
	}
}

func TestAskHealth(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if _, err := w.Write([]byte(`{"kafka":"refused"}`)); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	if err := askHealth(t.Context(), address); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v, want the reason", err)
	}
	status = http.StatusOK
	if err := askHealth(t.Context(), address); err != nil {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if askHealth(cancelled, address) == nil {
		t.Error("a cancelled request counts as healthy")
	}
}

// TestWithServers runs a command on servers that are given, which it must not stop.
func TestWithServers(t *testing.T) {
	env := []string{"PATH=" + os.Getenv("PATH"), "FRESHET_DATA=" + t.TempDir() + "/data", "FRESHET_CACHE=" + t.TempDir(), "FRESHET_TEST_LONG=1"}
	if err := os.Chmod(strings.TrimSuffix(strings.TrimPrefix(env[1], "FRESHET_DATA="), "/001/data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"POSTGRES_URL", "KAFKA", "MONGO_URL", "ELASTIC_URL"} {
		value := os.Getenv("FRESHET_TEST_" + name)
		if value == "" {
			if os.Getenv("CI") != "" {
				t.Fatalf("FRESHET_TEST_%s is not set: use `make test`", name)
			}
			t.Skipf("FRESHET_TEST_%s is not set: `make test` sets it", name)
		}
		env = append(env, "FRESHET_"+name+"="+value)
	}
	const script = `echo "$FRESHET_TEST_POSTGRES_URL|$FRESHET_TEST_LONG|$FRESHET_POSTGRES_URL|"`
	out, err := runWith(t, env, "with-servers", "--", "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	if want := os.Getenv("FRESHET_TEST_POSTGRES_URL") + "|1||\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if _, err := runWith(t, env, "with-servers", "--", "/bin/sh", "-c", "exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the command's failure: %v", err)
	}
}

// TestIngestLingersWhereAllIsOnOneMachine, unless the shop's owner says for how long.
func TestIngestLingersWhereAllIsOnOneMachine(t *testing.T) {
	for env, want := range map[string][]string{
		"FRESHET_PREFIX=a":   {"ingest", "--linger", "5ms"},
		"FRESHET_LINGER=0ms": {"ingest"},
	} {
		if got := newSettings([]string{env}, os.Stdout, os.Stderr).ownProcesses()[0].args; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", env, got, want)
		}
	}
}

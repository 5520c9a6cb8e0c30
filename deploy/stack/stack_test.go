package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack"
	"freshet/deploy/stack/process"
)

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// dataDir is a directory that the servers' account can reach, as t.TempDir is not.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// postgresOnly is a stack that starts nothing but Postgres: the others are given.
func postgresOnly(t *testing.T) *stack.Stack {
	t.Helper()
	kafka := os.Getenv("FRESHET_TEST_KAFKA")
	if kafka == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("FRESHET_TEST_KAFKA is not set: use `make test`")
		}
		t.Skip("FRESHET_TEST_KAFKA is not set: `make test` sets it")
	}
	servers, err := stack.New(t.Context(), stack.Config{
		Data: dataDir(t), Ports: stack.Ports{Postgres: freePort(t)}, Docker: "never",
		Kafka: strings.Split(kafka, ","), Mongo: os.Getenv("FRESHET_TEST_MONGO_URL"), Elastic: os.Getenv("FRESHET_TEST_ELASTIC_URL"),
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := servers.Down(ctx); err != nil {
			t.Error(err)
		}
	})
	return servers
}

func upAll(t *testing.T, servers *stack.Stack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := servers.Up(ctx); err != nil {
		t.Fatal(err)
	}
}

// query runs statements on the shop's database and returns the last one's value.
func query(t *testing.T, servers *stack.Stack, statements ...string) (value string) {
	t.Helper()
	return queryAt(t, servers.Endpoints().Postgres, statements...)
}

func queryAt(t *testing.T, address string, statements ...string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for i, statement := range statements {
		if i < len(statements)-1 {
			_, err = conn.Exec(t.Context(), statement)
		} else {
			err = conn.QueryRow(t.Context(), statement).Scan(&value)
		}
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return value
}

func postgresPID(t *testing.T, servers *stack.Stack) int {
	t.Helper()
	list, err := servers.Supervisor().List()
	if err != nil || len(list) != 1 || !list[0].Running {
		t.Fatalf("want one running process: %v, %v", list, err)
	}
	return list[0].PID
}

// TestPostgresFromPackages goes through a server's life: first start, a second `up`, a
// kill -9, and a reboot after which its old pid belongs to somebody else.
func TestPostgresFromPackages(t *testing.T) {
	servers := postgresOnly(t)
	upAll(t, servers)
	if level := query(t, servers, "CREATE TABLE kept (v text)", "INSERT INTO kept VALUES ('here')", "SHOW wal_level"); level != "logical" {
		t.Errorf("wal_level is %s", level)
	}
	first := postgresPID(t, servers)
	if owner := ownerOf(t, first); owner == 0 {
		t.Error("Postgres runs as root")
	}
	if way := queryAt(t, servers.LocalPostgres(), "SELECT current_database() || coalesce(inet_client_addr()::text, ' by its socket file')"); way != "shop by its socket file" {
		t.Errorf("programs on this machine reach %s", way)
	}
	upAll(t, servers)
	if second := postgresPID(t, servers); second != first {
		t.Errorf("a second up started pid %d beside %d", second, first)
	}
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	upAll(t, servers)
	if kept := query(t, servers, "SELECT v FROM kept"); kept != "here" {
		t.Errorf("after kill -9: %q", kept)
	}
	if err := servers.Supervisor().Kill(t.Context(), "postgres"); err != nil {
		t.Fatal(err)
	}
	locks, err := filepath.Glob(filepath.Join(servers.Data(), "postgres", ".s.PGSQL.*.lock"))
	if err != nil || len(locks) != 1 {
		t.Fatalf("locks of the socket file: %v, %v", locks, err)
	}
	for _, lock := range append(locks, filepath.Join(servers.Data(), "postgres", "data", "postmaster.pid")) {
		content, err := os.ReadFile(lock)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(content), "\n")
		if err := os.WriteFile(lock, fmt.Appendf(nil, "%d\n%s", os.Getpid(), rest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	upAll(t, servers)
	if kept := query(t, servers, "SELECT v FROM kept"); kept != "here" {
		t.Errorf("after a reboot: %q", kept)
	}
}

func ownerOf(t *testing.T, pid int) uint32 {
	t.Helper()
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if errors.Is(err, os.ErrNotExist) {
		return 1 // no /proc: nothing to compare
	}
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner")
	}
	return stat.Uid
}

func TestUpNamesEveryPortInUse(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, text, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	taken, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	dir := dataDir(t)
	ports := stack.Ports{
		Postgres: taken, Kafka: freePort(t), KafkaController: freePort(t),
		Mongo: freePort(t), Elastic: freePort(t), ElasticTransport: freePort(t),
	}
	servers, err := stack.New(t.Context(), stack.Config{Data: dir, Cache: dataDir(t), Ports: ports, Docker: "never"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	err = servers.Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "port "+text) || !strings.Contains(err.Error(), "FRESHET_POSTGRES_PORT=") {
		t.Errorf("got %v", err)
	}
	if list, err := servers.Supervisor().List(); err != nil || len(list) != 0 {
		t.Errorf("something was started all the same: %v, %v", list, err)
	}
}

func TestConfigProblems(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  stack.Config
		want string
	}{
		"docker":   {stack.Config{Docker: "maybe"}, `docker is "maybe"`},
		"heap":     {stack.Config{ElasticHeap: "lots"}, `heap of Elasticsearch is "lots"`},
		"cache":    {stack.Config{MongoCache: 10}, "cache of MongoDB is 10 MB"},
		"nice":     {stack.Config{Nice: 20}, "the read side is 20 behind"},
		"port":     {stack.Config{Ports: stack.Ports{Kafka: 70000}}, "the port of Kafka is 70000"},
		"postgres": {stack.Config{PostgresVersion: 14}, "version of Postgres is 14, want one of [15 16 17 18]"},
		"twice":    {stack.Config{Ports: stack.Ports{Kafka: 5000, Mongo: 5000}}, "both have port 5000"},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Data, c.cfg.Cache = dataDir(t), dataDir(t)
			_, err := stack.New(t.Context(), c.cfg, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	dir := dataDir(t)
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := stack.New(t.Context(), stack.Config{Data: dir, Cache: dataDir(t)}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "neither empty nor Freshet's") {
		t.Errorf("got %v", err)
	}
}

func TestCleanDeletesTheDataAlone(t *testing.T) {
	dir := filepath.Join(dataDir(t), "data")
	cache := dataDir(t)
	for _, program := range []string{"kafka-4.2.1", "other"} {
		if err := os.Mkdir(filepath.Join(cache, program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	servers, err := stack.New(t.Context(), stack.Config{Data: dir, Cache: cache}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := servers.Clean(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data is still there: %v", err)
	}
	left, err := os.ReadDir(cache)
	if err != nil || len(left) != 1 || left[0].Name() != "other" {
		t.Errorf("left in the cache: %v, %v; want the other program alone", left, err)
	}
}

func TestEndpoints(t *testing.T) {
	e := stack.Config{Ports: stack.Ports{Elastic: 1}, Kafka: []string{"a:1", "b:2"}}.Endpoints()
	want := stack.Endpoints{
		Postgres: "postgres://postgres@127.0.0.1:5433/shop", Kafka: []string{"a:1", "b:2"},
		Mongo: "mongodb://127.0.0.1:27018/freshet?directConnection=true", Elastic: "http://127.0.0.1:1",
	}
	if fmt.Sprint(e) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", e, want)
	}
}

// TestAServerThatIsGivenIsNotStarted asks for servers where none is.
func TestAServerThatIsGivenIsNotStarted(t *testing.T) {
	nobody := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	var out bytes.Buffer
	servers, err := stack.New(t.Context(), stack.Config{
		Data: dataDir(t), Cache: dataDir(t),
		Postgres: "postgres://u:secret@" + nobody + "/d", Kafka: []string{nobody},
		Mongo: "mongodb://" + nobody, Elastic: "http://" + nobody,
	}, &out)
	if err != nil {
		t.Fatal(err)
	}
	states, err := servers.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range states {
		if state.How != "given" || state.Err == nil {
			t.Errorf("%s: %s, %v; want given and not answering", state.Name, state.How, state.Err)
		}
		if strings.Contains(state.Address, "secret") {
			t.Errorf("%s shows the password: %s", state.Name, state.Address)
		}
	}
	var list []process.Status
	if list, err = servers.Supervisor().List(); err != nil || len(list) != 0 {
		t.Errorf("started: %v, %v", list, err)
	}
}

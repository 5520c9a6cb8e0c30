package stacktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack"
	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
)

// Server is a Postgres that one test has for itself: it may be stopped, killed,
// restarted and, being a standby, promoted. Its methods fail the test by themselves
// and belong to the test's goroutine.
type Server struct {
	daemon
	program  string
	data     string
	major    int
	port     int
	settings []string
}

// PostgresServer starts a Postgres of a major version on a free port, with
// wal_level=logical and fsync on, and stops it when the test ends. settings are
// name=value and win over ours. It is skipped like any test that needs servers:
// where FRESHET_TEST_POSTGRES_URL is not set.
func PostgresServer(t testing.TB, major int, settings ...string) *Server {
	t.Helper()
	address(t, "FRESHET_TEST_POSTGRES_URL")
	program, account := provide(t, "postgres", artifact.Postgres(major))
	s := newServer(t, account, program, major)
	s.settings = settings
	s.data = filepath.Join(s.home(), "data")
	if err := stack.InitPostgres(t.Context(), s.account, s.program, s.data, major); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.discard)
	s.Start()
	return s
}

func newServer(t testing.TB, account *process.Account, program string, major int) *Server {
	t.Helper()
	s := &Server{major: major, port: freePort(t), program: program}
	s.daemon = daemon{t: t, name: fmt.Sprintf("Postgres %d at %s", major, s.Addr()), account: account}
	return s
}

// home makes a directory that belongs to the server's account and can be reached by
// it, as the parent of t.TempDir can't.
func (s *Server) home() string {
	s.t.Helper()
	dir := s.t.TempDir()
	err := os.Chmod(filepath.Dir(dir), 0o755)
	if err = errors.Join(err, s.account.Own(dir)); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	number, err := strconv.Atoi(port)
	if err = errors.Join(err, listener.Close()); err != nil {
		t.Fatal(err)
	}
	return number
}

// Addr is host:port, the same after a restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL connects the superuser to the database postgres.
func (s *Server) URL() string { return s.DatabaseURL("postgres") }

// DatabaseURL connects the superuser to a database.
func (s *Server) DatabaseURL(name string) string {
	return "postgres://postgres@" + s.Addr() + "/" + name
}

// Database makes an empty database and returns its name and URL. It lives as long as
// the server does. Unlike the other methods it is for any test's goroutine.
func (s *Server) Database(t testing.TB) (name, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	name = randomName(t)
	if err := createDatabase(ctx, s.URL(), name); err != nil {
		t.Fatal(err)
	}
	return name, s.DatabaseURL(name)
}

// Exec runs statements in the database postgres, each by itself.
func (s *Server) Exec(statements ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	if err := onServer(ctx, s.URL(), func(conn *pgx.Conn) error {
		for _, statement := range statements {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) args() []string {
	settings := append([]string{
		"port=" + strconv.Itoa(s.port), "listen_addresses=127.0.0.1", "unix_socket_directories=",
		"wal_level=logical", "max_replication_slots=200", "max_wal_senders=100", "max_connections=200",
		"shared_buffers=64MB", "wal_sender_timeout=10s", "log_min_messages=warning", "timezone=UTC",
	}, s.settings...)
	args := []string{"-D", s.data}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// Start starts the server if it does not run, and returns when it answers.
func (s *Server) Start() {
	s.t.Helper()
	home := filepath.Dir(s.data)
	// One that was killed leaves backends that need a moment to notice, and until then the data directory counts as in
	// use: it ends again and is started again.
	s.start(func() (launching, error) {
		log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		return launching{
			args: append([]string{filepath.Join(s.program, "bin", "postgres")}, s.args()...),
			env:  []string{"HOME=" + home, "LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}, dir: home,
			out: log, orphaned: syscall.SIGQUIT,
		}, err
	}, func(ctx context.Context) error {
		return onServer(ctx, s.URL(), func(conn *pgx.Conn) error { return conn.Ping(ctx) })
	})
}

func (s *Server) log() string { return filepath.Join(filepath.Dir(s.data), "log") }

// discard ends the server with its test. One that failed shows the end of the log: all of it would bury the reason.
func (s *Server) discard() {
	s.Kill()
	if !s.t.Failed() {
		return
	}
	lines, err := process.Tail(s.log(), 40)
	s.t.Logf("the end of the log of %s (%v):\n%s", s.name, err, strings.Join(lines, "\n"))
}

// Stop is a fast shutdown: clients are cut, walsenders may finish, data is checkpointed.
func (s *Server) Stop() { s.t.Helper(); s.end(syscall.SIGINT) }

// Crash is an immediate shutdown: the next start recovers from the log.
func (s *Server) Crash() { s.t.Helper(); s.end(syscall.SIGQUIT) }

// Kill is kill -9 of the server; its backends end when they notice.
func (s *Server) Kill() { s.t.Helper(); s.end(syscall.SIGKILL) }

// Restart stops fast and starts again.
func (s *Server) Restart() { s.t.Helper(); s.Stop(); s.Start() }

package stacktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack"
	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
	"freshet/deploy/stack/progress"
)

// serverPatience bounds each start and each stop: recovery on a busy machine is slow.
const serverPatience = 2 * time.Minute

// Server is a Postgres that one test has for itself: it may be stopped, killed,
// restarted and, being a standby, promoted. Its methods fail the test by themselves
// and belong to the test's goroutine.
type Server struct {
	t        testing.TB
	account  *process.Account
	program  string
	data     string
	major    int
	port     int
	settings []string

	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
}

// PostgresServer starts a Postgres of a major version on a free port, with
// wal_level=logical and fsync on, and stops it when the test ends. settings are
// name=value and win over ours. It is skipped like any test that needs servers:
// where FRESHET_TEST_POSTGRES_URL is not set.
func PostgresServer(t testing.TB, major int, settings ...string) *Server {
	t.Helper()
	address(t, "FRESHET_TEST_POSTGRES_URL")
	s := &Server{t: t, major: major, port: freePort(t), settings: settings}
	s.install()
	s.data = filepath.Join(s.home(), "data")
	if err := stack.InitPostgres(t.Context(), s.account, s.program, s.data, major); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// install finds the program, which is fetched once for all test runs.
func (s *Server) install() {
	s.t.Helper()
	ctx := s.t.Context()
	cache := os.Getenv("FRESHET_CACHE")
	var err error
	if cache == "" {
		cache, err = stack.DefaultCache()
	}
	program := artifact.Postgres(s.major)
	if err == nil && !program.Installed(cache) {
		err = artifact.Provide(ctx, artifact.Missing(ctx, program.Tools), s.t.Output())
	}
	if err == nil {
		task := progress.NewBoard(s.t.Output()).Start("postgres")
		s.program, err = artifact.Install(ctx, cache, program, task)
	}
	if err == nil {
		s.account, err = process.Unprivileged(ctx)
	}
	if err != nil {
		s.t.Fatal(err)
	}
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
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	for {
		if !s.running() {
			// One that was killed leaves backends that need a moment to notice, and
			// until then the data directory counts as in use.
			if err := s.launch(); err != nil {
				s.t.Fatal(err)
			}
		}
		attempt, done := context.WithTimeout(ctx, 5*time.Second)
		err := onServer(attempt, s.URL(), func(conn *pgx.Conn) error { return conn.Ping(attempt) })
		done()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("Postgres %d at %s does not answer: %v", s.major, s.Addr(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) launch() error {
	// Not bound to the test's context: that ends before the cleanups run.
	cmd := exec.Command(filepath.Join(s.program, "bin", "postgres"), s.args()...) //nolint:noctx // see above
	cmd.SysProcAttr = s.account.Command(context.Background(), cmd.Path).SysProcAttr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	endWithParent(cmd.SysProcAttr, syscall.SIGQUIT)
	cmd.Dir = filepath.Dir(s.data)
	cmd.Env = []string{"HOME=" + cmd.Dir, "LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
	cmd.Stderr, cmd.WaitDelay = s.t.Output(), 10*time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // a killed server's status says nothing
	}()
	s.cmd, s.ended = cmd, ended
	return nil
}

func (s *Server) running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// Stop is a fast shutdown: clients are cut, walsenders may finish, data is checkpointed.
func (s *Server) Stop() { s.t.Helper(); s.end(syscall.SIGINT) }

// Crash is an immediate shutdown: the next start recovers from the log.
func (s *Server) Crash() { s.t.Helper(); s.end(syscall.SIGQUIT) }

// Kill is kill -9 of the server; its backends end when they notice.
func (s *Server) Kill() { s.t.Helper(); s.end(syscall.SIGKILL) }

// Restart stops fast and starts again.
func (s *Server) Restart() { s.t.Helper(); s.Stop(); s.Start() }

func (s *Server) end(signal syscall.Signal) {
	s.t.Helper()
	if !s.running() {
		return
	}
	if err := s.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("%s to Postgres %d: %v", signal, s.major, err)
	}
	select {
	case <-s.ended:
	case <-time.After(serverPatience):
		s.t.Errorf("Postgres %d at %s does not end on %s", s.major, s.Addr(), signal)
	}
}

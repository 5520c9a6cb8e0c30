package stacktest

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"freshet/deploy/stack/process"
)

// RedisServer is a Redis that one test has for itself, which keeps nothing when it ends. Its methods fail the test by
// themselves and belong to the test's goroutine.
type RedisServer struct {
	daemon
	program, socket string
}

// Redis starts the redis-server that is installed and ends it when the test does. Where none is installed the test is
// skipped on a developer's machine and fails when CI is set.
func Redis(t testing.TB) *RedisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	var account *process.Account
	if err == nil {
		account, err = process.Unprivileged(t.Context())
	}
	// Not t.TempDir: a socket's path may have about a hundred characters, and that one names the test.
	var home string
	if err == nil {
		home, err = os.MkdirTemp("", "redis")
	}
	if err == nil {
		err = account.Own(home)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &RedisServer{program: program, socket: filepath.Join(home, "socket")}
	s.daemon = daemon{t: t, name: "Redis at " + s.socket, account: account}
	cleanup(t, home, func(context.Context) error { return os.RemoveAll(home) })
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// URL is the server's, the same after a restart. It is a socket, which no other server can take meanwhile.
func (s *RedisServer) URL() string { return "unix://" + s.socket }

// Start starts the server if it does not run, and returns when it takes connections.
func (s *RedisServer) Start() {
	s.t.Helper()
	s.start(func() (launching, error) {
		args := []string{s.program, "--port", "0", "--unixsocket", s.socket, "--save", "", "--dir", filepath.Dir(s.socket)}
		return launching{args: args, env: os.Environ(), dir: filepath.Dir(s.socket), out: io.Discard, orphaned: syscall.SIGKILL}, nil
	}, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", s.socket)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Kill is kill -9.
func (s *RedisServer) Kill() { s.t.Helper(); s.end(syscall.SIGKILL) }

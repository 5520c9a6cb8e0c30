package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
	"freshet/deploy/stack/progress"
)

const namePostgres = "postgres"

func (s *Stack) postgres() server {
	program := artifact.Postgres(s.cfg.PostgresVersion)
	return server{
		name:     namePostgres,
		external: s.cfg.Postgres,
		ports:    []process.Port{{Number: s.cfg.Ports.Postgres, Setting: "FRESHET_POSTGRES_PORT"}},
		tools:    s.toolsUnlessInstalled(program),
		install:  s.installer(program),
		spec:     s.postgresSpec,
		ready:    s.postgresReady,
	}
}

// toolsUnlessInstalled asks for no Maven where the program is in the cache already.
func (s *Stack) toolsUnlessInstalled(program artifact.Artifact, always ...artifact.Tool) func(context.Context) []artifact.Tool {
	return func(context.Context) []artifact.Tool {
		if program.Installed(s.cfg.Cache) {
			return always
		}
		return append(always, program.Tools...)
	}
}

func (s *Stack) installer(program artifact.Artifact) func(context.Context, *progress.Task) (string, error) {
	return func(ctx context.Context, task *progress.Task) (string, error) {
		return artifact.Install(ctx, s.cfg.Cache, program, task)
	}
}

// postgresSettings are given on the command line, so that a data directory never
// holds an old copy of them.
func (s *Stack) postgresSettings() []string {
	settings := []string{
		"port=" + strconv.Itoa(s.cfg.Ports.Postgres),
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=" + s.socketDir(),
		"wal_level=logical",
		"max_replication_slots=60",
		"max_wal_senders=60",
		// A slot nobody reads must not fill the disk; past this it is lost, and
		// ingest says so and how to repair it.
		"max_slot_wal_keep_size=20GB",
		"max_connections=300",
		"shared_buffers=256MB",
		"max_wal_size=4GB",
		// Zeroes are written a megabyte at a time, which file systems with large folios (ext4 since Linux 6.16) then keep
		// together: each commit of 8 KiB would write the whole megabyte again (docs/adr/0045).
		"wal_init_zero=off",
		// The crash of a client must be noticed before its slot is wanted again.
		"wal_sender_timeout=10s",
		"tcp_keepalives_idle=10",
		"log_min_messages=warning",
		"timezone=UTC",
	}
	args := make([]string, 0, 2*len(settings))
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	return args
}

// maxSocketPath is what the system takes of the path of a socket file, on every Unix.
const maxSocketPath = 103

// socketDir is where Postgres' socket file is: in its own directory, which is closed to others. It is empty, and there is
// none, where its path would be too long.
func (s *Stack) socketDir() string {
	dir := filepath.Join(s.cfg.Data, namePostgres)
	if len(socketFile(dir, s.cfg.Ports.Postgres)) > maxSocketPath || strings.ContainsAny(dir, ",\"") {
		return ""
	}
	return dir
}

func socketFile(dir string, port int) string {
	return filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(port))
}

// LocalPostgres is the address of Postgres for programs of the same user, or of root, on this machine: its socket file if the
// server was started here and has one, else what Endpoints says. It spares both sides the loopback interface's TCP
// (docs/adr/0050).
func (s *Stack) LocalPostgres() string {
	dir := s.socketDir()
	if _, err := os.Stat(socketFile(dir, s.cfg.Ports.Postgres)); s.cfg.Postgres != "" || dir == "" || err != nil {
		return s.Endpoints().Postgres
	}
	query := url.Values{"host": {dir}, "port": {strconv.Itoa(s.cfg.Ports.Postgres)}}
	return (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + PostgresDatabase, RawQuery: query.Encode()}).String()
}

func (s *Stack) postgresSpec(ctx context.Context, dir string) (process.Spec, error) {
	home := filepath.Join(s.cfg.Data, namePostgres)
	data := filepath.Join(home, "data")
	if err := s.account.Own(home); err != nil {
		return process.Spec{}, fmt.Errorf("make Postgres' directory: %w", err)
	}
	if err := InitPostgres(ctx, s.account, dir, data, s.cfg.PostgresVersion); err != nil {
		return process.Spec{}, err
	}
	for _, path := range []string{filepath.Join(data, "postmaster.pid"), socketFile(home, s.cfg.Ports.Postgres) + ".lock"} {
		if err := removeStaleLock(path); err != nil {
			return process.Spec{}, err
		}
	}
	return process.Spec{
		Args: append([]string{filepath.Join(dir, "bin", "postgres"), "-D", data}, s.postgresSettings()...),
		Env:  postgresEnv(home),
		// SIGINT is Postgres' fast shutdown: clients are cut, data is checkpointed.
		// SIGTERM would wait for every client to leave.
		Stop:  syscall.SIGINT,
		Grace: time.Minute,
		// Recovery after a crash reads the WAL since the last checkpoint first.
		ReadyWithin: 3 * time.Minute,
	}, nil
}

func postgresEnv(home string) []string {
	return []string{"HOME=" + home, "LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
}

// InitPostgres makes a database cluster at data, whose parent belongs to the account,
// with the program installed at dir. It makes it aside and renames it when it is
// whole, so that an interrupted initdb is begun anew. One that exists is left alone,
// and refused if it is of another major version.
func InitPostgres(ctx context.Context, account *process.Account, dir, data string, major int) error {
	version, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err == nil {
		if found := string(bytes.TrimSpace(version)); found != strconv.Itoa(major) {
			return fmt.Errorf("%s holds the data of Postgres %s, not of %d: set FRESHET_POSTGRES_VERSION=%s, or delete the data and begin anew",
				data, found, major, found)
		}
		return nil
	}
	part := data + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	// Trust: the server is reached over the loopback interface only.
	args := []string{"-D", part, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"}
	if major >= 17 {
		// The builtin locale sorts by code point, as C does, and is the same on every
		// system, but knows the letters beyond ASCII.
		args = append(args, "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
	}
	home := filepath.Dir(data)
	initdb := account.Command(ctx, filepath.Join(dir, "bin", "initdb"), args...)
	initdb.Env, initdb.Dir = postgresEnv(home), home
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return os.Rename(part, data)
}

// removeStaleLock removes a lock file of a Postgres that is gone. Postgres does it by itself unless the pid in it was given
// to another process since, as happens after a reboot.
func removeStaleLock(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read Postgres' lock file: %w", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && isPostgres(pid) {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove Postgres' stale lock file: %w", err)
	}
	return nil
}

// isPostgres is careful: where the system does not tell what a process is, any that
// runs counts.
func isPostgres(pid int) bool {
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil {
		return bytes.Contains(command, []byte("postgres"))
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		return false
	}
	return syscall.Kill(pid, 0) == nil
}

// postgresReady makes the shop's database on a server of ours; one that was given
// is only asked whether it answers.
func (s *Stack) postgresReady(ctx context.Context) error {
	if s.cfg.Postgres != "" {
		return withPostgres(ctx, s.cfg.Postgres, func(conn *pgx.Conn) error { return conn.Ping(ctx) })
	}
	location, err := url.Parse(s.Endpoints().Postgres)
	if err != nil {
		return err
	}
	location.Path = "/postgres"
	return withPostgres(ctx, location.String(), func(conn *pgx.Conn) error {
		var exists bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", PostgresDatabase).Scan(&exists)
		if err != nil || exists {
			return err
		}
		_, err = conn.Exec(ctx, "CREATE DATABASE "+PostgresDatabase)
		return err
	})
}

func withPostgres(ctx context.Context, address string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close(ctx))
}

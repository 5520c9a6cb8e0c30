// Package stack starts the four real servers that Freshet runs on: Postgres, Kafka,
// MongoDB and Elasticsearch. `freshet up`, the test run and the crash tests call it.
//
// For each server the first that applies is taken: an address given by the caller,
// which is left alone; a Docker engine, which runs the compose file; a plain process
// from public packages (packages artifact and process), as root or not.
//
// Up is idempotent: it starts what does not run, on the data that is there, and
// leaves the rest alone, after a kill -9 and after a reboot too. All servers listen
// on the loopback interface only.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
	"freshet/deploy/stack/progress"
)

// server is one of the four and how each way of running it differs.
type server struct {
	name     string
	external string // the address given by the caller, or empty
	ports    []process.Port
	install  func(ctx context.Context, task *progress.Task) (dir string, err error)
	tools    func(ctx context.Context) []artifact.Tool
	spec     func(ctx context.Context, dir string) (process.Spec, error)
	ready    func(ctx context.Context) error
}

// Stack is the four servers of one data directory.
type Stack struct {
	cfg        Config
	account    *process.Account
	supervisor *process.Supervisor
	board      *progress.Board
	out        io.Writer
}

// New prepares the data directory and returns its Stack; progress goes to out.
func New(ctx context.Context, cfg Config, out io.Writer) (*Stack, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	account, err := process.Unprivileged(ctx)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{cfg.Data, cfg.Cache} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make the directory: %w", err)
		}
		if err := account.Reach(dir); err != nil {
			return nil, err
		}
	}
	if err := markOwn(cfg.Data); err != nil {
		return nil, err
	}
	supervisor, err := process.NewSupervisor(cfg.Data)
	if err != nil {
		return nil, err
	}
	return &Stack{cfg: cfg, account: account, supervisor: supervisor, board: progress.NewBoard(out), out: out}, nil
}

// Supervisor is where the servers run, for processes that are run beside them.
func (s *Stack) Supervisor() *process.Supervisor { return s.supervisor }

// Up starts what does not run and returns when all four serve.
func (s *Stack) Up(ctx context.Context) (err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	var own []server
	for _, srv := range s.servers() {
		if srv.external != "" {
			continue
		}
		own = append(own, srv)
	}
	docker := len(own) > 0 && s.UsesDocker(ctx)
	if docker {
		if docker, err = s.composeUp(ctx, own); err != nil {
			return err
		}
	}
	if !docker {
		if err := s.preflight(ctx, own); err != nil {
			return err
		}
	}
	return s.withBoard(ctx, func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		for _, srv := range s.servers() {
			group.Go(func() error {
				if srv.external != "" || docker {
					return s.await(ctx, srv)
				}
				return s.startServer(ctx, srv)
			})
		}
		return group.Wait()
	})
}

// withBoard shows progress while f runs.
func (s *Stack) withBoard(ctx context.Context, f func(ctx context.Context) error) error {
	shown, end := context.WithCancel(ctx)
	var board sync.WaitGroup
	board.Go(func() { s.board.Run(shown) })
	defer board.Wait()
	defer end()
	return f(ctx)
}

// preflight finds what would stop the servers from starting before anything is
// downloaded: ports first, all of them, then tools.
func (s *Stack) preflight(ctx context.Context, servers []server) error {
	var problems []error
	for _, srv := range servers {
		problems = append(problems, s.supervisor.Preflight(ctx, srv.name, srv.ports))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return s.provideTools(ctx, servers)
}

func (s *Stack) provideTools(ctx context.Context, servers []server) error {
	var tools []artifact.Tool
	for _, srv := range servers {
		tools = append(tools, srv.tools(ctx)...)
	}
	return artifact.Provide(ctx, artifact.Missing(ctx, tools), s.out)
}

func (s *Stack) startServer(ctx context.Context, srv server) error {
	task := s.board.Start(srv.name)
	defer task.Done()
	dir, err := srv.install(ctx, task)
	if err != nil {
		return err
	}
	task.Step("starting", 0, "")
	spec, err := srv.spec(ctx, dir)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", srv.name, err)
	}
	spec.Name, spec.Ports, spec.Ready, spec.Account = srv.name, srv.ports, srv.ready, s.account
	begun := time.Now()
	started, err := s.supervisor.Up(ctx, spec)
	if err != nil {
		return err
	}
	if started {
		s.board.Printf("  %s: started in %.1f s", srv.name, time.Since(begun).Seconds())
	} else {
		s.board.Printf("  %s: runs", srv.name)
	}
	return nil
}

// await waits for a server that somebody else started.
func (s *Stack) await(ctx context.Context, srv server) error {
	task := s.board.Start(srv.name)
	defer task.Done()
	task.Step("waiting for it", 0, "")
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := srv.ready(within)
		if err == nil {
			s.board.Printf("  %s: serves at %s", srv.name, redact(s.addressOf(srv)))
			return nil
		}
		select {
		case <-within.Done():
			return fmt.Errorf("%s at %s does not answer: %w", srv.name, redact(s.addressOf(srv)), err)
		case <-ticker.C:
		}
	}
}

// Down stops the servers that this stack started; Elasticsearch and MongoDB first,
// since they feed nobody, Postgres last.
func (s *Stack) Down(ctx context.Context) error {
	var problems []error
	if s.composeStarted() {
		problems = append(problems, s.composeDown(ctx))
	}
	for _, name := range []string{nameElastic, nameMongo, nameKafka, namePostgres} {
		problems = append(problems, s.supervisor.Down(ctx, name))
	}
	return errors.Join(problems...)
}

// ownMark is a file in every data directory, so that Clean removes no other.
const ownMark = ".freshet"

// markOwn claims an empty directory, and refuses one that holds somebody's files:
// Clean would delete them.
func markOwn(dir string) error {
	mark := filepath.Join(dir, ownMark)
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the data directory: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is neither empty nor Freshet's: choose another data directory (--data, FRESHET_DATA)", dir)
	}
	if err := os.WriteFile(mark, []byte("Freshet's data; `freshet clean` deletes it.\n"), 0o644); err != nil {
		return fmt.Errorf("mark the data directory: %w", err)
	}
	return nil
}

// javaCommand returns the path of the java that was found or installed.
func javaCommand(ctx context.Context) (java, home string, err error) {
	home, err = artifact.JavaHome(ctx)
	return filepath.Join(home, "bin", "java"), home, err
}

// lookPath is exec.LookPath for a program that may be absent.
func lookPath(program string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		return ""
	}
	return path
}

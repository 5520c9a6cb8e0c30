package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const defaultGrace = 30 * time.Second

// Down ends the program gracefully, kills it if its grace is not enough, and
// returns when it and its children are gone. A program that does not run is no error.
func (s *Supervisor) Down(ctx context.Context, name string) error {
	rec, alive, err := s.lookup(name)
	if err != nil {
		return err
	}
	if alive {
		if err := stop(ctx, rec); err != nil {
			return fmt.Errorf("stop %s (pid %d): %w", name, rec.PID, err)
		}
	}
	if rec.PID != 0 {
		if err := endLeftovers(ctx, rec); err != nil {
			return fmt.Errorf("stop the children of %s: %w", name, err)
		}
	}
	if err := os.Remove(s.pidPath(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the pid file of %s: %w", name, err)
	}
	return nil
}

// Kill ends the program and its children at once, as a crash would, and leaves the
// pid file behind as a crash would. Crash tests use it.
func (s *Supervisor) Kill(ctx context.Context, name string) error {
	rec, alive, err := s.lookup(name)
	if err != nil {
		return err
	}
	if !alive {
		return fmt.Errorf("kill %s: it does not run", name)
	}
	if err := signal(-rec.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s (pid %d): %w", name, rec.PID, err)
	}
	return awaitEnd(ctx, rec)
}

// stop signals the leader alone: it ends its children in its own order, which a
// signal to the whole group would cut short (Postgres' backends, the JVM's child).
func stop(ctx context.Context, rec record) error {
	sig, grace := rec.Stop, rec.Grace
	if sig == 0 {
		sig = syscall.SIGTERM
	}
	if grace == 0 {
		grace = defaultGrace
	}
	if err := signal(rec.PID, sig); err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if awaitEnd(patience, rec) == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := signal(-rec.PID, syscall.SIGKILL); err != nil {
		return err
	}
	return awaitEnd(ctx, rec)
}

func awaitEnd(ctx context.Context, rec record) error {
	for rec.alive() {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// signal treats a process that is gone already as signalled.
func signal(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// endLeftovers kills the children of a program that died without ending them: after
// kill -9 of Elasticsearch's launcher its server still holds the port and the lock.
// Only processes that carry our marker in their environment are touched; where the
// system does not show environments, nothing is.
func endLeftovers(ctx context.Context, rec record) error {
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		pids := leftovers(rec)
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if err := signal(pid, syscall.SIGKILL); err != nil {
				return err
			}
		}
		if err := pause(limit, 50*time.Millisecond); err != nil {
			return fmt.Errorf("processes %v do not end: %w", pids, err)
		}
	}
}

func leftovers(rec record) []int {
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil
	}
	var pids []int
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == rec.PID {
			continue
		}
		// Most are not ours to read, and processes end while we look: both mean no.
		environ, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, entry := range bytes.Split(environ, []byte{0}) {
			if string(entry) == rec.Marker {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

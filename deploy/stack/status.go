package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"freshet/deploy/stack/process"
)

// Status is what is known of one server.
type Status struct {
	Name, Address string
	// How says who runs it: "given", "container", or its pid.
	How string
	// Err is why it does not answer, nil if it does.
	Err error
}

// Status asks every server.
func (s *Stack) Status(ctx context.Context) ([]Status, error) {
	list, err := s.supervisor.List()
	if err != nil {
		return nil, err
	}
	own := map[string]process.Status{}
	for _, p := range list {
		own[p.Name] = p
	}
	var all []Status
	for _, srv := range s.servers() {
		state := Status{Name: srv.name, Address: redact(s.addressOf(srv)), How: "not started"}
		switch p := own[srv.name]; {
		case srv.external != "":
			state.How = "given"
		case p.Running:
			state.How = fmt.Sprintf("pid %d for %s", p.PID, time.Since(p.Since).Round(time.Second))
		case s.composeStarted():
			state.How = "container"
		}
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		state.Err = srv.ready(attempt)
		cancel()
		all = append(all, state)
	}
	return all, nil
}

// Data is the data directory.
func (s *Stack) Data() string { return s.cfg.Data }

// Clean removes the data directory, the containers' volumes, and, if asked, the
// servers' programs. The servers must have been stopped.
func (s *Stack) Clean(ctx context.Context, programs bool) error {
	if _, err := os.Stat(filepath.Join(s.cfg.Data, ownMark)); err != nil {
		return fmt.Errorf("%s does not look like Freshet's data: %w", s.cfg.Data, err)
	}
	if s.composeStarted() {
		if err := s.compose(ctx, "down", "--volumes"); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(s.cfg.Data); err != nil {
		return fmt.Errorf("remove the data: %w", err)
	}
	if !programs {
		return nil
	}
	return s.removePrograms()
}

// removePrograms removes what the launcher installs, by name: the cache may be a
// directory that holds other things too.
func (s *Stack) removePrograms() error {
	for _, pattern := range []string{"postgres-*", "kafka-*", "elasticsearch-*", "secantus-*"} {
		paths, err := filepath.Glob(filepath.Join(s.cfg.Cache, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove %s: %w", path, err)
			}
		}
	}
	return nil
}

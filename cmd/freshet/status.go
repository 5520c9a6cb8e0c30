package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/stack"
	"freshet/deploy/stack/process"
)

func newStatusCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show what runs; fails if anything does not",
		GroupID: "machine",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.status(cmd.Context()) },
	}
}

func (s *settings) status(ctx context.Context) error {
	servers, err := stack.New(ctx, s.stack, s.stderr)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	down := 0
	states, err := servers.Status(ctx)
	if err != nil {
		return err
	}
	for _, state := range states {
		answers := "answers"
		if state.Err != nil {
			answers, down = "does not answer", down+1
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", state.Name, answers, state.How, state.Address); err != nil {
			return err
		}
	}
	list, err := servers.Supervisor().List()
	if err != nil {
		return err
	}
	running := map[string]process.Status{}
	for _, p := range list {
		running[p.Name] = p
	}
	for _, p := range s.ownProcesses() {
		state, how := "down", ""
		if r := running[p.name]; r.Running {
			state, how = "runs", fmt.Sprintf("pid %d for %s", r.PID, time.Since(r.Since).Round(time.Second))
		} else {
			down++
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.name, state, how, p.listen); err != nil {
			return err
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if down > 0 {
		return fmt.Errorf("%d do not run: start them with up", down)
	}
	return nil
}

// redactURL hides a password in what is printed.
func redactURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that is no URL)"
	}
	return u.Redacted()
}

func newLogsCommand(s *settings) *cobra.Command {
	var lines int
	var follow bool
	cmd := &cobra.Command{
		Use:     "logs [NAME…]",
		Short:   "Show the last lines of the logs",
		GroupID: "machine",
		RunE: func(cmd *cobra.Command, names []string) error {
			return s.logs(cmd.Context(), names, lines, follow)
		},
	}
	cmd.Flags().IntVar(&lines, "lines", 20, "how many lines of each")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with what is written, until interrupted")
	return cmd
}

func (s *settings) logs(ctx context.Context, names []string, lines int, follow bool) error {
	servers, err := stack.New(ctx, s.stack, s.stderr)
	if err != nil {
		return err
	}
	supervisor := servers.Supervisor()
	if len(names) == 0 {
		list, err := supervisor.List()
		if err != nil {
			return err
		}
		for _, p := range list {
			names = append(names, p.Name)
		}
	}
	offsets := map[string]int64{}
	for _, name := range names {
		path := supervisor.LogPath(name)
		if info, err := os.Stat(path); err == nil {
			offsets[name] = info.Size()
		}
		last, err := process.Tail(path, lines)
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", name, err)
		}
		if err := s.printf("==> %s\n", path); err != nil {
			return err
		}
		for _, line := range last {
			if err := s.printf("%s\n", line); err != nil {
				return err
			}
		}
	}
	for follow {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(300 * time.Millisecond):
		}
		for _, name := range names {
			if err := s.copyFrom(supervisor.LogPath(name), name, offsets); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyFrom prints what was added to a log; one that was put aside starts anew.
func (s *settings) copyFrom(path, name string, offsets map[string]int64) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	from := offsets[name]
	if info.Size() < from {
		from = 0
	}
	offsets[name] = info.Size()
	if info.Size() == from {
		return nil
	}
	if err := s.printf("==> %s\n", name); err != nil {
		return err
	}
	_, err = io.Copy(s.stdout, io.NewSectionReader(f, from, info.Size()-from))
	return err
}

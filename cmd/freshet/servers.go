package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freshet/deploy/stack"
)

func newWithServersCommand(s *settings) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "with-servers -- COMMAND…",
		Short: "Start the four servers, run a command with their addresses, stop them",
		Long: `Starts the four servers on --data and the given ports, runs the command with
FRESHET_TEST_POSTGRES_URL, FRESHET_TEST_KAFKA, FRESHET_TEST_MONGO_URL and
FRESHET_TEST_ELASTIC_URL set and without any other FRESHET_ variable, and then stops
the servers and deletes their data. The tests run like this: see make test.`,
		GroupID: "machine",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.withServers(cmd.Context(), args, keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the servers running and their data in place")
	return cmd
}

func (s *settings) withServers(ctx context.Context, args []string, keep bool) (err error) {
	servers, err := stack.New(ctx, s.stack, s.stderr)
	if err != nil {
		return err
	}
	if !keep {
		defer func() {
			patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
			defer cancel()
			err = errors.Join(err, servers.Down(patience), servers.Clean(patience, false))
		}()
	}
	if err := servers.Up(ctx); err != nil {
		return err
	}
	child := exec.CommandContext(ctx, args[0], args[1:]...)
	child.Env = append(s.withoutSettings(), testEnvironment(servers.Endpoints())...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, s.stdout, s.stderr
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
	child.WaitDelay = 30 * time.Second
	if err := child.Run(); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}

// withoutSettings is our environment less our settings, since a test must see the
// defaults; what is for the tests stays.
func (s *settings) withoutSettings() []string {
	var env []string
	for name, value := range s.env {
		if !strings.HasPrefix(name, envPrefix) || strings.HasPrefix(name, testPrefix) {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func testEnvironment(e stack.Endpoints) []string {
	return []string{
		testPrefix + "POSTGRES_URL=" + e.Postgres,
		testPrefix + "KAFKA=" + strings.Join(e.Kafka, ","),
		testPrefix + "MONGO_URL=" + e.Mongo,
		testPrefix + "ELASTIC_URL=" + e.Elastic,
	}
}

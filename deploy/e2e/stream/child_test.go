package stream

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"freshet/ingest"
	"freshet/ingest/change"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the nemesis and of the faults; 0 takes one from the clock and prints it")

// childVariable holds the settings of an ingest that this test binary runs instead of tests, so that it can be killed.
const childVariable = "FRESHET_TEST_STREAM_CHILD"

// settings are what a child is told.
type settings struct {
	PostgresURL, Prefix, Slot string
	Brokers, Dimensions       []string
	Partitions                int
	Resnapshot                bool
}

func TestMain(m *testing.M) {
	raw := os.Getenv(childVariable)
	if raw == "" {
		os.Exit(m.Run())
	}
	if err := runChild(raw); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(raw string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var s settings
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return err
	}
	in, err := ingest.New(ingest.Config{
		PostgresURL: s.PostgresURL, Prefix: s.Prefix, Slot: s.Slot, Brokers: s.Brokers, Dimensions: s.Dimensions,
		Partitions: s.Partitions, Resnapshot: s.Resnapshot, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		// A Debezium's fillers are those of the catalog when a change is read: the same change read again after a DDL has
		// others. What is compared here is what the log says.
		Format: change.Format{KeepNulls: true, NoFillers: true},
	})
	if err != nil {
		return err
	}
	return in.Run(ctx)
}

// child is an ingest in a process of its own.
type child struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

func startChild(t testing.TB, s settings) *child {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(os.Args[0]), log: filepath.Join(t.TempDir(), "ingest.log"), done: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childVariable+"="+string(raw))
	f, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdout, c.cmd.Stderr = f, f
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // how it ended is read from its state
		_ = f.Close()
		close(c.done)
	}()
	t.Cleanup(func() { c.end(syscall.SIGKILL) })
	return c
}

// end signals the process and waits until it is gone.
func (c *child) end(sig syscall.Signal) {
	_ = c.cmd.Process.Signal(sig) // gone already is as good
	select {
	case <-c.done:
	case <-time.After(patience):
		c.t.Errorf("ingest does not end on %s:\n%s", sig, c.tail(20))
		_ = c.cmd.Process.Kill() // it is the last resort
		<-c.done
	}
}

// ended returns what it said last if it is not running any more.
func (c *child) ended() error {
	select {
	case <-c.done:
		return errors.New(c.cmd.ProcessState.String() + "\n" + c.tail(10))
	default:
		return nil
	}
}

func (c *child) tail(lines int) string {
	raw, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

package stacktest

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"freshet/deploy/stack"
	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/process"
	"freshet/deploy/stack/progress"
)

// serverPatience bounds each start and each stop: recovery on a busy machine is slow.
const serverPatience = 2 * time.Minute

// daemon is a server's process that one test has for itself, under the servers' own account. Its methods fail the test by
// themselves and belong to the test's goroutine.
type daemon struct {
	t       testing.TB
	name    string // for people
	account *process.Account

	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
}

// Program returns the directory of a program that a test runs, which is fetched once for all test runs. Like a server it is
// for tests that have the servers.
func Program(t testing.TB, name string, program artifact.Artifact) (dir string) {
	t.Helper()
	address(t, "FRESHET_TEST_POSTGRES_URL")
	dir, _ = provide(t, name, program)
	return dir
}

// provide returns where the program is, which is fetched once for all test runs.
func provide(t testing.TB, name string, program artifact.Artifact) (dir string, account *process.Account) {
	t.Helper()
	ctx := t.Context()
	cache := os.Getenv("FRESHET_CACHE")
	var err error
	if cache == "" {
		cache, err = stack.DefaultCache()
	}
	if err == nil && !program.Installed(cache) {
		err = artifact.Provide(ctx, artifact.Missing(ctx, program.Tools), t.Output())
	}
	if err == nil {
		dir, err = artifact.Install(ctx, cache, program, progress.NewBoard(t.Output()).Start(name))
	}
	if err == nil {
		account, err = process.Unprivileged(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, account
}

// launching is how a daemon's process is started.
type launching struct {
	args, env []string
	dir       string
	out       io.Writer // closed when the process has ended, if it can be
	// orphaned ends the process when the test's dies without having run its cleanups, as it does when it is killed or
	// panics.
	orphaned syscall.Signal
}

// start launches the process if it does not run, again if it ends, and returns when ready says nil.
func (d *daemon) start(l func() (launching, error), ready func(ctx context.Context) error) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	for {
		if !d.running() {
			how, err := l()
			if err == nil {
				err = d.launch(how)
			}
			if err != nil {
				d.t.Fatal(err)
			}
		}
		attempt, done := context.WithTimeout(ctx, 5*time.Second)
		err := ready(attempt)
		done()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			d.t.Fatalf("%s does not answer: %v", d.name, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *daemon) launch(l launching) error {
	// Not bound to the test's context: that ends before the cleanups run.
	cmd := exec.Command(l.args[0], l.args[1:]...) //nolint:noctx // see above
	cmd.SysProcAttr = d.account.Command(context.Background(), cmd.Path).SysProcAttr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	endWithParent(cmd.SysProcAttr, l.orphaned)
	cmd.Dir, cmd.Env = l.dir, l.env
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = l.out, l.out, 10*time.Second
	closeOutput := func() error {
		if c, ok := l.out.(io.Closer); ok {
			return c.Close()
		}
		return nil
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, closeOutput())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // a killed server's status says nothing
		_ = closeOutput()
	}()
	d.cmd, d.ended = cmd, ended
	return nil
}

func (d *daemon) running() bool {
	if d.cmd == nil {
		return false
	}
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// end sends a signal and waits for the process to be gone.
func (d *daemon) end(signal syscall.Signal) {
	d.t.Helper()
	if !d.running() {
		return
	}
	if err := d.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.t.Errorf("%s to %s: %v", signal, d.name, err)
	}
	select {
	case <-d.ended:
	case <-time.After(serverPatience):
		d.t.Errorf("%s does not end on %s", d.name, signal)
	}
}

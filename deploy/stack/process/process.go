// Package process starts programs that outlive the command that started them,
// and finds, stops and restarts them later. The stack launcher runs the four
// servers and Freshet's own processes with it; a program that is wanted always is
// started by `freshet up` and ended by `freshet down`, nothing watches in between.
//
// It guarantees that starting twice leaves one, that a program whose command line
// or configuration changed is restarted, and that nobody else's program is ever
// signalled: a pid file holds the start time of its process, and a pid that was
// recycled, also across a reboot, has another.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Spec says how one program is run.
type Spec struct {
	// Name is unique within a Supervisor: the name of the pid file and of the log.
	Name string
	// Args is the command line; the first is the program's absolute path.
	Args []string
	// Env is the whole environment, KEY=value; nothing is inherited.
	Env []string
	// Dir is the working directory; empty is the Supervisor's own.
	Dir string
	// Account is the user it runs as; nil is the caller's.
	Account *Account
	// Nice is its priority on the machine, as of nice(1): below 0 it comes before others. Only root
	// may do that; elsewhere such a program is run like any other.
	Nice int
	// Ports are checked to be free before the start.
	Ports []Port
	// Fingerprint is anything else whose change must restart the program, such as
	// the text of its configuration file or the build of its binary.
	Fingerprint string
	// Stop is the signal for a graceful end; zero is SIGTERM.
	Stop syscall.Signal
	// Grace is how long it may take to end by itself before SIGKILL; zero is 30 s.
	// Too short, and a server has to recover at its next start.
	Grace time.Duration
	// Ready answers nil once the program serves; it is called over and over.
	Ready func(ctx context.Context) error
	// ReadyWithin bounds the wait for Ready; zero is 60 s.
	ReadyWithin time.Duration
	// RetryAfter is the pause before a program that ended by itself before it was
	// ready is started again, which is done twice; zero is 1 s.
	RetryAfter time.Duration
}

// retryAfter is the pause before a program that ended is started again.
func (s Spec) retryAfter() time.Duration {
	if s.RetryAfter == 0 {
		return time.Second
	}
	return s.RetryAfter
}

func (s Spec) fingerprint() string {
	parts := append(append([]string{s.Dir, s.Fingerprint}, s.Args...), s.Env...)
	if s.Nice != 0 {
		parts = append(parts, strconv.Itoa(s.Nice))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// Supervisor keeps the pid files and logs of one stack.
type Supervisor struct {
	run, logs string
}

// NewSupervisor returns a Supervisor whose pid files lie in dir/run and whose logs in
// dir/logs; both are made if missing.
func NewSupervisor(dir string) (*Supervisor, error) {
	s := &Supervisor{run: filepath.Join(dir, "run"), logs: filepath.Join(dir, "logs")}
	for _, d := range []string{s.run, s.logs} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("make the run directories: %w", err)
		}
	}
	return s, nil
}

// LogPath returns where the program's output goes.
func (s *Supervisor) LogPath(name string) string { return filepath.Join(s.logs, name+".log") }

// startAttempts is how often a program that ends before it is ready is started: what
// a killed one left, such as Postgres' shared memory, may need a moment to go.
const startAttempts = 3

// errEnded says that a program ended before it was ready.
var errEnded = errors.New("ended before it was ready")

// Up makes the program run and waits until it is ready. It returns false if it was
// running already, with the same command line, environment and fingerprint.
func (s *Supervisor) Up(ctx context.Context, spec Spec) (started bool, err error) {
	for range startAttempts {
		started, err = s.upOnce(ctx, spec)
		if !errors.Is(err, errEnded) || pause(ctx, spec.retryAfter()) != nil {
			break
		}
	}
	if errors.Is(err, errEnded) {
		return started, fmt.Errorf("%w%s", err, s.lastLines(spec.Name))
	}
	return started, err
}

func (s *Supervisor) upOnce(ctx context.Context, spec Spec) (started bool, err error) {
	rec, alive, err := s.lookup(spec.Name)
	if err != nil {
		return false, err
	}
	if alive && rec.Fingerprint == spec.fingerprint() {
		return false, s.awaitReady(ctx, spec, rec)
	}
	if alive {
		if err := s.Down(ctx, spec.Name); err != nil {
			return false, err
		}
	}
	if err := s.Preflight(ctx, spec.Name, spec.Ports); err != nil {
		return false, err
	}
	if rec, err = s.start(spec); err != nil {
		return false, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return true, s.awaitReady(ctx, spec, rec)
}

// Preflight checks that the program runs or could be started: what it left behind when
// it was killed is ended, and its ports must be free. Called for many programs before
// any is started, it shows all conflicts at once.
func (s *Supervisor) Preflight(ctx context.Context, name string, ports []Port) error {
	rec, alive, err := s.lookup(name)
	if err != nil || alive {
		return err
	}
	if rec.PID != 0 {
		if err := endLeftovers(ctx, rec); err != nil {
			return fmt.Errorf("end what %s left behind: %w", name, err)
		}
	}
	return CheckPorts(ctx, name, ports)
}

// start detaches the program into a session of its own, so that neither the end
// of this command nor a Ctrl-C on its terminal reaches it.
func (s *Supervisor) start(spec Spec) (rec record, err error) {
	log, err := openLog(s.LogPath(spec.Name))
	if err != nil {
		return record{}, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	// Not CommandContext: the program must survive the caller's context.
	cmd := &exec.Cmd{
		Path: spec.Args[0], Args: spec.Args, Dir: spec.Dir, Stdout: log, Stderr: log,
		Env:         append([]string{marker(s.run, spec.Name)}, spec.Env...),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: spec.Account.credential()},
	}
	if err := cmd.Start(); err != nil {
		return record{}, err
	}
	if err := renice(cmd.Process.Pid, spec.Nice); err != nil {
		return record{}, errors.Join(err, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	}
	rec = record{
		PID: cmd.Process.Pid, Marker: marker(s.run, spec.Name), Fingerprint: spec.fingerprint(),
		Stop: spec.Stop, Grace: spec.Grace, Since: time.Now(), Args: spec.Args,
	}
	rec.Identity, _ = identity(rec.PID)
	if err := errors.Join(s.write(spec.Name, rec), cmd.Process.Release()); err != nil {
		return record{}, errors.Join(err, syscall.Kill(-rec.PID, syscall.SIGKILL))
	}
	return rec, nil
}

// renice sets the priority of a program that has just begun, and so of all it starts.
//
// Linux may share the machine between sessions first and between a session's programs after (sched(7), autogroup), and then a
// priority counts among the latter alone. Each program has a session of its own, so the session gets the priority too.
func renice(pid, nice int) error {
	if nice == 0 || nice < 0 && os.Geteuid() != 0 {
		return nil
	}
	err := syscall.Setpriority(syscall.PRIO_PGRP, pid, nice)
	if err == nil {
		err = reniceSession(pid, nice)
	}
	// A container's root may not, a kernel may have no such groups, and a program that has ended is found to have soon.
	for _, passing := range []error{syscall.EPERM, syscall.EACCES, syscall.ESRCH, syscall.ENOENT, syscall.EROFS, syscall.EAGAIN} {
		if errors.Is(err, passing) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("set its priority to %d: %w", nice, err)
	}
	return nil
}

// reniceSession tries again where it must: of who is not root Linux takes the priority of one session in 100 ms, whosever it is.
func reniceSession(pid, nice int) (err error) {
	for range 10 {
		err = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte(strconv.Itoa(nice)), 0)
		if !errors.Is(err, syscall.EAGAIN) {
			return err
		}
		time.Sleep(110 * time.Millisecond)
	}
	return err
}

// marker is in the environment of every program we start, and so of its children:
// what a killed program left behind is known by it.
func marker(run, name string) string { return "FRESHET_PROCESS=" + filepath.Join(run, name) }

// awaitReady polls until the program serves, has ended, or its time is over; the
// error then holds the last lines of its log, which is where the reason is.
func (s *Supervisor) awaitReady(ctx context.Context, spec Spec, rec record) error {
	if spec.Ready == nil {
		return nil
	}
	within := spec.ReadyWithin
	if within == 0 {
		within = time.Minute
	}
	deadline, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(deadline, 5*time.Second)
		err := spec.Ready(attempt)
		done()
		if err == nil {
			return nil
		}
		if !rec.alive() {
			return fmt.Errorf("%s %w", spec.Name, errEnded)
		}
		if pause(deadline, 100*time.Millisecond) != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s is not ready after %s: %w%s", spec.Name, within, err, s.lastLines(spec.Name))
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

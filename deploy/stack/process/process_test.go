package process_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"freshet/deploy/stack/process"
)

// program is a shell script as a Spec; the tests run no server.
func program(name, script string) process.Spec {
	return process.Spec{
		Name: name, Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"},
		Grace: 200 * time.Millisecond, ReadyWithin: 5 * time.Second, RetryAfter: time.Millisecond,
	}
}

func newSupervisor(t *testing.T) (s *process.Supervisor, dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := process.NewSupervisor(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		list, err := s.List()
		if err != nil {
			t.Error(err)
		}
		for _, p := range list {
			if err := s.Down(context.WithoutCancel(t.Context()), p.Name); err != nil {
				t.Error(err)
			}
		}
	})
	return s, dir
}

func up(t *testing.T, s *process.Supervisor, spec process.Spec) (started bool) {
	t.Helper()
	started, err := s.Up(t.Context(), spec)
	if err != nil {
		t.Fatalf("up %s: %v", spec.Name, err)
	}
	return started
}

func pidOf(t *testing.T, s *process.Supervisor, name string) (pid int, running bool) {
	t.Helper()
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.Name == name {
			return p.PID, p.Running
		}
	}
	return 0, false
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		case <-tick.C:
		}
	}
}

func TestUpTwiceLeavesOne(t *testing.T) {
	s, _ := newSupervisor(t)
	spec := program("one", "exec sleep 60")
	if !up(t, s, spec) {
		t.Error("the first Up did not start it")
	}
	first, _ := pidOf(t, s, "one")
	if up(t, s, spec) {
		t.Error("the second Up started another")
	}
	if second, running := pidOf(t, s, "one"); second != first || !running {
		t.Errorf("pid %d (running: %t), want %d", second, running, first)
	}
}

func TestUpRestartsWhatChanged(t *testing.T) {
	s, _ := newSupervisor(t)
	spec := program("one", "exec sleep 60")
	up(t, s, spec)
	first, _ := pidOf(t, s, "one")
	spec.Fingerprint = "another build"
	if !up(t, s, spec) {
		t.Error("a changed program was not restarted")
	}
	if second, _ := pidOf(t, s, "one"); second == first {
		t.Error("the pid is the same")
	}
}

func TestUpAfterAKill(t *testing.T) {
	s, _ := newSupervisor(t)
	spec := program("one", "exec sleep 60")
	up(t, s, spec)
	if err := s.Kill(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if _, running := pidOf(t, s, "one"); running {
		t.Fatal("it runs after Kill")
	}
	if !up(t, s, spec) {
		t.Error("it was not started again")
	}
}

// TestChildrenOfAKilledProgramEnd is the case of Elasticsearch, whose server is a
// child of its launcher: kill -9 of the launcher alone leaves the server.
func TestChildrenOfAKilledProgramEnd(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Log("the system shows no environments: only the group is killed")
		return
	}
	s, dir := newSupervisor(t)
	file := filepath.Join(dir, "child")
	spec := program("parent", "sleep 60 & echo $! > "+file+"; wait")
	up(t, s, spec)
	var child int
	await(t, "the child's pid", func() bool {
		data, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		child, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	parent, _ := pidOf(t, s, "parent")
	if err := syscall.Kill(parent, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the parent's end", func() bool { _, running := pidOf(t, s, "parent"); return !running })
	up(t, s, spec)
	await(t, "the child's end", func() bool { return gone(child) })
}

// gone is true of a zombie too: nobody may be there to reap it.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestDownKillsWhatDoesNotListen(t *testing.T) {
	s, dir := newSupervisor(t)
	ready := filepath.Join(dir, "trapped")
	spec := program("stubborn", "trap '' TERM; : > "+ready+"; while :; do sleep 0.05; done")
	spec.Ready = func(context.Context) error { _, err := os.Stat(ready); return err }
	up(t, s, spec)
	if err := s.Down(t.Context(), "stubborn"); err != nil {
		t.Fatal(err)
	}
	if pid, running := pidOf(t, s, "stubborn"); running || pid != 0 {
		t.Errorf("pid %d, running %t after Down", pid, running)
	}
}

// TestARecycledPidIsNotOurs writes the pid file of an earlier boot that names a
// process of now: ours, which must survive.
func TestARecycledPidIsNotOurs(t *testing.T) {
	s, dir := newSupervisor(t)
	path := filepath.Join(dir, "run", "one.pid")
	for name, identity := range map[string]string{
		"another boot":         "6f6c6462-0000-0000-0000-000000000000/12345",
		"another start":        "unknown/1",
		"no identity recorded": "",
	} {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(map[string]any{"pid": os.Getpid(), "identity": identity, "marker": "FRESHET_PROCESS=nobody"})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, running := pidOf(t, s, "one"); running {
				t.Error("a stranger counts as ours")
			}
			if err := s.Down(t.Context(), "one"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestADamagedPidFileIsNoProcess(t *testing.T) {
	s, dir := newSupervisor(t)
	if err := os.WriteFile(filepath.Join(dir, "run", "one.pid"), []byte(`{"pid": 12`), 0o644); err != nil {
		t.Fatal(err)
	}
	if !up(t, s, program("one", "exec sleep 60")) {
		t.Error("it was not started")
	}
}

func TestFailedStartShowsTheLog(t *testing.T) {
	s, _ := newSupervisor(t)
	spec := program("broken", "echo no such config >&2; exit 3")
	spec.Ready = func(context.Context) error { return errors.New("refused") }
	_, err := s.Up(t.Context(), spec)
	if err == nil || !strings.Contains(err.Error(), "no such config") || !strings.Contains(err.Error(), "ended before it was ready") {
		t.Errorf("got %v, want the end of the log", err)
	}
}

// TestUpStartsAgainWhatEnded is a server that finds the last one's remains first.
func TestUpStartsAgainWhatEnded(t *testing.T) {
	s, dir := newSupervisor(t)
	remains, ready := filepath.Join(dir, "remains"), filepath.Join(dir, "ready")
	if err := os.WriteFile(remains, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	spec := program("second", "if [ -e "+remains+" ]; then rm "+remains+"; exit 1; fi; : > "+ready+"; exec sleep 60")
	spec.Ready = func(context.Context) error { _, err := os.Stat(ready); return err }
	if !up(t, s, spec) {
		t.Error("it was not started")
	}
}

func TestNeverReadyIsAnError(t *testing.T) {
	s, _ := newSupervisor(t)
	spec := program("slow", "exec sleep 60")
	spec.Ready, spec.ReadyWithin = func(context.Context) error { return errors.New("still loading") }, 200*time.Millisecond
	_, err := s.Up(t.Context(), spec)
	if err == nil || !strings.Contains(err.Error(), "not ready after 200ms: still loading") {
		t.Errorf("got %v", err)
	}
}

func TestPortInUseSaysWhichAndHow(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}()
	number := listener.Addr().(*net.TCPAddr).Port //nolint:errcheck,forcetypeassert // a TCP listener has a TCP address
	err = process.CheckPorts(t.Context(), "kafka", []process.Port{{Number: number, Setting: "FRESHET_KAFKA_PORT"}})
	if err == nil {
		t.Fatal("the port counts as free")
	}
	for _, want := range []string{strconv.Itoa(number), "kafka", "FRESHET_KAFKA_PORT="} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
	if _, statErr := os.Stat("/proc/self"); statErr == nil && !strings.Contains(err.Error(), "pid "+strconv.Itoa(os.Getpid())) {
		t.Errorf("%q does not name our pid %d", err, os.Getpid())
	}
}

// TestPriority: what the program starts has its priority too, and so has its session where sessions share the machine.
func TestPriority(t *testing.T) {
	s, dir := newSupervisor(t)
	spec := program("background", "sleep 60 & echo $! > "+filepath.Join(dir, "child")+"; wait")
	spec.Nice = 7
	spec.Ready = func(context.Context) error {
		if child, err := os.ReadFile(filepath.Join(dir, "child")); err != nil || len(child) == 0 {
			return errors.New("it has not begun what it starts")
		}
		return nil
	}
	up(t, s, spec)
	pid, _ := pidOf(t, s, "background")
	child, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{strconv.Itoa(pid), strings.TrimSpace(string(child))} {
		out, err := exec.CommandContext(t.Context(), "ps", "-o", "ni=", "-p", p).Output()
		if err != nil || strings.TrimSpace(string(out)) != "7" {
			t.Errorf("process %s has the priority %q, %v", p, out, err)
		}
		if group, err := os.ReadFile("/proc/" + p + "/autogroup"); err == nil && !strings.HasSuffix(strings.TrimSpace(string(group)), " nice 7") {
			t.Errorf("the session of process %s is %q", p, group)
		}
	}
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// slackVariable makes the test program one that says what its threads' timer slack is.
const slackVariable = "FRESHET_TEST_SLACK"

func TestMain(m *testing.M) {
	if os.Getenv(slackVariable) == "" {
		os.Exit(m.Run())
	}
	relaxTimers(os.Args)
	threads, _ := filepath.Glob("/proc/self/task/*")
	for _, thread := range threads {
		slack, err := os.ReadFile("/proc/" + filepath.Base(thread) + "/timerslack_ns")
		_, _ = fmt.Fprintln(os.Stdout, os.Getpid(), strings.TrimSpace(string(slack)), err)
	}
	os.Exit(0)
}

// TestRelaxedTimers: all threads of a service have our slack, and it is the process that was started; no thread of another
// command has.
func TestRelaxedTimers(t *testing.T) {
	for command, want := range map[string]int{"ingest": ourSlack, "bench": ourSlack, "version": kernelSlack} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], command)
		cmd.Env = append(os.Environ(), slackVariable+"=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) < 2 {
			t.Errorf("%s: %d threads, want the watcher among them", command, len(lines))
		}
		for _, line := range lines {
			if line != fmt.Sprintf("%d %d <nil>", cmd.Process.Pid, want) {
				t.Errorf("%s: %q, want process %d with %d", command, line, cmd.Process.Pid, want)
			}
		}
	}
}

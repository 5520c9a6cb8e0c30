package main

import (
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// kernelSlack is how late a timer of a thread may be when nobody has set anything, in nanoseconds (PR_SET_TIMERSLACK(2const)).
	kernelSlack = 50_000
	// ourSlack is what a service gets instead. Windows, pauses and time-outs are tens of milliseconds and more.
	ourSlack = 1_000_000
)

// services are the commands that wait for events, and the one that measures them.
var services = []string{"ingest", "project", "serve", "audit", "sandbox", "bench"}

// relaxTimers lets the kernel be a millisecond late with a service's timers, and begins the program anew in place: the
// setting is inherited by threads that begin, and Go's watcher thread (sysmon) began before main. That one sleeps 20 µs at a
// time for as long as anything runs, which in a process that is woken some hundred times a second took 2 to 5 % of
// a core (docs/adr/0046). Whoever starts the program with another slack, as by systemd's TimerSlackNSec, has chosen.
// Where the kernel refuses, all works as it would.
func relaxTimers(args []string) {
	if len(args) < 2 || !slices.Contains(services, args[1]) {
		return
	}
	// The slack is of the thread, and the one that calls exec is the only one to survive it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || slack != kernelSlack {
		return
	}
	program, err := os.Executable()
	if err != nil || unix.Prctl(unix.PR_SET_TIMERSLACK, ourSlack, 0, 0, 0) != nil {
		return
	}
	_ = unix.Exec(program, args, os.Environ()) // returns only if it failed
}

// Command freshet is all of Freshet in one binary: one subcommand per process, so that
// they scale and fail apart, and the commands that run them on one machine.
//
// This package is wiring only: it reads settings, opens clients, constructs what the
// other packages define, and waits. `freshet --help` lists the subcommands.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "development"

func main() {
	relaxTimers(os.Args)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; after it, the second one kills.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "freshet:", err)
		os.Exit(1)
	}
}

// run is main with everything it touches as an argument, so that a test can call it.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) error {
	root := newRoot(newSettings(env, stdout, stderr))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

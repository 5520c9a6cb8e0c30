package artifact

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"freshet/deploy/stack/progress"
)

// run runs a command to its end; the error holds the last lines it printed. Every
// line is handed to onLine where given.
func run(cmd *exec.Cmd, onLine func(string)) error {
	var kept bytes.Buffer
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	scanned := make(chan struct{})
	go func() {
		defer close(scanned)
		lines := bufio.NewScanner(reader)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			kept.WriteString(lines.Text() + "\n")
			if onLine != nil {
				onLine(lines.Text())
			}
		}
		// A line too long ends the scan; the command must not block on it.
		_, _ = io.Copy(io.Discard, reader)
	}()
	err := cmd.Run()
	_ = writer.Close() // a pipe's writer never fails to close
	<-scanned
	if err != nil {
		return fmt.Errorf("%s: %w%s", strings.Join(cmd.Args, " "), err, lastLines(kept.Bytes()))
	}
	return nil
}

func lastLines(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return "\n  " + strings.Join(lines[max(0, len(lines)-12):], "\n  ")
}

// watchSize reports how much a directory has grown, in MB, until the returned
// function is called: the download clients say nothing useful when their output
// is not a terminal.
func watchSize(ctx context.Context, dir string, task *progress.Task) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				task.Set(sizeOf(dir) >> 20)
			}
		}
	}()
	return func() { cancel(); <-finished }
}

// sizeOf counts what can be seen: files come and go under a running download.
func sizeOf(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

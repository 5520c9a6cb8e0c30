package main

import (
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bars shows progress on standard error: a bar on a terminal; elsewhere a plain line where a table or a file is finished.
type bars struct {
	out      io.Writer
	terminal bool
	name     string
	bar      *progressbar.ProgressBar
}

func newBars(out io.Writer) *bars {
	f, ok := out.(*os.File)
	return &bars{out: out, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// table shows rows of a table.
func (b *bars) table(name string, done, total int64) { b.set(name, done, total, false) }

// file shows bytes of a file.
func (b *bars) file(name string, done, total int64) { b.set(name, done, total, true) }

func (b *bars) set(name string, done, total int64, bytes bool) {
	if !b.terminal {
		// A progress line that can't be written is no reason to stop the work.
		if done == total && total > 0 {
			_, _ = fmt.Fprintf(b.out, "  %s: %d\n", name, done)
		}
		return
	}
	if b.name != name || b.bar == nil {
		b.finish()
		b.name = name
		b.bar = progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(b.out), progressbar.OptionSetDescription(name),
			progressbar.OptionShowBytes(bytes), progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetWidth(24),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100_000_000))
	}
	_ = b.bar.Set64(min(done, max(total, 1)))
}

// finish takes the bar off the terminal, so that a line can be printed; the next set draws it again.
func (b *bars) finish() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}

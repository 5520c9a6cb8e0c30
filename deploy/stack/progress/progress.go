// Package progress shows several long steps that run at the same time: one line
// redrawn in place on a terminal, a plain line now and then elsewhere.
//
// The stack launcher shows downloads, builds and starts with it. It only writes
// to the writer it is given, and a step that never ends never blocks it.
package progress

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	redrawEvery = 250 * time.Millisecond
	repeatEvery = 10 * time.Second
)

// Board holds the steps under way.
type Board struct {
	out      io.Writer
	terminal bool

	mu    sync.Mutex
	tasks []*Task
	drawn int
	last  string
}

// NewBoard returns a Board that writes to out, in place if out is a terminal.
func NewBoard(out io.Writer) *Board {
	f, ok := out.(*os.File)
	return &Board{out: out, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// Run shows the steps until ctx ends.
func (b *Board) Run(ctx context.Context) {
	every := repeatEvery
	if b.terminal {
		every = redrawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			b.mu.Lock()
			b.erase()
			b.mu.Unlock()
			return
		case <-ticker.C:
			b.draw()
		}
	}
}

// Printf writes a line of its own, above the steps.
func (b *Board) Printf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	b.print(fmt.Sprintf(format, args...) + "\n")
}

func (b *Board) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	parts := make([]string, 0, len(b.tasks))
	for _, t := range b.tasks {
		parts = append(parts, t.text())
	}
	if len(parts) == 0 {
		return
	}
	line := "  " + strings.Join(parts, " · ")
	if !b.terminal {
		if line != b.last {
			b.print(line + "\n")
		}
		b.last = line
		return
	}
	b.drawn = len(line)
	b.print(line)
}

// erase removes the line in place; the caller holds mu.
func (b *Board) erase() {
	if b.drawn > 0 {
		b.print("\r\x1b[K")
		b.drawn = 0
	}
}

// print drops what can't be shown: progress is no reason to stop the work.
func (b *Board) print(text string) { _, _ = io.WriteString(b.out, text) }

// Task is one step.
type Task struct {
	board *Board
	name  string

	mu          sync.Mutex
	step        string
	unit        string
	done, total int64
}

// Start adds a step; the caller ends it with Done.
func (b *Board) Start(name string) *Task {
	t := &Task{board: b, name: name}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks = append(b.tasks, t)
	return t
}

// Step says what is being done now, and how much of it there is, in a unit.
func (t *Task) Step(step string, total int64, unit string) {
	t.mu.Lock()
	t.step, t.total, t.unit, t.done = step, total, unit, 0
	t.mu.Unlock()
	t.board.announce(t)
}

// announce prints a step's begin where nothing is redrawn.
func (b *Board) announce(t *Task) {
	if !b.terminal {
		b.Printf("  %s", t.text())
	}
}

// Set says how much is done.
func (t *Task) Set(done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = done
}

// Done removes the step.
func (t *Task) Done() {
	b := t.board
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.tasks {
		if other == t {
			b.tasks = append(b.tasks[:i], b.tasks[i+1:]...)
			return
		}
	}
}

func (t *Task) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.total > 0 && t.done > 0:
		percent := min(100, t.done*100/t.total)
		return fmt.Sprintf("%s: %s %d/%d %s (%d%%)", t.name, t.step, t.done, t.total, t.unit, percent)
	case t.total > 0:
		return fmt.Sprintf("%s: %s, %d %s", t.name, t.step, t.total, t.unit)
	default:
		return fmt.Sprintf("%s: %s", t.name, t.step)
	}
}

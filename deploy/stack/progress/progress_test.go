package progress_test

import (
	"bytes"
	"strings"
	"testing"

	"freshet/deploy/stack/progress"
)

// TestPlainLines: where nothing can be redrawn, each step's begin is a line.
func TestPlainLines(t *testing.T) {
	var out bytes.Buffer
	board := progress.NewBoard(&out)
	task := board.Start("kafka")
	task.Step("downloading", 60, "MB")
	task.Step("starting", 0, "")
	task.Done()
	board.Printf("  kafka: started in %d s", 4)
	want := "  kafka: downloading, 60 MB\n  kafka: starting\n  kafka: started in 4 s\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestDoneTwiceIsHarmless(t *testing.T) {
	var out bytes.Buffer
	board := progress.NewBoard(&out)
	first, second := board.Start("a"), board.Start("b")
	first.Done()
	first.Done()
	second.Step("still here", 0, "")
	if !strings.Contains(out.String(), "b: still here") {
		t.Errorf("got %q", out.String())
	}
}

// Package foldtest holds what the tests of the folds have in common: golden scripts of events, and a history that is
// delivered in the ways in which Kafka may deliver it. Only tests import it.
package foldtest

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet/ingest/change"
)

var update = flag.Bool("update", false, "write the documents into the scripts instead of comparing them")

// Fold folds an event into a document and says whether that changed it.
type Fold[Document any] func(*Document, change.Event) (changed bool, err error)

// Scripts folds the events of testdata/*.script, each into an empty document, and compares that with what stands behind the
// line "---".
func Scripts[Document any](t *testing.T, fold Fold[Document]) {
	scripts, err := filepath.Glob("testdata/*.script")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, name := range scripts {
		t.Run(filepath.Base(name), func(t *testing.T) { runScript(t, name, fold) })
	}
}

func runScript[Document any](t *testing.T, name string, fold Fold[Document]) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	script, want, _ := strings.Cut(string(text), "---\n")
	document := new(Document)
	for line := range strings.SplitSeq(script, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fold(document, parse(t, line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	got, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, []byte(script+"---\n"+string(got)+"\n"), 0o644); err != nil { //nolint:gosec // as the repository has it
			t.Fatal(err)
		}
		return
	}
	if string(got)+"\n" != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// parse reads an event: op, table, commit LSN, index, the unchanged columns or "-", and the row.
func parse(t *testing.T, line string) change.Event {
	t.Helper()
	fields := strings.SplitN(line, " ", 6)
	if len(fields) != 6 {
		t.Fatalf("%q: want six fields", line)
	}
	headers := []change.Header{
		{Key: change.HeaderCommitLSN, Value: []byte(fields[2])},
		{Key: change.HeaderTxIndex, Value: []byte(fields[3])},
		{Key: change.HeaderUnchanged, Value: []byte(strings.Trim(fields[4], "-"))},
	}
	before, after := "null", fields[5]
	if fields[0] == "d" {
		before, after = after, before
	}
	value := `{"before":` + before + `,"after":` + after + `,"op":"` + fields[0] + `","source":{"schema":"public","table":"` + fields[1] + `","ts_us":1700000000123456}}`
	ev, err := change.Decode([]byte("{}"), []byte(value), headers)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	ev.CommitTime = ev.CommitTime.Add(time.Duration(ev.Position.Commit) * time.Second)
	return ev
}

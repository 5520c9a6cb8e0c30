package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"freshet/deploy/stack/stacktest"
)

func TestInstant(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"beginning": {}, "2h": now.Add(-2 * time.Hour), "2026-11-27T08:00:00+01:00": time.Date(2026, 11, 27, 7, 0, 0, 0, time.UTC),
	} {
		if got, err := instant(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "-2h", "0s"} {
		if got, err := instant(text, now); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

// TestStage: what is asked is kept, answered, and taken back; what names no record or stage is refused.
func TestStage(t *testing.T) {
	uri, name := stacktest.Mongo(t)
	base, query, _ := strings.Cut(uri, "?")
	env := []string{"FRESHET_MONGO_URL=" + strings.TrimSuffix(base, "/") + "/" + name + "?" + query}
	for _, c := range []struct{ args, want string }{
		{"stage pause tree --reason moving", "(moving)"},
		{"stage skip tree --topic p.command --partition 1 --offset 3 --reason chokes", "; skips p.command/1@3 (chokes)"},
		{"stage replay tree --since beginning", "; replay from the beginning, 0 partitions went back"},
		{"stage resume tree", "tree: runs; skips"},
		{"stage unskip tree --topic p.command --partition 1 --offset 3", "tree: runs; replay"},
	} {
		var out, diagnostics bytes.Buffer
		if err := run(t.Context(), strings.Fields(c.args), env, &out, &diagnostics); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v, %q, want %q in it", c.args, err, out.String(), c.want)
		}
	}
	for args, want := range map[string]string{
		"stage": "stage what", "stage pause ingest": "invalid argument", "stage skip tree --topic x": "which record", "stage replay tree --since x": "--since",
	} {
		var out, diagnostics bytes.Buffer
		if err := run(t.Context(), strings.Fields(args), env, &out, &diagnostics); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freshet/deploy/stack/stacktest"
)

// freshet runs a command as a shell would and returns its two outputs.
func freshet(t *testing.T, postgres string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, diagnostics bytes.Buffer
	err = run(t.Context(), args, []string{"FRESHET_POSTGRES_URL=" + postgres}, &out, &diagnostics)
	return out.String(), diagnostics.String(), err
}

func TestSeedAndImport(t *testing.T) {
	url := stacktest.Postgres(t)
	out, _, err := freshet(t, url, "migrate")
	if err != nil || !strings.HasPrefix(out, "migrations applied: ") {
		t.Fatalf("migrate: %q, %v", out, err)
	}
	out, progress, err := freshet(t, url, "seed", "--stores", "2", "--products", "40")
	if err != nil || !strings.Contains(out, "seeded 2 stores, 40 products") || !strings.Contains(progress, "stock_movements") {
		t.Fatalf("seed: %q, %q, %v", out, progress, err)
	}
	if _, _, err = freshet(t, url, "seed"); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a second seed: %v", err)
	}
	if out, _, err = freshet(t, url, "seed", "--if-empty"); err != nil || !strings.Contains(out, "not seeded") {
		t.Errorf("seed --if-empty: %q, %v", out, err)
	}
	name := filepath.Join(t.TempDir(), "feed.tsv")
	feed := "id\ttitle\tprice\tavailability\n1\tUno\t1.00 EUR\tin stock\n2\tDue\tmolto\tin stock\n"
	if err := os.WriteFile(name, []byte(feed), 0o600); err != nil {
		t.Fatal(err)
	}
	importFeed(t, url, name)
}

func importFeed(t *testing.T, url, name string) {
	t.Helper()
	bad := name + ".bad"
	command := []string{"import", "google", name, "--store", "emporio-aurora-milano", "--lang", "it", "--errors", bad}
	out, diagnostics, err := freshet(t, url, append(command, "--json")...)
	if err != nil {
		t.Fatal(err)
	}
	var summary struct{ Rows, Inserted, Rejected int }
	if err := json.Unmarshal([]byte(out), &summary); err != nil || summary.Rows != 2 || summary.Inserted != 1 || summary.Rejected != 1 {
		t.Errorf("summary %q: %v", out, err)
	}
	if !strings.Contains(diagnostics, `line 3, id "2": price`) {
		t.Errorf("standard error: %q", diagnostics)
	}
	lines, err := os.ReadFile(bad)
	if err != nil || !strings.HasPrefix(string(lines), `{"line":3,"id":"2","reason":"price`) {
		t.Errorf("bad rows: %q, %v", lines, err)
	}
	out, _, err = freshet(t, url, append(command, "--strict")...)
	if err == nil || !strings.Contains(out, "unchanged         1") {
		t.Errorf("--strict: %q, %v", out, err)
	}
	if _, _, err := freshet(t, url, "import", "google", name+".none", "--store", "x", "--lang", "it"); err == nil {
		t.Error("a file that is not there was imported")
	}
	if _, _, err := freshet(t, url, "seed", "--base-date", "June"); err == nil {
		t.Error("a base date that is none was taken")
	}
}

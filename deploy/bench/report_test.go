package bench

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		q      float64
		want   time.Duration
	}{
		{nil, 0.5, 0},
		{hundred[:1], 0.99, 1},
		{hundred[:2], 0.5, 1},
		{hundred, 0.50, 50},
		{hundred, 0.95, 95},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred[:75], 0.99, 75},
	} {
		if got := quantile(c.sorted, c.q); got != c.want {
			t.Errorf("quantile %g of %d: %d, want %d", c.q, len(c.sorted), got, c.want)
		}
	}
}

// TestQuantileIsTheLeastThatCovers checks the definition: enough are not above it, and of none that is less.
func TestQuantileIsTheLeastThatCovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.IntRange(0, 50).Draw(t, "d")) }), 1, 300).Draw(t, "durations")
		percent := rapid.IntRange(1, 100).Draw(t, "percent")
		slices.Sort(d)
		got := quantile(d, float64(percent)/100)
		covered := func(v time.Duration) bool {
			n := 0
			for _, x := range d {
				if x <= v {
					n++
				}
			}
			return 100*n >= percent*len(d)
		}
		if !slices.Contains(d, got) || !covered(got) {
			t.Fatalf("p%d of %v is not %d", percent, d, got)
		}
		if covered(got-1) && slices.ContainsFunc(d, func(x time.Duration) bool { return x < got }) {
			t.Fatalf("p%d of %v: less than %d covers as much", percent, d, got)
		}
	})
}

func report() *Report {
	r := &Report{
		Name: "browse", At: time.Date(2026, 6, 30, 8, 0, 0, 0, time.UTC),
		Machine: Machine{Cores: 2, CPU: "a CPU", Memory: "8 GB", OS: "linux/amd64", Go: "go1.26", Version: "abc1234", Load: "0.10", MissNS: 95},
		Servers: map[string]string{"PostgreSQL": "17.6", "Kafka": "4"},
		Setting: map[string]string{"rate": "1000/s", "duration": "30s"},
	}
	taken := newSamples()
	for i := range 4 {
		taken.add("a page", time.Duration(i+1)*time.Millisecond, nil)
	}
	taken.row(r, "all pages", "a page").Set("req/s", 999.6)
	other := Row{What: "other"}
	other.Set("documents", 12)
	r.Rows = append(r.Rows, other)
	r.problem("%d went wrong", 3)
	return r
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := report().Table(&out); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
browse  2026-06-30T08:00:00Z  freshet abc1234
2 cores, a CPU, 8 GB, linux/amd64, go1.26, load before 0.10, a load from memory 95 ns
Kafka 4, PostgreSQL 17.6
duration=30s, rate=1000/s
                     n  p50 ms  p95 ms  p99 ms  max ms  errors  req/s
  all pages          4       2       4       4       4       0   1000
             documents
      other         12
PROBLEM: 3 went wrong
`, "\n")
	if out.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := report().JSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Rows[0].Figures["p50 ms"] != 2 || back.Machine.Version != "abc1234" || len(back.Problems) != 1 {
		t.Errorf("read back: %+v", back)
	}
}

func TestMarkdownReplacesOnlyItsPart(t *testing.T) {
	first := insert("# Figures\n\nHow they are measured.\n", markdown("freshet bench all", []*Report{report()}))
	for _, want := range []string{"How they are measured.", "## browse", "| all pages | 4 | 2 |", "**Problem:** 3 went wrong", "by `freshet bench all`", "Kafka 4", "before: 0.10; a load from its memory: 95 ns"} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is missing in:\n%s", want, first)
		}
	}
	first += "\nWhat to make of them.\n"
	second := insert(first, "new\n")
	want := "# Figures\n\nHow they are measured.\n\n" + markBegin + "\nnew\n" + markEnd + "\n\nWhat to make of them.\n"
	if second != want {
		t.Errorf("replaced:\n%s\nwant:\n%s", second, want)
	}
	if got := insert("", "new\n"); got != "# Benchmarks\n\n"+markBegin+"\nnew\n"+markEnd+"\n" {
		t.Errorf("a new file:\n%s", got)
	}
}

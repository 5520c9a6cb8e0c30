package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet/deploy/stack/stacktest"
)

func TestNoStrategyLosesAUnit(t *testing.T) {
	to := target(t, "http://127.0.0.1:1")
	to.PostgresURL = stacktest.Postgres(t)
	report, err := Locking(t.Context(), to, LockingConfig{Buyers: []int{1, 8}, SKUs: []int{1, 2}, Duration: 100 * time.Millisecond, Connections: 8})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 || len(report.Rows) != 3*4 {
		t.Fatalf("%d rows, problems %q", len(report.Rows), report.Problems)
	}
	for _, row := range report.Rows[:4] {
		for _, s := range strategies {
			if row.Figures[s.name] <= 0 {
				t.Errorf("%s: %s sold nothing", row.What, s.name)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "locking.svg")
	if err := PlotLocking(path, report); err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range strategies {
		if !strings.Contains(string(drawn), ">"+s.name+"<") {
			t.Errorf("the plot doesn't show %s", s.name)
		}
	}
}

// TestTheCountOfLostUnitsBites: who reads and writes without a lock loses units, and it shows.
func TestTheCountOfLostUnitsBites(t *testing.T) {
	pool, err := openPool(t.Context(), stacktest.Postgres(t), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for range 20 {
		c, err := contend(t.Context(), pool, naive, 1, 8, 300*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if c.lost > 0 {
			return
		}
	}
	t.Error("eight who read and write without a lock have lost nothing")
}

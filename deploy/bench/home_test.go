package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freshet/deploy/stack/stacktest"
)

// mallTarget is the servers alone: the mall brings what runs on them.
func mallTarget(t *testing.T) Target {
	to := target(t, "http://127.0.0.1:1")
	to.PostgresURL = stacktest.Postgres(t)
	to.MongoURL, _ = stacktest.Mongo(t)
	return to
}

// TestBothWaysHomeSayTheSame: figures of each way, pages that prices have passed through, and nothing that differs.
func TestBothWaysHomeSayTheSame(t *testing.T) {
	cfg := HomeConfig{Stores: []int{2}, Products: 60, Prices: 200, Readers: 2, Duration: 300 * time.Millisecond}
	report, err := Home(t.Context(), mallTarget(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 || len(report.Rows) != 2 {
		t.Fatalf("%d rows, problems %q", len(report.Rows), report.Problems)
	}
	for _, row := range report.Rows {
		for _, figure := range []string{"n", "homes/s", "prices/s", "offers"} {
			if row.Figures[figure] <= 0 {
				t.Errorf("%s: %s is %g", row.What, figure, row.Figures[figure])
			}
		}
	}
	path := filepath.Join(t.TempDir(), "home.svg")
	if err := PlotHome(path, report); err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{wayTables, wayPage} {
		if !strings.Contains(string(drawn), ">"+way+"<") {
			t.Errorf("the plot doesn't show %s", way)
		}
	}
}

// TestTheComparisonOfHomesBites: each price of a store is changed behind the pages' back, and it shows.
func TestTheComparisonOfHomesBites(t *testing.T) {
	cfg := HomeConfig{Products: 60}
	cfg.defaults()
	m := newMall(mallTarget(t))
	t.Cleanup(func() {
		if err := m.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := m.open(t.Context(), 1, cfg); err != nil {
		t.Fatal(err)
	}
	report := &Report{}
	if err := m.compare(t.Context(), report); err != nil || len(report.Problems) > 0 {
		t.Fatalf("before: %v, problems %q", err, report.Problems)
	}
	if _, err := m.pool.Exec(t.Context(), `update prices set amount = amount + 1, list_amount = null where store_id = 1`); err != nil {
		t.Fatal(err)
	}
	if err := m.compare(t.Context(), report); err != nil || len(report.Problems) != len(m.stores[0].Languages) {
		t.Errorf("after: %v, problems %q", err, report.Problems)
	}
}

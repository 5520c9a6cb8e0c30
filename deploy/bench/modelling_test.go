package bench

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"freshet/deploy/bench/modelling"
	"freshet/deploy/stack/stacktest"
)

// TestEachModelOfTheCatalogHasItsFigures: none is missing or nothing, no answers differ, and the plot shows them all.
func TestEachModelOfTheCatalogHasItsFigures(t *testing.T) {
	to := target(t, "http://127.0.0.1:1")
	to.PostgresURL = stacktest.Postgres(t)
	to.MongoURL, _ = stacktest.Mongo(t)
	report, err := Modelling(t.Context(), to, ModellingConfig{Products: []int{100, 200}, Rounds: 1, Calls: 3})
	if err != nil {
		t.Fatal(err)
	}
	const sizes, filling, newKind = 2, 1, 4
	if want := 2 * (2*len(modelling.Operations) + sizes + filling + newKind); len(report.Problems) > 0 || len(report.Rows) != want {
		t.Fatalf("%d rows, want %d, problems %q", len(report.Rows), want, report.Problems)
	}
	for _, row := range report.Rows {
		for _, model := range modelNames {
			if row.Figures[model] <= 0 {
				t.Errorf("%s of %s is %g", row.What, model, row.Figures[model])
			}
		}
	}
	if _, err := Modelling(t.Context(), to, ModellingConfig{Products: []int{100, 0}}); !errors.Is(err, errNoProducts) {
		t.Errorf("a catalog of nothing: %v", err)
	}
	path := filepath.Join(t.TempDir(), "modelling.svg")
	if err := PlotModelling(path, report); err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range slices.Concat(pictured, modelNames) {
		if !strings.Contains(string(drawn), ">"+shown+"<") {
			t.Errorf("the plot doesn't show %s", shown)
		}
	}
}

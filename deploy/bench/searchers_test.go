package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/deploy/stack/stacktest"
)

// bazaarTarget is the servers alone: the bazaar brings what runs on them.
func bazaarTarget(t *testing.T) Target {
	to := mallTarget(t)
	to.ElasticURL, _ = stacktest.Elastic(t)
	return to
}

// TestAllSearchersCountTheSame: figures of every engine and of every way to a page, as many searches of each as it should
// take, and no count that differs.
func TestAllSearchersCountTheSame(t *testing.T) {
	report, err := Searchers(t.Context(), bazaarTarget(t), SearchersConfig{Products: []int{120}, Stores: 2, Duration: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		t.Errorf("problems: %q", report.Problems)
	}
	rows := map[string]Row{}
	for _, row := range report.Rows {
		_, rest := offersOf(row.What)
		rows[rest] = row
	}
	for _, kind := range searcherKinds {
		for _, e := range engineNames {
			if row := rows[kind.name+": "+e]; row.Figures["n"] <= 0 || row.Figures["found on average"] <= 0 {
				t.Errorf("%s: %s: %v", kind.name, e, row.Figures)
			}
		}
	}
	for _, e := range engineNames {
		if row := rows["filling "+e]; row.Figures["offers/s"] <= 0 || row.Figures["bytes/offer"] <= 0 {
			t.Errorf("filling %s: %v", e, row.Figures)
		}
		if row := rows["relevance, it: "+e]; row.Figures["judged queries"] < 60 || row.Figures[figureGain] <= 0 {
			t.Errorf("relevance of %s: %v", e, row.Figures)
		}
	}
	for way, want := range map[string]float64{wayOne: 1, wayBatch: 1, wayEach: 3} {
		if row := rows["2 refined: "+way]; row.Figures["searches a page"] != want {
			t.Errorf("%s: %v", way, row.Figures)
		}
	}
	drawsAll(t, report)
}

func drawsAll(t *testing.T, report *Report) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "search.svg")
	if err := PlotSearchers(path, report); err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(append([]string{}, engineNames...), waysToPage...) {
		if !strings.Contains(string(drawn), ">"+name+"<") {
			t.Errorf("the plot doesn't show %s", name)
		}
	}
}

// TestTheComparisonOfCountsBites: offers change behind the back of one engine, then of another, and each shows.
func TestTheComparisonOfCountsBites(t *testing.T) {
	b := newBazaar(bazaarTarget(t))
	t.Cleanup(func() {
		if err := b.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := b.open(t.Context(), 1, 60); err != nil {
		t.Fatal(err)
	}
	engines, err := b.engines(t.Context(), assortmentShop, b.dims)
	if err != nil {
		t.Fatal(err)
	}
	for i := range engines {
		if _, err := fill(t.Context(), &engines[i], b.offers, b.dims); err != nil {
			t.Fatal(err)
		}
	}
	complaints := func() map[string]int {
		report, by := &Report{}, map[string]int{}
		if err := b.compare(t.Context(), report, engines); err != nil {
			t.Fatal(err)
		}
		for _, p := range report.Problems {
			for _, e := range engineNames {
				if strings.Contains(p, e+" counts otherwise") {
					by[e]++
				}
			}
		}
		return by
	}
	if by := complaints(); len(by) > 0 {
		t.Fatalf("before anything has changed: %v", by)
	}
	if _, err := b.pool.Exec(t.Context(), `update bench_shop_it set price = price + 100000`); err != nil {
		t.Fatal(err)
	}
	if by := complaints(); by[enginePostgres] == 0 || by[engineMongo] > 0 {
		t.Errorf("prices have changed in Postgres: %v", by)
	}
	collection := b.client.Database(b.name).Collection(assortmentShop)
	if _, err := collection.UpdateMany(t.Context(), bson.M{"lang": "en"}, bson.M{"$set": bson.M{"brand": "0"}}); err != nil {
		t.Fatal(err)
	}
	if by := complaints(); by[engineMongo] == 0 {
		t.Errorf("brands have changed in MongoDB: %v", by)
	}
}

package bench

import (
	"testing"
	"time"
)

func TestLanesMeasuresBesideBulkAndPutsItBack(t *testing.T) {
	to, pool := shop(t)
	places := func() (all string) {
		err := pool.QueryRow(t.Context(), "select md5(string_agg(row(product_id, category_id)::text, '|' order by product_id, category_id)) from product_categories").Scan(&all)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before, stood := contents(t, pool), places()
	report, err := Lanes(t.Context(), to, LanesConfig{Prices: 30, Products: 5, Batch: 7, Probes: 20, Quiet: 500 * time.Millisecond, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 3*len(models) || len(report.Problems) != 0 {
		t.Fatalf("rows %+v, problems %q", report.Rows, report.Problems)
	}
	for i, row := range report.Rows {
		bulk := []float64{0, 5, 30}[i/len(models)]
		if row.Figures["n"] == 0 || row.Figures["errors"] != 0 || row.Figures["bulk rows"] != bulk {
			t.Errorf("%s: %+v, want %g rows of bulk", row.What, row.Figures, bulk)
		}
	}
	if contents(t, pool) != before || places() != stood {
		t.Error("the shop is not what it was")
	}
}

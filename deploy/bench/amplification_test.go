package bench

import (
	"fmt"
	"testing"
	"time"
)

// TestEditsPutThemselvesBack makes every kind of change on a real server and expects the rows as they were.
func TestEditsPutThemselvesBack(t *testing.T) {
	_, pool := shop(t)
	var all string
	contents := func() string {
		t.Helper()
		err := pool.QueryRow(t.Context(), `select md5(string_agg(r, '|' order by r)) from (
			select row(store_id, sku, amount)::text r from prices union all select row(store_id, sku, low_stock_at)::text from inventory
			union all select row(product_id, lang, title)::text from product_texts union all select row(id, attributes)::text from products
			union all select row(id, name)::text from brands union all select row(category_id, lang, name)::text from category_texts
			union all select row(id, position)::text from categories) x`).Scan(&all)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := contents()
	for _, e := range edits() {
		rows, back, err := e.make(t.Context(), pool, AmplificationConfig{Times: 3, Pause: time.Millisecond})
		if err != nil {
			t.Fatalf("%s: %v", e.what, err)
		}
		if (rows != 3) != e.once || rows == 0 || contents() == before {
			t.Errorf("%s changed %d rows", e.what, rows)
		}
		if err := back(t.Context()); err != nil {
			t.Fatalf("%s: %v", e.what, err)
		}
		if contents() != before {
			t.Fatalf("%s was not put back", e.what)
		}
	}
}

func TestPagesWrittenCountsThoseWrittenTwice(t *testing.T) {
	const epoch = int64(1) << 40
	versions := func(home int64, nodes ...int64) *reading {
		r := &reading{versions: map[string]map[any]int64{"homes": {"7:it": home}, "nodes": {"8:1:it": 3*epoch + nodes[0]}}}
		for i, v := range nodes[1:] {
			r.versions["nodes"][fmt.Sprintf("7:%d:it", i)] = v
		}
		return r
	}
	before := versions(epoch+1, 5, epoch+2, epoch+3)
	for name, c := range map[string]struct {
		after *reading
		want  float64
	}{
		"nothing":           {versions(epoch+1, 5, epoch+2, epoch+3), 0},
		"one page twice":    {versions(epoch+1, 5, epoch+2, epoch+5), 2},
		"home and a node":   {versions(epoch+4, 5, epoch+5, epoch+3), 2},
		"two stores":        {versions(epoch+4, 6, epoch+2, epoch+3), 2},
		"loaded in between": {versions(2*epoch+9, 5, epoch+2, epoch+3), 1},
	} {
		if got := pagesWritten(before, c.after); got != c.want {
			t.Errorf("%s: %v pages, want %v", name, got, c.want)
		}
	}
}

package write_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"freshet/api/write"
)

// bulkLine is a row of a bulk upsert: a product with one SKU of the same name.
func bulkLine(name string, amount, onHand int) string {
	return fmt.Sprintf(`{"external_id":%q,"type":"coat","status":"active","texts":{"it":{"title":"Cappotto %s"}},"attributes":{"colour":"nero"},`+
		`"categories":[{"id":2}],"variants":[{"sku":%q}],"offers":[{"store":"milano","prices":[{"sku":%q,"amount":%d}],"stock":[{"sku":%q,"on_hand":%d}]}]}`,
		name, name, name, name, amount, name, onHand)
}

func (s *shop) bulk(who []string, lines ...string) (result write.BulkResult) {
	s.t.Helper()
	r := s.request("PUT", "/api/v1/products", strings.Join(lines, "\n")+"\n", append(who, "Content-Type", "application/x-ndjson")...)
	s.want(r, 200).decode(s.t, &result)
	return result
}

// traces is state with what a lock or a rewrite leaves in a row: its place and the transactions that touched it.
func (s *shop) traces() (all string) {
	s.t.Helper()
	for _, table := range []string{
		"products", "product_texts", "product_categories", "product_digests", "variants", "offers", "prices", "inventory",
		"stock_movements", "feed_quantities",
	} {
		var trace string
		query := fmt.Sprintf(`select coalesce(string_agg(x.ctid || ' ' || x.xmin || ' ' || x.xmax, ',' order by x.ctid), '') from %s x`, table)
		if err := s.pool.QueryRow(s.t.Context(), query).Scan(&trace); err != nil {
			s.t.Fatal(err)
		}
		all += table + ": " + trace + "\n"
	}
	return all
}

// TestBulkWritesOnlyNews sends more rows than are looked up together, again, and again with a few changed. The rows of
// those that are no news keep the transactions that wrote them: nothing of them is in the log.
func TestBulkWritesOnlyNews(t *testing.T) {
	s, first, _ := twoSellers(t)
	var rows []string
	for i := range 430 {
		rows = append(rows, bulkLine(fmt.Sprintf("C-%d", i), 9900, 5))
	}
	if got := s.bulk(first, rows...); got.Created != 430 || got.Failed != 0 || got.Rows != 430 {
		t.Fatalf("made %+v", got)
	}
	s.audit()
	before, state := s.traces(), s.state()
	if got := s.bulk(first, rows...); got.Unchanged != 430 || got.Updated != 0 {
		t.Fatalf("the same again: %+v", got)
	}
	if s.traces() != before || s.state() != state {
		t.Error("rows that are no news left a trace")
	}
	// The same said in other bytes is the same.
	other := strings.Replace(rows[7], `"type":"coat","status":"active",`, `"status" : "active", "type" : "coat" ,`, 1)
	if got := s.bulk(first, other); got.Unchanged != 1 || s.traces() != before {
		t.Errorf("white space was taken for news: %+v", got)
	}
	s.want(s.request("POST", "/api/v1/stores/milano/stock", `{"movements":[{"sku":"C-7","kind":"adjustment","quantity":-3}]}`, first...), 200)
	untouched := s.number(`select max(xmin::text::bigint) from products where external_id <> 'C-7'`)
	rows[7] = bulkLine("C-7", 8800, 5)
	if got := s.bulk(first, rows...); got.Updated != 1 || got.Unchanged != 429 {
		t.Fatalf("one price is another: %+v", got)
	}
	// The count is what it was, so it isn't news: the three that went since don't come back.
	if n := s.number(`select on_hand from inventory where sku = 'C-7'`); n != 2 {
		t.Errorf("%d on hand, want the 2 that are left", n)
	}
	if n := s.number(`select amount from prices where sku = 'C-7'`); n != 8800 {
		t.Errorf("the price is %d", n)
	}
	if now := s.number(`select max(xmin::text::bigint) from products where external_id <> 'C-7'`); now != untouched {
		t.Error("other products were written")
	}
	rows[7] = bulkLine("C-7", 8800, 6)
	if got := s.bulk(first, rows...); got.Updated != 1 || s.number(`select on_hand from inventory where sku = 'C-7'`) != 6 {
		t.Errorf("a new count: %+v", got)
	}
	s.audit()
}

func TestBulkTellsOfEachRow(t *testing.T) {
	s, first, second := twoSellers(t)
	s.exec(`insert into products (seller_id, type, status, external_id) values (2, 'coat', 'draft', 'HIS')`)
	long := `{"external_id":"long","type":"` + strings.Repeat("x", 300<<10) + `"}`
	rows := []string{
		bulkLine("G-1", 100, 1), "nonsense", "", `{"external_id":"G-2","unknown":1}`, long, bulkLine("G-1", 200, 2),
		strings.Replace(bulkLine("G-3", 100, 1), `"external_id":"G-3",`, "", 1),
		strings.Replace(bulkLine("G-4", 100, 1), `"milano"`, `"roma"`, 1),
		strings.Replace(bulkLine("G-5", 100, 1), `"colour"`, `"smell"`, 1),
		strings.Replace(bulkLine("G-6", 100, 1), `"type"`, `"seller_id":2,"type"`, 1),
		bulkLine("Z-1", 100, 1), // another's SKU
		bulkLine("HIS", 100, 1), // another's external id is this one's to use
		bulkLine("G-7", 100, 1),
	}
	got := s.bulk(first, rows...)
	if got.Created != 3 || got.Failed != 9 || got.Rows != 12 || len(got.Errors) != 9 {
		t.Errorf("%+v", got)
	}
	at := map[int]string{}
	for _, e := range got.Errors {
		at[e.Line] = string(e.Kind)
		if len(e.Errors) > 0 {
			at[e.Line] += " " + e.Errors[0].Field
		}
	}
	want := map[int]string{
		2: "invalid", 4: "invalid unknown", 5: "too-large", 6: "unprocessable external_id", 7: "unprocessable external_id",
		8: "unprocessable offers[0].store", 9: "unprocessable attributes.smell", 10: "unprocessable seller_id", 11: "conflict variants[0].sku",
	}
	if fmt.Sprint(at) != fmt.Sprint(want) {
		t.Errorf("errors at %v\nwant %v", at, want)
	}
	if !slices.IsSortedFunc(got.Errors, func(x, y write.RowError) int { return x.Line - y.Line }) {
		t.Error("the errors aren't in the order of the lines")
	}
	// What failed left nothing, and what another has is as it was.
	if n := s.number(`select count(*) from products where external_id in ('G-2','G-3','G-4','G-5','G-6','Z-1','long')`); n != 0 {
		t.Errorf("%d products of rows that failed", n)
	}
	if n := s.number(`select count(*) from products p join variants v on v.product_id = p.id where p.seller_id = 2 and p.version = 1`); n != 1 {
		t.Error("another seller's products were touched")
	}
	if got := s.bulk(second, bulkLine("G-1", 100, 1)); got.Failed != 1 || got.Errors[0].Kind != "conflict" {
		t.Errorf("another's SKU: %+v", got)
	}
	s.audit()
}

func TestBulkIsBounded(t *testing.T) {
	s, first, _ := twoSellers(t)
	before := s.state()
	put := func(body, media string) reply {
		return s.request("PUT", "/api/v1/products", body, append(slices.Clone(first), "Content-Type", media)...)
	}
	s.want(put(bulkLine("M", 1, 1), "application/json"), 415)
	r := s.want(put(strings.Repeat("x\n", 10_001), "application/x-ndjson"), 413)
	if !strings.Contains(string(r.body), "0 products were created and 0 updated") {
		t.Errorf("the answer doesn't say how far it came: %s", r.body)
	}
	s.want(put(strings.Repeat("x", 65<<20), "application/x-ndjson"), 413)
	if s.state() != before {
		t.Error("what was refused changed something")
	}
}

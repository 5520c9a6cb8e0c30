package feed_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/api/write/feed"
	"freshet/deploy/postgres"
	"freshet/deploy/stack/stacktest"
)

func shop(t *testing.T) *pgx.Conn {
	t.Helper()
	url := stacktest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	exec(t, conn, `insert into category_trees (code, name) values ('own', 'own'), ('other', 'other')`)
	exec(t, conn, `insert into stores (code, name, market, currency, languages, tree_id) values
		('prova', 'Bottega di prova', 'it', 'EUR', '{it,de}', 1), ('essai', 'Boutique', 'fr', 'EUR', '{fr}', 2)`)
	exec(t, conn, `insert into categories (tree_id, slug) values (1, 'dispensa')`)
	exec(t, conn, `insert into category_texts values (1, 'it', 'Dispensa')`)
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// one returns a query's only value.
func one[T any](t *testing.T, conn *pgx.Conn, query string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// load imports and returns the summary, without its duration, and what was rejected.
func load(t *testing.T, conn *pgx.Conn, in io.Reader, cfg feed.Config) (feed.Summary, []string) {
	t.Helper()
	summary, rejected, err := try(t, conn, in, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return summary, rejected
}

func try(t *testing.T, conn *pgx.Conn, in io.Reader, cfg feed.Config) (feed.Summary, []string, error) {
	t.Helper()
	var rejected []string
	cfg.Reject = func(r feed.Rejection) { rejected = append(rejected, r.Error()) }
	if cfg.Store == "" {
		cfg.Store, cfg.Lang = "prova", "it"
	}
	if cfg.Now.IsZero() {
		cfg.Now = noon
	}
	summary, err := feed.Run(t.Context(), conn, in, cfg)
	summary.Elapsed = 0
	return summary, rejected, err
}

func file(t *testing.T, name string) io.Reader {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReader(string(text))
}

// versions is a hash over every row's place and transaction: a write of any kind moves it, a row lock too.
func versions(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select tablename::text from pg_tables where schemaname = 'public' and tablename not like 'goose%' order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for _, table := range tables {
		query := fmt.Sprintf(`select coalesce(string_agg(format('%%s %%s %%s', ctid, xmin, xmax), ',' order by ctid), '') from %s`, table)
		fmt.Fprintln(h, table, one[string](t, conn, query))
	}
	sequences := `select string_agg(sequencename || ' ' || coalesce(last_value, 0), ',' order by sequencename) from pg_sequences`
	fmt.Fprintln(h, one[string](t, conn, sequences))
	return hex.EncodeToString(h.Sum(nil))
}

func TestImportOfEachFormat(t *testing.T) {
	for name, want := range map[string]feed.Summary{
		"shop.rss.xml":  {Rows: 7, Inserted: 4, Rejected: 3, Products: 3, Categories: 7, Brands: 3},
		"shop.atom.xml": {Rows: 2, Inserted: 2, Products: 2, Categories: 1},
		"shop.tsv":      {Rows: 10, Inserted: 5, Rejected: 5, Products: 4, Categories: 4, Brands: 2},
	} {
		t.Run(name, func(t *testing.T) {
			conn := shop(t)
			got, rejected := load(t, conn, file(t, name), feed.Config{})
			if got != want {
				t.Errorf("got %+v, want %+v; rejected %q", got, want, rejected)
			}
			before := versions(t, conn)
			again, _ := load(t, conn, file(t, name), feed.Config{Batch: 2})
			want.Unchanged, want.Inserted, want.Products, want.Categories, want.Brands = want.Inserted, 0, 0, 0, 0
			if again != want {
				t.Errorf("the second time: got %+v, want %+v", again, want)
			}
			if versions(t, conn) != before {
				t.Error("an unchanged feed wrote something")
			}
		})
	}
}

func TestWhatTheFeedSaysIsInTheShop(t *testing.T) {
	conn := shop(t)
	load(t, conn, file(t, "shop.rss.xml"), feed.Config{Seller: "Bottega & Figli"})
	for query, want := range map[string]string{
		`select slug || ' ' || name from sellers`:                               "bottega-figli Bottega & Figli",
		`select attributes::text from products where external_id = 'group:TEE'`: `{"size": ["L", "M"], "colour": ["blu", "rosso"], "material": "cotone"}`,
		// The smallest SKU speaks for the group: TEE-B-L, which came last.
		`select title from product_texts t join products p on p.id = product_id where external_id = 'group:TEE'`:                            "Maglietta blu L",
		`select string_agg(sku || options::text, ' ' order by sku) from variants where sku like '%TEE%'`:                                    `1-TEE-B-L{"size": "L", "colour": "blu", "material": "cotone"} 1-TEE-R-M{"size": "M", "colour": "rosso", "material": "cotone"}`,
		`select attributes::text || type || gtin from products where external_id = 'OIL-1'`:                                                 `{"weight_g": 1200, "condition": "new"}food_beverages_tobacco4006381333931`,
		`select amount || ' ' || list_amount || ' ' || (valid_from at time zone 'UTC') from prices where sku = '1-OIL-1'`:                   "1250 1500 2026-02-24 10:07:00",
		`select string_agg(sku || ' ' || on_hand, ' ' order by sku collate "C") from inventory`:                                             "1-OIL-1 42 1-TEE-B-L 0 1-TEE-R-M 10 1-t--verde-e9fcf209 0",
		`select string_agg(sku || ' ' || kind || ' ' || quantity || ' ' || actor, ', ' order by sku) from stock_movements`:                  "1-OIL-1 adjustment 42 import:google, 1-TEE-R-M adjustment 10 import:google",
		`select string_agg(slug, ' ' order by id) from categories where tree_id = 1`:                                                        "dispensa oli-e-aceti olio-d-oliva novita moda magliette bevande category",
		`select string_agg(c.slug, ' ' order by c.id) from product_categories join categories c on c.id = category_id where product_id = 1`: "olio-d-oliva novita",
		`select count(*)::text from brands where slug = 'passo-lento'`:                                                                      "1",
		`select kind || numeric_slot || unit from attribute_defs where code = 'weight_g'`:                                                   "number0g",
		`select jsonb_array_length(images)::text || (images -> 0 ->> 'url') from products where external_id = 'OIL-1'`:                      "3https://images.example/oil-1.jpg",
	} {
		if got := one[string](t, conn, query); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
}

// rows makes a small tab-separated feed.
func rows(lines ...string) io.Reader {
	return strings.NewReader("id\titem_group_id\ttitle\tcolor\tprice\tsale_price\tavailability\tquantity\tproduct_type\n" + strings.Join(lines, "\n"))
}

func TestEachChangeIsWrittenAlone(t *testing.T) {
	conn := shop(t)
	base := []string{"A\t\tUno\tblu\t10.00 EUR\t\tin stock\t5\tX > Y", "B\tG\tDue\tblu\t10.00 EUR\t\tin stock\t5\tX", "C\tG\tTre\tnero\t10.00 EUR\t\tin stock\t5\tX"}
	load(t, conn, rows(base...), feed.Config{})
	for _, step := range []struct {
		line   string
		tables string // those whose rows moved
	}{
		{"A\t\tUno\tblu\t11.00 EUR\t\tin stock\t5\tX > Y", "prices"},
		{"A\t\tUno\tblu\t11.00 EUR\t9.00 EUR\tin stock\t5\tX > Y", "prices"},
		{"A\t\tUno bis\tblu\t11.00 EUR\t9.00 EUR\tin stock\t5\tX > Y", "product_texts"},
		{"A\t\tUno bis\tblu\t11.00 EUR\t9.00 EUR\tin stock\t6\tX > Y", "feed_quantities inventory stock_movements"},
		{"A\t\tUno bis\tblu\t11.00 EUR\t9.00 EUR\tin stock\t6\tX > Z", "categories category_texts product_categories products"},
		{"A\t\tUno bis\trosso\t11.00 EUR\t9.00 EUR\tin stock\t6\tX > Z", "products variants"},
		{"C\tG\tTre\tverde\t10.00 EUR\t\tin stock\t5\tX", "products variants"},
		{"C\tG\tTre ma non parla\tverde\t10.00 EUR\t\tin stock\t5\tX", ""},
	} {
		before := marks(t, conn)
		summary, _ := load(t, conn, rows(step.line), feed.Config{})
		if got := moved(before, marks(t, conn)); got != step.tables {
			t.Errorf("%s: moved %q, want %q", step.line, got, step.tables)
		}
		if want := int64(min(1, len(step.tables))); summary.Updated != want {
			t.Errorf("%s: %+v", step.line, summary)
		}
	}
}

// marks is each table's versions.
func marks(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range strings.Fields("attribute_defs brands categories category_texts feed_quantities inventory offers prices product_categories product_texts products sellers stock_movements variants") {
		all[table] = one[string](t, conn, fmt.Sprintf(`select coalesce(string_agg(ctid::text || xmin::text, ',' order by ctid), '') from %s`, table))
	}
	return all
}

func moved(before, after map[string]string) string {
	var tables []string
	for _, table := range strings.Fields("attribute_defs brands categories category_texts feed_quantities inventory offers prices product_categories product_texts products sellers stock_movements variants") {
		if before[table] != after[table] {
			tables = append(tables, table)
		}
	}
	return strings.Join(tables, " ")
}

func TestABadRowTakesNoOtherWithIt(t *testing.T) {
	conn := shop(t)
	// A constraint of the shop's own, which the import can't know.
	exec(t, conn, `alter table prices add constraint no_thirteen check (amount <> 1300)`)
	var lines []string
	for i := range 20 {
		lines = append(lines, fmt.Sprintf("P%d\t\tTitolo %d\t\t%d.00 EUR\t\tin stock\t3\tNuova > Sotto", i, i, i+1))
	}
	summary, rejected := load(t, conn, rows(lines...), feed.Config{})
	want := feed.Summary{Rows: 20, Inserted: 19, Rejected: 1, Products: 19, Categories: 2}
	if summary != want || len(rejected) != 1 || !strings.Contains(rejected[0], `line 14, id "P12"`) || !strings.Contains(rejected[0], "no_thirteen") {
		t.Errorf("got %+v, want %+v; rejected %q", summary, want, rejected)
	}
	if n := one[int64](t, conn, `select count(*) from products p where not exists (select from prices where product_id = p.id)`); n != 0 {
		t.Errorf("%d products were left behind by rejected rows", n)
	}
}

func TestAnOldFigureDoesNotBringBackWhatWasSold(t *testing.T) {
	conn := shop(t)
	line := "A\t\tUno\t\t10.00 EUR\t\tin stock\t%d\tX"
	stock := func() int64 { return one[int64](t, conn, `select on_hand from inventory`) }
	sell := func(n int64) {
		exec(t, conn, `update inventory set on_hand = on_hand - $1`, n)
		exec(t, conn, `insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) select store_id, sku, product_id, 'sale', -$1::bigint, 'shop' from inventory`, n)
	}
	for _, step := range []struct {
		sold, figure int64
		policy       feed.StockPolicy
		want         int64
	}{
		{0, 10, "", 10},
		{3, 10, "", 7},
		{0, 7, "", 7},   // the merchant has seen the sales,
		{0, 10, "", 10}, // and filled up again
		{4, 10, feed.StockAlways, 10},
		{0, 2, feed.StockNever, 10},
		{0, 3, "", 3},
	} {
		if step.sold > 0 {
			sell(step.sold)
		}
		load(t, conn, rows(fmt.Sprintf(line, step.figure)), feed.Config{Stock: step.policy})
		if got := stock(); got != step.want {
			t.Fatalf("%+v: on hand %d", step, got)
		}
	}
	exec(t, conn, `update inventory set reserved = 2`)
	load(t, conn, rows("A\t\tUno\t\t10.00 EUR\t\tout of stock\t\tX"), feed.Config{})
	if got := stock(); got != 2 {
		t.Errorf("on hand %d, want the 2 that are reserved", got)
	}
	if sum := one[int64](t, conn, `select sum(quantity)::bigint from stock_movements`); sum != stock() {
		t.Errorf("the ledger says %d, on hand is %d", sum, stock())
	}
}

func TestSoldOutIsFilledWhenTheFeedSaysInStock(t *testing.T) {
	conn := shop(t)
	line := "A\t\tUno\t\t10.00 EUR\t\tin stock\t\tX"
	load(t, conn, rows(line), feed.Config{DefaultStock: 4})
	exec(t, conn, `update inventory set on_hand = 1`)
	load(t, conn, rows(line), feed.Config{DefaultStock: 4})
	if got := one[int64](t, conn, `select on_hand from inventory`); got != 1 {
		t.Errorf("on hand %d, want 1: it is in stock already", got)
	}
	exec(t, conn, `update inventory set on_hand = 0`)
	load(t, conn, rows(line), feed.Config{DefaultStock: 4})
	if got := one[int64](t, conn, `select on_hand from inventory`); got != 4 {
		t.Errorf("on hand %d, want 4", got)
	}
}

// TestASecondLanguageBringsItsTextsAlone imports the same products for another store, twice in turn: no feed undoes the other.
func TestASecondLanguageBringsItsTextsAlone(t *testing.T) {
	conn := shop(t)
	italian := "A\t\tScarpa\trosso\t10.00 EUR\t\tin stock\t5\tScarpe"
	french := "A\t\tChaussure\trouge\t12.00 EUR\t\tin stock\t5\tChaussures"
	frenchConfig := feed.Config{Store: "essai", Lang: "fr", Seller: "prova"}
	load(t, conn, rows(italian), feed.Config{})
	summary, _ := load(t, conn, rows(french), frenchConfig)
	if want := (feed.Summary{Rows: 1, Updated: 1, Categories: 1}); summary != want {
		t.Errorf("got %+v, want %+v", summary, want)
	}
	before := versions(t, conn)
	load(t, conn, rows(italian), feed.Config{})
	load(t, conn, rows(french), frenchConfig)
	if versions(t, conn) != before {
		t.Error("two feeds of one product write in turn")
	}
	if got := one[string](t, conn, `select attributes ->> 'colour' from products`); got != "rosso" {
		t.Errorf("colour %s: the second feed took the product over", got)
	}
	frenchConfig.TakeOver = true
	load(t, conn, rows(french), frenchConfig)
	if got := one[string](t, conn, `select attributes ->> 'colour' from products`); got != "rouge" {
		t.Errorf("colour %s after taking over", got)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	conn := shop(t)
	summary, rejected := load(t, conn, file(t, "shop.rss.xml"), feed.Config{DryRun: true})
	if summary.Inserted != 4 || len(rejected) != 3 || !summary.DryRun {
		t.Errorf("%+v, %q", summary, rejected)
	}
	for _, table := range []string{"products", "sellers", "brands", "stock_movements", "attribute_defs", "offers"} {
		if n := one[int64](t, conn, `select count(*) from `+table); n != 0 {
			t.Errorf("%s: %d rows", table, n)
		}
	}
}

// TestAnImportThatWasCutOffIsRunAgain ends the feed in the middle, as a killed process does, at every batch's edge.
func TestAnImportThatWasCutOffIsRunAgain(t *testing.T) {
	conn := shop(t)
	var b strings.Builder
	b.WriteString(`<rss xmlns:g="http://base.google.com/ns/1.0"><channel>`)
	for i := range 30 {
		fmt.Fprintf(&b, `<item><g:id>P%d</g:id><g:item_group_id>G%d</g:item_group_id><title>T%d</title><g:color>c%d</g:color><g:price>%d.00 EUR</g:price><g:availability>in_stock</g:availability><g:product_type>A > B%d</g:product_type></item>`,
			i, i%7, i%7, i, i+1, i%3)
	}
	b.WriteString(`</channel></rss>`)
	whole := b.String()
	for cut := len(whole) / 5; cut < len(whole); cut += len(whole) / 5 {
		if _, _, err := try(t, conn, strings.NewReader(whole[:cut]), feed.Config{Batch: 4}); err == nil {
			t.Fatalf("a feed cut at byte %d was taken for whole", cut)
		}
	}
	summary, _ := load(t, conn, strings.NewReader(whole), feed.Config{Batch: 4})
	if summary.Rows != 30 || summary.Inserted+summary.Unchanged+summary.Updated != 30 || summary.Unchanged == 0 {
		t.Errorf("%+v", summary)
	}
	if n := one[int64](t, conn, `select count(*) from variants`); n != 30 {
		t.Errorf("%d variants", n)
	}
	before := versions(t, conn)
	if summary, _ = load(t, conn, strings.NewReader(whole), feed.Config{}); summary.Unchanged != 30 || versions(t, conn) != before {
		t.Errorf("the third time: %+v", summary)
	}
}

func TestAVariantDoesNotMoveToAnotherGroup(t *testing.T) {
	conn := shop(t)
	load(t, conn, rows("A\tG\tUno\t\t10.00 EUR\t\tin stock\t5\tX"), feed.Config{})
	summary, rejected := load(t, conn, rows("A\tH\tUno\t\t10.00 EUR\t\tin stock\t5\tX"), feed.Config{})
	if summary.Rejected != 1 || !strings.Contains(rejected[0], "item_group_id") {
		t.Errorf("%+v %q", summary, rejected)
	}
}

func TestWhatCanNotBeginIsSaid(t *testing.T) {
	conn := shop(t)
	for reason, cfg := range map[string]feed.Config{
		"no store with code": {Store: "nowhere", Lang: "it"},
		"has no language fr": {Store: "prova", Lang: "fr"},
		`language "xx"`:      {Store: "prova", Lang: "xx"},
		"stock policy":       {Store: "prova", Lang: "it", Stock: "sometimes"},
		"no letter":          {Store: "prova", Lang: "it", Seller: "東京"},
	} {
		_, _, err := try(t, conn, rows("A\t\tUno\t\t10.00 EUR\t\tin stock\t5\tX"), cfg)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%+v: %v, want %q in it", cfg, err, reason)
		}
	}
	if _, _, err := try(t, conn, rows(), feed.Config{}); err == nil || !strings.Contains(err.Error(), "no items") {
		t.Errorf("an empty feed: %v", err)
	}
	exec(t, conn, `insert into attribute_defs (code, kind, numeric_slot) values ('colour', 'number', 0)`)
	_, _, err := try(t, conn, rows("A\t\tUno\tblu\t10.00 EUR\t\tin stock\t5\tX"), feed.Config{})
	if err == nil || !strings.Contains(err.Error(), "attribute colour") {
		t.Errorf("an attribute of another kind: %v", err)
	}
}

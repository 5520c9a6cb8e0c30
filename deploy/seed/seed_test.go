package seed_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/postgres"
	"freshet/deploy/seed"
	"freshet/deploy/stack/stacktest"
)

// small is enough for every kind of store and a few hundred orders.
var small = seed.Config{Stores: 12, Products: 240, Orders: 400, Seed: 7}

func shop(t testing.TB) *pgx.Conn {
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
	return conn
}

func run(t testing.TB, conn *pgx.Conn, cfg seed.Config) seed.Summary {
	t.Helper()
	summary, err := seed.Run(t.Context(), conn, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

func rows[T any](t testing.TB, conn *pgx.Conn, query string, args ...any) []T {
	t.Helper()
	found, err := conn.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	all, err := pgx.CollectRows(found, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

// fingerprint is a hash over every row of every table, and every sequence.
func fingerprint(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	h := sha256.New()
	for _, table := range rows[string](t, conn, `select tablename::text from pg_tables where schemaname = 'public' and tablename not like 'goose%' order by 1`) {
		for _, row := range rows[string](t, conn, fmt.Sprintf(`select r::text from %s r order by (r::text) collate "C"`, table)) {
			fmt.Fprintln(h, table, row)
		}
	}
	for _, sequence := range rows[string](t, conn, `select sequencename || ' ' || coalesce(last_value, 0) from pg_sequences where sequencename not like 'goose%' order by 1`) {
		fmt.Fprintln(h, sequence)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestTheSameSeedMakesTheSameShop(t *testing.T) {
	other := small
	other.Seed = 8
	var prints []string
	for _, cfg := range []seed.Config{small, small, other} {
		conn := shop(t)
		run(t, conn, cfg)
		prints = append(prints, fingerprint(t, conn))
	}
	if prints[0] != prints[1] {
		t.Error("two runs of one seed differ")
	}
	if prints[0] == prints[2] {
		t.Error("two seeds made one shop")
	}
}

// TestTheShopAddsUp asks SQL for what must not be; every query counts offenders.
func TestTheShopAddsUp(t *testing.T) {
	conn := shop(t)
	summary := run(t, conn, small)
	t.Logf("%+v", summary)
	for name, query := range map[string]string{
		"on hand is the ledger's sum": `select count(*) from inventory i where on_hand <> (select coalesce(sum(quantity), 0) from stock_movements m
			where m.store_id = i.store_id and m.sku = i.sku and m.kind in ('receipt','sale','return','adjustment'))`,
		"a movement without stock": `select count(*) from stock_movements m where not exists (select from inventory i where i.store_id = m.store_id and i.sku = m.sku)`,
		"reserved is what is held": `select count(*) from inventory i where reserved <> (select coalesce(sum(quantity), 0) from reservations r
			where r.store_id = i.store_id and r.sku = i.sku and r.state = 'active')`,
		"stock below zero on the way": `select count(*) from (select sum(quantity) over (partition by store_id, sku order by id) as level from stock_movements) l where level < 0`,
		"an offer without a price":    `select count(*) from offers o where not exists (select from prices p where p.store_id = o.store_id and p.product_id = o.product_id)`,
		"a price without stock row":   `select count(*) from prices p where not exists (select from inventory i where i.store_id = p.store_id and i.sku = p.sku)`,
		"a product without a variant": `select count(*) from products p where not exists (select from variants v where v.product_id = p.id)`,
		"a product not in 5 texts":    `select count(*) from products p where 5 <> (select count(*) from product_texts t where t.product_id = p.id)`,
		"an offer outside the tree": `select count(*) from offers o join stores s on s.id = o.store_id where not exists (
			select from product_categories pc join categories c on c.id = pc.category_id where pc.product_id = o.product_id and c.tree_id = s.tree_id)`,
		"no discount":            `select (count(*) = 0)::int from prices where list_amount > amount`,
		"a list price not above": `select count(*) from prices where list_amount <= amount`,
		"a paid order without payment": `select count(*) from orders o where status <> 'cancelled'
			and not exists (select from payments p where p.order_id = o.id and p.pays and p.state = 'captured')`,
		"an order that doesn't say when": `select count(*) from orders where (status = 'cancelled') <> (cancelled_at is not null and reason is not null)
			or (status <> 'cancelled') <> (paid_at is not null) or (status in ('shipped', 'delivered')) <> (shipped_at is not null)
			or (status = 'delivered') <> (delivered_at is not null)`,
		"an order off its lines":   `select count(*) from orders o where total <> (select sum(quantity * unit_amount) from order_items i where i.order_id = o.id)`,
		"a sale without its lines": `select count(*) from order_items i where not exists (select from stock_movements m where m.order_id = i.order_id and m.sku = i.sku and m.kind = 'sale' and m.quantity = -i.quantity)`,
		"an unknown attribute": `select count(*) from products p cross join lateral jsonb_each(p.attributes) a where not exists (select from attribute_defs d where d.code = a.key
			and (d.kind = 'number') = (jsonb_typeof(a.value) = 'number') and (d.kind = 'boolean') = (jsonb_typeof(a.value) = 'boolean'))`,
		"a real mail domain":     `select count(*) from customers where email !~ '@example[.](com|org|net)$'`,
		"pounds outside England": `select count(*) from stores where (market = 'en') <> (currency = 'GBP')`,
		"a row after the base":   `select count(*) from stock_movements where created_at > '2026-06-30 00:00:00+00'`,
	} {
		if got := rows[int64](t, conn, query); got[0] != 0 {
			t.Errorf("%s: %d", name, got[0])
		}
	}
	if got := rows[int64](t, conn, `select count(*) from offers`); got[0] != summary.Offers || summary.Offers < 1000 {
		t.Errorf("%d offers, the summary says %d", got[0], summary.Offers)
	}
}

func TestTreesAreThreeToFiveLevelsDeep(t *testing.T) {
	conn := shop(t)
	run(t, conn, small)
	const query = `with recursive down(id, tree_id, depth) as (
		select id, tree_id, 1 from categories where parent_id is null
		union all select c.id, c.tree_id, depth + 1 from categories c join down on c.parent_id = down.id)
		select t.code || ' ' || min(depth) || ' ' || max(depth) from down join category_trees t on t.id = tree_id
		where not exists (select from categories c where c.parent_id = down.id) group by t.code order by 1`
	trees := rows[string](t, conn, query)
	if len(trees) != 5 {
		t.Fatalf("%d trees, want 5", len(trees))
	}
	for _, tree := range trees {
		var code string
		var low, high int
		if _, err := fmt.Sscan(tree, &code, &low, &high); err != nil {
			t.Fatal(err)
		}
		if low < 3 || high > 5 || high == low {
			t.Errorf("%s: leaves at levels %d to %d, want 3 to 5 and not all the same", code, low, high)
		}
	}
}

func TestSequencesStandPastTheRows(t *testing.T) {
	conn := shop(t)
	run(t, conn, small)
	for _, statement := range []string{
		`insert into brands (name, slug) values ('New', 'new')`,
		`insert into products (seller_id, type) values (1, 'new')`,
		`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) select store_id, sku, product_id, 'adjustment', 1, 'test' from inventory limit 1`,
		`insert into refunds (order_id, payment_id, amount) values (1, 1, 5)`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestAFullShopIsRefused(t *testing.T) {
	conn := shop(t)
	if _, err := conn.Exec(t.Context(), `insert into brands (name, slug) values ('Mine', 'mine')`); err != nil {
		t.Fatal(err)
	}
	_, err := seed.Run(t.Context(), conn, small, nil)
	if !errors.Is(err, seed.ErrNotEmpty) || !strings.Contains(err.Error(), "brands") {
		t.Fatalf("got %v, want ErrNotEmpty that names brands", err)
	}
	if got := rows[int64](t, conn, `select count(*) from stores`); got[0] != 0 {
		t.Error("a refused seed left rows")
	}
}

// TestAnOrdinaryRoleMaySeed loads with the row checks on.
func TestAnOrdinaryRoleMaySeed(t *testing.T) {
	conn := shop(t)
	for _, statement := range []string{
		`create role seeder_` + conn.Config().Database,
		`grant all on all tables in schema public to seeder_` + conn.Config().Database,
		`grant all on all sequences in schema public to seeder_` + conn.Config().Database,
		`set role seeder_` + conn.Config().Database,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, statement := range []string{`reset role`, `drop owned by seeder_` + conn.Config().Database, `drop role seeder_` + conn.Config().Database} {
			if _, err := conn.Exec(context.Background(), statement); err != nil {
				t.Error(err)
			}
		}
	})
	run(t, conn, small)
}

func TestSizesOutOfBoundsAreNamed(t *testing.T) {
	_, err := seed.Run(t.Context(), nil, seed.Config{Stores: -1, Products: 6_000_000}, nil)
	if err == nil || !strings.Contains(err.Error(), "stores") || !strings.Contains(err.Error(), "products") {
		t.Fatalf("got %v, want both problems", err)
	}
}

// BenchmarkSeed prints the rate at which offers go in, with their prices, stock and ledger.
func BenchmarkSeed(b *testing.B) {
	for range b.N {
		b.StopTimer()
		conn := shop(b)
		b.StartTimer()
		summary := run(b, conn, seed.Config{Stores: 12, Products: 12_000})
		b.ReportMetric(summary.OffersPerSecond(), "offers/s")
		b.ReportMetric(float64(summary.Rows)/summary.Elapsed.Seconds(), "rows/s")
	}
}

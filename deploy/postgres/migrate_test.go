package postgres

import (
	"testing"

	"freshet/deploy/stack/stacktest"
)

// TestAShopWithOrdersIsUpgraded: the order documents of a shop that has some lack what they are to show from now on, so their
// rows are asked for once more; a new shop's are published by the first snapshot anyway.
func TestAShopWithOrdersIsUpgraded(t *testing.T) {
	for name, old := range map[string]struct {
		rows    string
		signals int
	}{
		"new": {"select 1", 0},
		"with orders": {`insert into category_trees (code, name) values ('t', 'T');
			insert into stores (code, name, market, currency, languages, tree_id) values ('s', 'S', 'it', 'EUR', '{it}', 1);
			insert into customers (email) values ('anna@example.org');
			insert into orders (customer_id, store_id, currency, total, status) values (1, 1, 'EUR', 5, 'cancelled'), (1, 1, 'EUR', 5, 'placed')`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			url := stacktest.Postgres(t)
			db, provider, err := open(url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			if _, err := provider.UpTo(t.Context(), 11); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), old.rows); err != nil {
				t.Fatal(err)
			}
			if pending, err := Pending(t.Context(), url); err != nil || !pending {
				t.Error(pending, err)
			}
			if n, err := Migrate(t.Context(), url); err != nil || n == 0 {
				t.Fatal(n, err)
			}
			if pending, err := Pending(t.Context(), url); err != nil || pending {
				t.Error(pending, err)
			}
			var signals, known int
			err = db.QueryRowContext(t.Context(), `select count(*), (select count(*) from orders where num_nonnulls(paid_at, cancelled_at, reason) > 0)
				from freshet_signals where kind = 'snapshot' and body->'tables' = '["public.orders", "public.refunds"]'`).Scan(&signals, &known)
			if err != nil || signals != old.signals || known != 0 {
				t.Errorf("%d signals, want %d; %d orders have times that nobody knows; %v", signals, old.signals, known, err)
			}
			if _, err := provider.DownTo(t.Context(), 11); err != nil {
				t.Error(err)
			}
		})
	}
}

package audit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/postgres"
	"freshet/deploy/seed"
	"freshet/deploy/stack/stacktest"
	"freshet/projectors/audit"
)

// TestStockIsComparedWithItsLedger has rows changed behind the shop's back, one of them past the constraint.
func TestStockIsComparedWithItsLedger(t *testing.T) {
	ctx, url := t.Context(), stacktest.Postgres(t)
	if _, err := postgres.Migrate(ctx, url); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	if _, err := seed.Run(ctx, conn, seed.Config{Stores: 2, Products: 20}, nil); err != nil {
		t.Fatal(err)
	}
	slices, err := audit.Slices(ctx, conn, 1, 7)
	if err != nil {
		t.Fatal(err)
	}
	look := func() (all audit.Result) {
		for _, slice := range slices {
			if !slice.Books {
				continue
			}
			tables, err := audit.Open(ctx, conn, slice)
			if err != nil {
				t.Fatal(err)
			}
			found, err := tables.Stock(ctx)
			if err := errors.Join(err, tables.Close(ctx)); err != nil {
				t.Fatal(err)
			}
			all.Expected += found.Expected
			all.Missing, all.Extra, all.Different = append(all.Missing, found.Missing...), append(all.Extra, found.Extra...), append(all.Different, found.Different...)
		}
		return all
	}
	var skus int
	if err := conn.QueryRow(ctx, "select count(*) from inventory where store_id = 1").Scan(&skus); err != nil {
		t.Fatal(err)
	}
	if r := look(); r.Wrong() != 0 || r.Expected == 0 || r.Expected != skus || len(slices) < 4 {
		t.Fatalf("a sound shop of %d SKUs in %d slices: %+v", skus, len(slices), r)
	}
	const oversell = "update inventory set reserved = on_hand + 3 where ctid = (select ctid from inventory where store_id = 1 order by sku limit 1)"
	if _, err := conn.Exec(ctx, oversell); err == nil {
		t.Fatal("the constraint let a SKU be oversold")
	}
	if _, err := conn.Exec(ctx, "alter table inventory drop constraint inventory_never_oversold"); err != nil {
		t.Fatal(err)
	}
	wrong := map[string]string{}
	for i, change := range [][2]string{{"on_hand", "on_hand = on_hand + 1"}, {"reserved", "reserved = least(reserved + 1, on_hand)"}, {"oversold", "reserved = on_hand + 3"}} {
		var key string
		err := conn.QueryRow(ctx, `update inventory set `+change[1]+` where ctid = (select ctid from inventory where store_id = 1 and on_hand > 5 order by sku offset $1 limit 1)
			returning store_id || ':' || sku`, i).Scan(&key)
		if err != nil {
			t.Fatal(err)
		}
		wrong[key] = change[0]
	}
	r := look()
	if len(r.Different) != len(wrong) || r.Wrong() != len(wrong) {
		t.Fatalf("%d are wrong: %+v", len(wrong), r)
	}
	for _, d := range r.Different {
		if path := wrong[d.Key]; path == "" || !strings.HasSuffix(d.Path, path) {
			t.Errorf("%s is said to be wrong at %s, want %q", d.Key, d.Path, path)
		}
	}
}

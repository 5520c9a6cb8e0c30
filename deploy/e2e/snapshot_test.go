package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestRowsThatVanishUnseen drops the slot, changes and deletes rows of every table while nothing watches, and takes a new
// snapshot: the documents of what is gone must go. Then all tables are read again beside the stream, under the same load.
func TestRowsThatVanishUnseen(t *testing.T) {
	ctx := deadline(t, 8*time.Minute)
	s := newShop(t, 2, 60, 7)
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	n := newNemesis(t, s.postgres, *seedFlag, 2)
	n.run(ctx, 100)
	s.mustAgree(ctx, "before the slot is lost")
	s.ingest.kill()
	db := s.connect()
	for _, sql := range []string{
		`select pg_drop_replication_slot('` + s.prefix + `') from pg_replication_slots where slot_name = '` + s.prefix + `' and not active`,
		`delete from products where id in (select id from products order by id limit 5)`,
		`delete from prices where sku in (select sku from prices order by sku desc limit 10)`,
		`delete from product_texts where product_id in (select id from products order by id desc limit 7)`,
	} {
		if _, err := db.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	n.run(ctx, 300)
	s.ingest.args = []string{"ingest", "--resnapshot"}
	s.ingest.start()
	s.mustSweep(t, 1)
	s.mustAgree(ctx, "after a snapshot with a sweep")

	tables := []string{"snapshot", "products", "product_texts", "product_categories", "variants", "offers", "prices", "inventory", "stock_movements", "stores", "categories", "category_texts", "brands"}
	s.run(append(tables, "--sweep", "--rate", "2000")...)
	n.run(ctx, 400)
	s.mustSweep(t, 2)
	s.mustAgree(ctx, "after all tables were read beside the stream")
	t.Logf("seed %d: %s", *seedFlag, n.summary())
}

// mustSweep waits until so many snapshots have ended and none is under way, and demands that every one was done.
func (s *shop) mustSweep(t *testing.T, want int) {
	t.Helper()
	status := ""
	for until := time.Now().Add(3 * time.Minute); time.Now().Before(until); <-time.After(200 * time.Millisecond) {
		status = s.run("snapshot", "--status")
		if strings.Contains(status, "running") || strings.Count(status, "done") < want {
			continue
		}
		if strings.Contains(status, "refused") || strings.Contains(status, "not swept") {
			t.Errorf("a snapshot was not done:\n%s", status)
		}
		return
	}
	t.Fatalf("no snapshot ends:\n%s\n%s", status, s.ingest.tail(10))
}

package ingest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"freshet/ingest"
	"freshet/ingest/change"
)

// reviewsRig has six reviews of product 1, and names products whose rows are in that one's partition and in another.
func reviewsRig(t *testing.T) (r *rig, near, far int) {
	t.Helper()
	r = newRig(t,
		`create table reviews (id bigint primary key, product_id bigint not null)`,
		`create unique index reviews_identity on reviews (id, product_id)`,
		`alter table reviews replica identity using index reviews_identity`,
		`create publication freshet for table reviews`,
		`insert into reviews select i, 1 from generate_series(1, 6) i`)
	for id := 2; near == 0 || far == 0; id++ {
		if change.Partition(fmt.Append(nil, id), 3) == change.Partition([]byte("1"), 3) {
			near = id
		} else {
			far = id
		}
	}
	return r, near, far
}

// TestRowsThatWentElsewhereUnseen moves reviews from product to product while no slot exists: a document per product, made
// from the topic alone, must lose what went and keep what stayed.
func TestRowsThatWentElsewhereUnseen(t *testing.T) {
	r, near, far := reviewsRig(t)
	run := r.start()
	r.settle()
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	move := func(id, product int) string {
		return fmt.Sprintf(`update reviews set product_id = %d where id = %d`, product, id)
	}
	r.exec(`select pg_drop_replication_slot('`+r.prefix+`')`,
		move(1, near), move(2, near), move(3, far), move(4, near), move(4, 1), `delete from reviews where id = 5`)
	r.start(func(c *ingest.Config) { c.Resnapshot = true })
	r.until("the stream to follow", func() bool { return r.records("reviews") > 6 })
	r.exec(`delete from reviews where id = 2`, move(3, near)) // one that is gone since, one that came to its first partition
	r.finished("sweep-2", ingest.SnapshotDone)
	r.settle()
	want := []string{fmt.Sprintf("%d: [1 3]", near), "1: [4 6]"}
	slices.Sort(want)
	compare(t, documents(t, r.events("reviews")), want)
}

// documents folds events to the keys that each product has, in the way of whoever keeps a document per product.
func documents(t *testing.T, events []rawRecord) []string {
	type place struct {
		Product int `json:"product_id"`
		ID      int `json:"id"`
	}
	parse := func(row []byte) (p place) {
		if err := json.Unmarshal(row, &p); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		return p
	}
	newest, has := map[place]change.Position{}, map[place]bool{}
	for _, e := range events {
		var at place
		switch {
		case e.event.Op == change.Tombstone:
			continue
		case e.event.After != nil:
			at = parse(e.event.After)
		default:
			at = parse(e.event.Before)
		}
		if old, ok := newest[at]; !ok || e.event.Position.After(old) {
			newest[at], has[at] = e.event.Position, e.event.After != nil
		}
	}
	keys := map[int][]int{}
	for at, here := range has {
		if here {
			keys[at.Product] = append(keys[at.Product], at.ID)
		}
	}
	var out []string
	for _, product := range slices.Sorted(maps.Keys(keys)) {
		out = append(out, strconv.Itoa(product)+": "+fmt.Sprint(slices.Sorted(slices.Values(keys[product]))))
	}
	slices.Sort(out)
	return out
}

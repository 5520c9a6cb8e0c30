package e2e

import (
	"testing"
	"time"

	"freshet/projectors/tree"
)

// TestALargeTreeIsCutIntoParts gives a store more categories than a document lists, changes and takes away some of them, and
// has all pages recomputed each time. The texts among them are as long as the tables allow.
func TestALargeTreeIsCutIntoParts(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	s := newShop(t, 1, 40, 11)
	conn := s.connect()
	if _, err := conn.Exec(ctx, "update stores set languages = '{it}'"); err != nil { // more of them are more of the same
		t.Fatal(err)
	}
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	for _, step := range []struct {
		name, sql string
		several   bool
	}{
		{"more categories than a part lists", `
			with top as (
				insert into categories (tree_id, slug, position, active) select tree_id, 'top-' || i, 1000 + i, true from stores, generate_series(1, 60) i returning id, tree_id, slug
			), child as (
				insert into categories (tree_id, parent_id, slug, position, active)
				select tree_id, id, 'child-' || i, i, true from top, generate_series(1, 250) i where slug = 'top-1' returning id
			), name as (
				insert into category_texts (category_id, lang, name)
				select id, 'it', repeat('<', 200) from top union all select id, 'it', repeat('<', 200) from child
			)
			insert into product_categories (product_id, category_id, position)
			select p.id, c.id, 100 from products p, (select id from child order by id desc limit 1) c union all select p.id, c.id, 101 from products p, top c`, true},
		{"an image that no card shows", `update products set images = jsonb_build_array(jsonb_build_object('url', repeat('<', 2049)))
			where id = (select min(id) from products)`, true},
		{"long images and titles", `with image as (update products set images = jsonb_build_array(jsonb_build_object('url', repeat('<', 2048))))
			update product_texts set title = repeat('<', 300)`, true},
		{"other places", `update categories set position = 1000 - position where slug like 'child-%'`, true},
		{"few again", `with c as (update categories set active = false where slug ~ '^(top|child)-[0-9]{2,}$'),
				i as (update products set images = '[]')
			update product_texts set title = 'short'`, false},
	} {
		if _, err := conn.Exec(ctx, step.sql); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		s.mustAgree(ctx, step.name)
		var store int64
		var lang string
		if err := conn.QueryRow(ctx, "select id, languages[1] from stores").Scan(&store, &lang); err != nil {
			t.Fatal(err)
		}
		home, err := tree.NewStore(s.db, false).Home(ctx, store, lang, 1)
		if err != nil || (home.Next > 0) != step.several {
			t.Errorf("%s: the home page has %d sections and the next part %d, %v", step.name, len(home.Categories), home.Next, err)
		}
	}
}

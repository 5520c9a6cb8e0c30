package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// operation is one kind of change and how often it comes, relative to the others.
type operation struct {
	name   string
	weight int
	make   func(n *nemesis) []statement
}

// statement is SQL with arguments, or rows to COPY into the table that sql names.
type statement struct {
	sql  string
	args []any
	copy [][]any
	cols []string
}

func one(sql string, args ...any) []statement { return []statement{{sql: sql, args: args}} }

// Rows that the statements work on; $1 is the salt that chooses.
const (
	aProduct  = "(select id from products order by md5(id::text || $1) limit 1)"
	aStore    = "(select id from stores order by md5(id::text || $1) limit 1)"
	aCategory = "(select id from categories order by md5(id::text || $1) limit 1)"
	aBrand    = "(select id from brands order by md5(id::text || $1) limit 1)"
	aRule     = "(select id from search_rules order by md5(id::text || $1) limit 1)"
	aFacets   = "(select id from search_facets order by md5(id::text || $1) limit 1)"
	aBanner   = "(select id from search_banners order by md5(id::text || $1) limit 1)"
	aSynonym  = "(select id from search_synonyms order by md5(id::text || $1) limit 1)"
	aReview   = "(select id from reviews order by md5(id::text || $1) limit 1)"
	aPrice    = "(select ctid from prices order by md5(store_id || sku || $1) limit 1)"
	anOffer   = "(select ctid from offers order by md5(store_id || ':' || product_id || $1) limit 1)"
)

var operations = append(shopOperations, orderOperations...)

var shopOperations = []operation{
	{"price", 30, func(n *nemesis) []statement {
		return one("update prices set amount = $2, list_amount = $3 where ctid = "+aPrice, n.salt(), 100+n.rng.Int64N(9900), nullable(n.rng, 20000))
	}},
	{"prices of a store", 2, func(n *nemesis) []statement {
		return one("update prices set amount = amount + $2 where store_id = "+aStore, n.salt(), 1+n.rng.Int64N(5))
	}},
	{"import", 1, func(n *nemesis) []statement { // more rows than a transaction may change and not be bulk
		return slices.Repeat(one("update prices set amount = amount + $2 where store_id = "+aStore, n.salt(), 1+n.rng.Int64N(5)), 12)
	}},
	{"price for a time", 8, func(n *nemesis) []statement {
		// Some are over, some hold, some are to come within seconds, and some never while the test runs.
		from := []int{-3600, -2, 1, 2, 4, 86400}[n.rng.IntN(6)]
		to := from + []int{1, 2, 3, 7200}[n.rng.IntN(4)]
		return one(`update prices set list_amount = $2, valid_from = clock_timestamp() + make_interval(secs => $3),
			valid_to = clock_timestamp() + make_interval(secs => $4) where ctid = `+aPrice, n.salt(), nullable(n.rng, 20000), from, to)
	}},
	{"price removed", 3, func(n *nemesis) []statement { return one("delete from prices where ctid = "+aPrice, n.salt()) }},
	{"price added", 5, func(n *nemesis) []statement {
		return one(`insert into prices (store_id, sku, product_id, amount)
			select o.store_id, v.sku, v.product_id, $2 from offers o join variants v on v.product_id = o.product_id
			where not exists (select 1 from prices p where p.store_id = o.store_id and p.sku = v.sku)
			order by md5(o.store_id || v.sku || $1) limit 1`, n.salt(), 100+n.rng.Int64N(9900))
	}},
	{"price moved to another SKU", 3, func(n *nemesis) []statement {
		return one(`update prices p set sku = (select v.sku from variants v where v.product_id = p.product_id
			and not exists (select 1 from prices q where q.store_id = p.store_id and q.sku = v.sku) order by md5(v.sku || $1) limit 1)
			where p.ctid = (select q.ctid from prices q where exists (select 1 from variants v where v.product_id = q.product_id
			and not exists (select 1 from prices x where x.store_id = q.store_id and x.sku = v.sku)) order by md5(q.store_id || q.sku || $1) limit 1)`, n.salt())
	}},
	{"stock", 12, func(n *nemesis) []statement { return stock(n, "adjustment", 1+n.rng.Int64N(40)) }},
	{"sale", 12, func(n *nemesis) []statement { return stock(n, "sale", -1-n.rng.Int64N(3)) }},
	{"sold out", 3, func(n *nemesis) []statement {
		return one("update inventory set reserved = on_hand where ctid = (select ctid from inventory order by md5(store_id || sku || $1) limit 1)", n.salt())
	}},
	{"title", 8, func(n *nemesis) []statement {
		return one("update product_texts set title = 'Titolo ' || $2 where product_id = "+aProduct, n.salt(), n.salt())
	}},
	{"long description", 3, func(n *nemesis) []statement {
		return one("update product_texts set description = $2 where product_id = "+aProduct, n.salt(), n.blob(6000+n.rng.IntN(6000)))
	}},
	{"text in another language", 3, func(n *nemesis) []statement {
		return one(`update product_texts t set lang = 'en' where t.ctid = (select x.ctid from product_texts x where x.lang <> 'en'
			and not exists (select 1 from product_texts y where y.product_id = x.product_id and y.lang = 'en') order by md5(x.product_id || x.lang || $1) limit 1)`, n.salt())
	}},
	{"text removed", 2, func(n *nemesis) []statement {
		return one("delete from product_texts where ctid = (select ctid from product_texts order by md5(product_id || lang || $1) limit 1)", n.salt())
	}},
	{"attributes", 4, func(n *nemesis) []statement {
		return one("update products set attributes = attributes || jsonb_build_object('note', $2::text) where id = "+aProduct, n.salt(), n.blob(3000+n.rng.IntN(6000)))
	}},
	{"status", 6, func(n *nemesis) []statement {
		return one("update products set status = (array['active','active','draft','archived'])[$2] where id = "+aProduct, n.salt(), 1+n.rng.IntN(4))
	}},
	{"brand of a product", 3, func(n *nemesis) []statement {
		return one("update products set brand_id = nullif("+aBrand+", $2) where id = "+aProduct, n.salt(), n.rng.Int64N(6))
	}},
	{"brand renamed", 2, func(n *nemesis) []statement {
		return one("update brands set name = 'Marca ' || $2 where id = "+aBrand, n.salt(), n.salt())
	}},
	{"product deleted", 2, func(n *nemesis) []statement { return one("delete from products where id = "+aProduct, n.salt()) }},
	{"product born", 4, born},
	{"product born again", 2, func(n *nemesis) []statement {
		return one(`insert into products (id, seller_id, type, status) select g, (select min(id) from sellers), 'reborn', 'active'
			from generate_series(1000001, $2::bigint) g where not exists (select 1 from products p where p.id = g) order by md5(g || $1) limit 1`, n.salt(), n.next)
	}},
	{"review", 6, func(n *nemesis) []statement {
		return one("insert into reviews (id, product_id, rating, lang, status) values ($2, "+aProduct+", $3, 'it', (array['published','published','pending'])[$4])",
			n.salt(), n.id(), 1+n.rng.IntN(5), 1+n.rng.IntN(3))
	}},
	{"review judged or given again", 4, func(n *nemesis) []statement {
		return one("update reviews set status = (array['published','pending','rejected'])[$2], rating = $3 where id = "+aReview, n.salt(), 1+n.rng.IntN(3), 1+n.rng.IntN(5))
	}},
	{"review moved to another product", 1, func(n *nemesis) []statement {
		return one("update reviews set product_id = "+aProduct+" where id = "+aReview, n.salt())
	}},
	{"review deleted", 2, func(n *nemesis) []statement { return one("delete from reviews where id = "+aReview, n.salt()) }},
	{"merchandising rule", 4, func(n *nemesis) []statement {
		action := []string{"pin", "pin", "hide", "boost"}[n.rng.IntN(4)]
		var place, factor any
		switch action {
		case "pin":
			place = 1 + n.rng.IntN(30)
		case "boost":
			factor = 0.25 + float64(n.rng.IntN(12))/2
		}
		return one(`insert into search_rules (id, store_id, category_id, query, product_id, action, place, factor)
			select $2::bigint, `+[]string{"null", aStore}[n.rng.IntN(2)]+", "+[]string{"null", aCategory}[n.rng.IntN(2)]+
			`, nullif($3, ''), `+aProduct+`, $4, $5::int, $6::float8`, n.salt(), n.id(), []string{"", "", "", "pasta"}[n.rng.IntN(4)], action, place, factor)
	}},
	{"rule changed", 3, func(n *nemesis) []statement {
		return one("update search_rules set active = $2, store_id = nullif("+aStore+", $3) where id = "+aRule, n.salt(), n.rng.IntN(3) > 0, n.rng.Int64N(5))
	}},
	{"rule deleted", 2, func(n *nemesis) []statement { return one("delete from search_rules where id = "+aRule, n.salt()) }},
	{"facets chosen", 3, func(n *nemesis) []statement {
		sets := [][]string{{"category", "brand", "price"}, {"price"}, {"in_stock", "note"}, {"brand", "colour", "size", "price"}}
		return one(`insert into search_facets (id, store_id, category_id, facets)
			select $2::bigint, `+[]string{"null", aStore}[n.rng.IntN(2)]+", "+[]string{"null", aCategory}[n.rng.IntN(2)]+`, $3 where $1 <> ''
			on conflict (coalesce(store_id, 0), coalesce(category_id, 0)) do update set facets = excluded.facets, active = not search_facets.active`,
			n.salt(), n.id(), sets[n.rng.IntN(len(sets))])
	}},
	{"facets moved to another store", 1, func(n *nemesis) []statement {
		return one("update search_facets set store_id = "+aStore+" where id = "+aFacets, n.salt())
	}},
	{"facets deleted", 2, func(n *nemesis) []statement { return one("delete from search_facets where id = "+aFacets, n.salt()) }},
	{"banner", 3, func(n *nemesis) []statement {
		return one(`insert into search_banners (id, store_id, category_id, query, lang, title, image, url, place, valid_from, valid_to)
			select $2::bigint, `+[]string{"null", aStore}[n.rng.IntN(2)]+", "+[]string{"null", aCategory}[n.rng.IntN(2)]+
			`, nullif($3, ''), nullif($4, ''), 'banner ' || $1, '/b.png', '/', $5::int, $6::timestamptz, $6::timestamptz + interval '1.5 days'`,
			n.salt(), n.id(), []string{"", "pasta"}[n.rng.IntN(2)], []string{"", "it", "de"}[n.rng.IntN(3)], 1+n.rng.IntN(9), someDay(n))
	}},
	{"banner changed", 3, func(n *nemesis) []statement {
		return one("update search_banners set active = not active, place = $2, store_id = nullif("+aStore+", $3), valid_to = null where id = "+aBanner,
			n.salt(), 1+n.rng.IntN(9), n.rng.Int64N(5))
	}},
	{"banner deleted", 2, func(n *nemesis) []statement { return one("delete from search_banners where id = "+aBanner, n.salt()) }},
	{"synonyms", 2, func(n *nemesis) []statement {
		return one(`insert into search_synonyms (id, store_id, lang, terms) select $2::bigint, `+[]string{"null", aStore}[n.rng.IntN(2)]+`, 'it', array['pasta', $1]`,
			n.salt(), n.id())
	}},
	{"synonyms changed", 2, func(n *nemesis) []statement {
		return one("update search_synonyms set active = not active, terms = terms || $1::text where cardinality(terms) < 20 and id = "+aSynonym, n.salt())
	}},
	{"synonyms deleted", 1, func(n *nemesis) []statement { return one("delete from search_synonyms where id = "+aSynonym, n.salt()) }},
	{"offer removed", 2, func(n *nemesis) []statement { return one("delete from offers where ctid = "+anOffer, n.salt()) }},
	{"offer added", 4, func(n *nemesis) []statement {
		return one(`insert into offers (store_id, product_id) select s.id, p.id from stores s, products p
			where not exists (select 1 from offers o where o.store_id = s.id and o.product_id = p.id) order by md5(s.id || ':' || p.id || $1) limit 1`, n.salt())
	}},
	{"offer paused or boosted", 5, func(n *nemesis) []statement {
		return one("update offers set status = (array['active','active','paused'])[$2], boost = $3 where ctid = "+anOffer, n.salt(), 1+n.rng.IntN(3), 0.5+float64(n.rng.IntN(8))/2)
	}},
	{"product placed in a category", 6, func(n *nemesis) []statement {
		return one("insert into product_categories (product_id, category_id, position) values ("+aProduct+", "+aCategory+", $2) on conflict do nothing", n.salt(), n.rng.IntN(9))
	}},
	{"product taken out of a category", 3, func(n *nemesis) []statement {
		return one("delete from product_categories where ctid = (select ctid from product_categories order by md5(product_id || ':' || category_id || $1) limit 1)", n.salt())
	}},
	{"product moved to a category", 4, func(n *nemesis) []statement {
		return one("update product_categories set category_id = "+aCategory+" where ctid = (select ctid from product_categories order by md5(category_id || ':' || product_id || $1) limit 1)", n.salt())
	}},
	{"category moved", 2, func(n *nemesis) []statement {
		return one(`update categories c set parent_id = (select k.id from categories k where k.tree_id = c.tree_id and k.id <> c.id order by md5(k.id || $1) limit 1)
			where c.id = (select id from categories where parent_id is not null order by md5($1 || id) limit 1)`, n.salt())
	}},
	{"category renamed", 3, func(n *nemesis) []statement {
		return one("update category_texts set name = 'Categoria ' || $2 where category_id = "+aCategory, n.salt(), n.salt())
	}},
	{"category hidden or shown", 2, func(n *nemesis) []statement {
		return one("update categories set active = $2 where id = "+aCategory, n.salt(), n.rng.IntN(3) > 0)
	}},
	{"category added", 2, func(n *nemesis) []statement {
		id := n.id()
		return []statement{
			{sql: "insert into categories (id, tree_id, parent_id, position, slug) select $2, c.tree_id, c.id, $3, 'nuova-' || $2::bigint from categories c where c.id = " + aCategory, args: []any{n.salt(), id, n.rng.IntN(9)}},
			{sql: "insert into category_texts values ($1, 'it', 'Nuova')", args: []any{id}},
		}
	}},
	{"category deleted", 1, func(n *nemesis) []statement {
		return one("delete from categories where id = (select c.id from categories c where not exists (select 1 from categories k where k.parent_id = c.id) order by md5(c.id || $1) limit 1)", n.salt())
	}},
	{"store closed or opened", 1, func(n *nemesis) []statement {
		// One stays open: a shop that is closed altogether has no documents to compare.
		return one("update stores s set active = $2 where id = "+aStore+" and ($2 or exists (select from stores o where o.active and o.id <> s.id))", n.salt(), n.rng.IntN(4) > 0)
	}},
	{"languages of a store", 1, func(n *nemesis) []statement {
		sets := [][]string{{"it"}, {"it", "en"}, {"fr", "it"}, {"de", "en"}, {"es", "fr"}}
		return one("update stores set languages = $2 where id = "+aStore, n.salt(), sets[n.rng.IntN(len(sets))])
	}},
	{"products by COPY", 2, copied},
	{"attribute defined", 1, func(n *nemesis) []statement {
		return one("insert into attribute_defs (code, kind, facet) values ('note', 'keyword', $1) on conflict (code) do update set facet = excluded.facet", n.rng.IntN(2) == 0)
	}},
}

// someDay is nil, or a time with microseconds.
func someDay(n *nemesis) any {
	if n.rng.IntN(2) == 0 {
		return nil
	}
	return time.Date(2026, 1, 1+n.rng.IntN(700), 3, 4, 5, n.rng.IntN(1_000_000)*1000, time.UTC)
}

// stock moves a random SKU's stock the way the shop does: the ledger and the row in one transaction.
func stock(n *nemesis, kind string, quantity int64) []statement {
	salt := n.salt()
	return []statement{
		{sql: `insert into stock_movements (id, store_id, sku, product_id, kind, quantity, actor, created_at)
			select $2, store_id, sku, product_id, $3, $4::bigint, 'nemesis', timestamptz '2026-01-01' + make_interval(mins => $5)
			from inventory where on_hand - reserved + least($4::bigint, 0) >= 0 order by md5(store_id || sku || $1) limit 1`, args: []any{salt, n.id(), kind, quantity, n.rng.IntN(400000)}},
		{sql: `update inventory i set on_hand = i.on_hand + m.quantity, version = i.version + 1 from stock_movements m
			where m.id = $1 and i.store_id = m.store_id and i.sku = m.sku`, args: []any{n.next}},
	}
}

// born makes a whole product, its rows in one transaction and in an order that respects no reader.
func born(n *nemesis) []statement {
	id, salt := n.id(), n.salt()
	return []statement{
		{sql: "insert into products (id, seller_id, brand_id, type, status, attributes, images) select $2::bigint, (select min(id) from sellers), " + aBrand +
			", 'food', 'active', jsonb_build_object('colour', 'rosso', 'bio', true), '[{\"url\":\"https://images.example/n.jpg\",\"alt\":\"\"}]'", args: []any{salt, id}},
		{sql: "insert into variants (sku, product_id) select 'N' || $1::bigint || '-' || g, $1::bigint from generate_series(1, 2) g", args: []any{id}},
		{sql: "insert into offers (store_id, product_id) select id, $2 from stores order by md5(id || $1) limit 2", args: []any{salt, id}},
		{sql: "insert into prices (store_id, sku, product_id, amount) select o.store_id, v.sku, v.product_id, $2 from offers o join variants v using (product_id) where product_id = $1", args: []any{id, 100 + n.rng.Int64N(900)}},
		{sql: "insert into inventory (store_id, sku, product_id, on_hand, low_stock_at) select o.store_id, v.sku, v.product_id, 0, 3 from offers o join variants v using (product_id) where product_id = $1", args: []any{id}},
		{sql: "insert into product_categories select $2, id, 0 from categories order by md5(id || $1) limit 2", args: []any{salt, id}},
		{sql: "insert into product_texts select $1::bigint, l, 'Nuovo ' || l || $1::bigint, '', 'nuovo-' || $1::bigint from unnest(array['it','de']) l", args: []any{id}},
	}
}

// copied brings in products by COPY, whose rows share one LSN in the log.
func copied(n *nemesis) []statement {
	var products, texts, variants [][]any
	for range 2 + n.rng.IntN(8) {
		id := n.id()
		products = append(products, []any{id, int64(1), "food", "active"})
		texts = append(texts, []any{id, "it", "Copiato " + n.salt(), "copiato"})
		variants = append(variants, []any{fmt.Sprintf("C%d", id), id})
	}
	first := products[0][0]
	return []statement{
		{sql: "products", cols: []string{"id", "seller_id", "type", "status"}, copy: products},
		{sql: "product_texts", cols: []string{"product_id", "lang", "title", "slug"}, copy: texts},
		{sql: "variants", cols: []string{"sku", "product_id"}, copy: variants},
		{sql: "insert into offers (store_id, product_id) select s.id, p.id from stores s, products p where p.id between $1 and $2", args: []any{first, n.next}},
		{sql: `insert into prices (store_id, sku, product_id, amount) select o.store_id, v.sku, v.product_id, 500 from offers o
			join variants v using (product_id) where product_id between $1 and $2`, args: []any{first, n.next}},
		{sql: "insert into product_categories (product_id, category_id) select p.id, " + aCategory + " from products p where p.id between $2 and $3", args: []any{n.salt(), first, n.next}},
	}
}

func nullable(rng *rand.Rand, limit int64) *int64 {
	if rng.IntN(2) == 0 {
		return nil
	}
	v := rng.Int64N(limit)
	return &v
}

func pickOperation(rng *rand.Rand) operation {
	total := 0
	for _, op := range operations {
		total += op.weight
	}
	p := rng.IntN(total)
	for _, op := range operations {
		if p < op.weight {
			return op
		}
		p -= op.weight
	}
	panic("weights don't add up")
}

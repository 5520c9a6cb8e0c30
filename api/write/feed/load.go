package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/api/write/slug"
)

// batch is the shop as far as some rows of the feed concern it, read in one round trip, and what they change in it.
type batch struct {
	im       *importer
	tx       pgx.Tx
	known    *known
	products map[string]*product // by external id
	owners   map[string]int64    // product by SKU, of the SKUs that the rows name
	prices   map[string]priceRow
	stock    map[string]stockRow
	said     map[string]int64 // the figure that a feed last gave for a SKU
	brands   map[string]int64 // by slug
	done     tally
	heads    []statement
	writes   []statement
	moves    []move
	notes    []placed // rows whose figures are to be noted
	freeIDs  []int64
}

type product struct {
	id         int64
	isNew      bool
	brand      *int64
	kind       string
	gtin       *string
	attributes map[string]any
	images     []byte
	hash       []byte
	text       *textRow // in the feed's language
	offered    bool
	categories map[int64]bool // of the store's tree
	variants   map[string]*variant
	lead       *item // the row of this batch that speaks for the product
	leadSKU    string
	dirty      map[string]bool // SKUs of variants to write
	changed    map[string]bool // SKUs of rows of this batch that changed something
	touched    bool            // a row of this batch is of it
}

func newProduct() *product {
	return &product{categories: map[int64]bool{}, variants: map[string]*variant{}, dirty: map[string]bool{}, changed: map[string]bool{}}
}

type variant struct {
	options map[string]string
	gtin    *string
}

type textRow struct{ title, description, slug string }

type priceRow struct {
	amount   int64
	list     *int64
	from, to *time.Time
}

type stockRow struct{ onHand, reserved int64 }

// query is one of load's, with what takes its rows.
type query struct {
	name string
	sql  string
	args []any
	scan func(pgx.Rows) error
}

// load reads what the shop holds of the rows. It takes no locks: a batch that changes nothing must leave no trace.
func (im *importer) load(ctx context.Context, tx pgx.Tx, items []item) (*batch, error) {
	if err := im.learn(ctx, tx); err != nil {
		return nil, err
	}
	b := &batch{
		im: im, tx: tx, known: im.known, products: map[string]*product{}, owners: map[string]int64{},
		prices: map[string]priceRow{}, stock: map[string]stockRow{}, said: map[string]int64{}, brands: map[string]int64{},
	}
	var externals, skus, brands []string
	for i := range items {
		externals = append(externals, items[i].externalID())
		skus = append(skus, skuOf(b.known.seller, items[i].id))
		if s := slug.Make(items[i].brand, 120); s != "" {
			brands = append(brands, s)
		}
	}
	byID := map[int64]*product{}
	queries := append(b.productQueries(externals, byID), b.skuQueries(skus)...)
	queries = append(queries, query{
		"brands", `select slug, id from brands where slug = any($1)`,
		[]any{brands},
		func(r pgx.Rows) error { return scanPair(r, b.brands) },
	})
	return b, runQueries(ctx, tx, queries)
}

func runQueries(ctx context.Context, tx pgx.Tx, queries []query) error {
	pipeline := &pgx.Batch{}
	for _, q := range queries {
		pipeline.Queue(q.sql, q.args...)
	}
	results := tx.SendBatch(ctx, pipeline)
	for _, q := range queries {
		if err := scanAll(results, q); err != nil {
			return errors.Join(fmt.Errorf("read %s: %w", q.name, err), results.Close())
		}
	}
	return results.Close()
}

func scanAll(results pgx.BatchResults, q query) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := q.scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scanPair(r pgx.Rows, into map[string]int64) error {
	var key string
	var id int64
	if err := r.Scan(&key, &id); err != nil {
		return err
	}
	into[key] = id
	return nil
}

// productQueries read the products by external id, with all that hangs on them. The first fills byID for the others.
func (b *batch) productQueries(externals []string, byID map[int64]*product) []query {
	const ours = ` join products p on p.id = x.product_id where p.seller_id = $1 and p.external_id = any($2)`
	args := []any{b.known.seller, externals}
	more := func(v any) []any { return append(args[:2:2], v) }
	return []query{
		{
			"products", `select id, external_id, brand_id, type, gtin, attributes, images, content_hash from products where seller_id = $1 and external_id = any($2)`, args,
			func(r pgx.Rows) error {
				p := newProduct()
				var external string
				err := r.Scan(&p.id, &external, &p.brand, &p.kind, &p.gtin, &p.attributes, &p.images, &p.hash)
				byID[p.id], b.products[external] = p, p
				return err
			},
		},
		{
			"product texts", `select x.product_id, x.title, x.description, x.slug from product_texts x` + ours + ` and x.lang = $3`, more(b.im.cfg.Lang),
			func(r pgx.Rows) error {
				var id int64
				var t textRow
				err := r.Scan(&id, &t.title, &t.description, &t.slug)
				if p := byID[id]; p != nil {
					p.text = &t
				}
				return err
			},
		},
		{
			"product categories", `select x.product_id, x.category_id from product_categories x join categories c on c.id = x.category_id and c.tree_id = $3` + ours,
			more(b.im.store.TreeID),
			func(r pgx.Rows) error {
				var id, category int64
				err := r.Scan(&id, &category)
				if p := byID[id]; p != nil {
					p.categories[category] = true
				}
				return err
			},
		},
		{
			"offers", `select x.product_id from offers x` + ours + ` and x.store_id = $3`, more(b.im.store.ID),
			func(r pgx.Rows) error {
				var id int64
				err := r.Scan(&id)
				if p := byID[id]; p != nil {
					p.offered = true
				}
				return err
			},
		},
		{
			"variants", `select x.product_id, x.sku, x.options, x.gtin from variants x` + ours, args,
			func(r pgx.Rows) error {
				var id int64
				var sku string
				var options map[string]any
				v := &variant{}
				err := r.Scan(&id, &sku, &options, &v.gtin)
				v.options = words(options)
				if p := byID[id]; p != nil {
					p.variants[sku] = v
				}
				return err
			},
		},
	}
}

// words keeps the options that are words; others were not put there by a feed.
func words(values map[string]any) map[string]string {
	kept := map[string]string{}
	for name, value := range values {
		if s, ok := value.(string); ok {
			kept[name] = s
		}
	}
	return kept
}

// skuQueries read what the store has by SKU.
func (b *batch) skuQueries(skus []string) []query {
	store := b.im.store.ID
	return []query{
		{
			"the variants' products", `select sku, product_id from variants where sku = any($1)`,
			[]any{skus},
			func(r pgx.Rows) error { return scanPair(r, b.owners) },
		},
		{
			"prices", `select sku, amount, list_amount, valid_from, valid_to from prices where store_id = $1 and sku = any($2)`,
			[]any{store, skus},
			func(r pgx.Rows) error {
				var sku string
				var p priceRow
				err := r.Scan(&sku, &p.amount, &p.list, &p.from, &p.to)
				b.prices[sku] = p
				return err
			},
		},
		{
			"inventory", `select sku, on_hand, reserved from inventory where store_id = $1 and sku = any($2)`,
			[]any{store, skus},
			func(r pgx.Rows) error {
				var sku string
				var s stockRow
				err := r.Scan(&sku, &s.onHand, &s.reserved)
				b.stock[sku] = s
				return err
			},
		},
		{
			"feed quantities", `select sku, quantity from feed_quantities where store_id = $1 and sku = any($2)`,
			[]any{store, skus},
			func(r pgx.Rows) error { return scanPair(r, b.said) },
		},
	}
}

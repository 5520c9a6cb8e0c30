package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/projectors/dimension"
	offerview "freshet/projectors/view" // view is a probe's here
)

// readDimensions reads those of a seeded shop. Merchants' rules are left out: what is compared with us doesn't know them.
func readDimensions(ctx context.Context, pool *pgxpool.Pool) (*dimension.Set, error) {
	var rows dimension.Rows
	err := errors.Join(
		readJSON(ctx, pool, &rows.Stores, `select json_agg(t) from stores t`),
		readJSON(ctx, pool, &rows.Categories, `select json_agg(t) from categories t`),
		readJSON(ctx, pool, &rows.Texts, `select json_agg(t) from category_texts t`),
		readJSON(ctx, pool, &rows.Brands, `select json_agg(t) from brands t`),
		readJSON(ctx, pool, &rows.Attributes, `select json_agg(to_jsonb(t) || jsonb_build_object('labels', t.labels::text)) from attribute_defs t`),
		readJSON(ctx, pool, &rows.Synonyms, `select json_agg(t) from search_synonyms t`),
	)
	if err != nil {
		return nil, fmt.Errorf("read the dimensions: %w", err)
	}
	return dimension.NewSet(1, rows), nil
}

func readJSON(ctx context.Context, pool *pgxpool.Pool, into any, query string) error {
	var raw []byte
	if err := pool.QueryRow(ctx, query).Scan(&raw); err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// errNothingOffered says that there are too few products for any store to sell one.
var errNothingOffered = errors.New("no store sells anything: ask for more products")

// readOffers makes the views of all offers, as catalog and offer would, from a shop that has homeSchema.
func readOffers(ctx context.Context, pool *pgxpool.Pool) ([]*offerview.Offer, error) {
	byID, err := readProducts(ctx, pool)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `select store_id, product_id, boost, popularity, price, list_price, available, low_stock from bench_offer`)
	if err != nil {
		return nil, fmt.Errorf("read the offers: %w", err)
	}
	var offers []*offerview.Offer
	var o offerview.Offer
	var low bool
	_, err = pgx.ForEachRow(rows, []any{&o.Store, &o.Product, &o.Boost, &o.Popularity, &o.Price, &o.ListPrice, &o.Available, &low}, func() error {
		v := byID[o.Product]
		v.Version, v.Visible, v.Store, v.Boost, v.Popularity = 1, true, o.Store, o.Boost, o.Popularity
		v.Price, v.ListPrice, v.Available, v.Variants = o.Price, o.ListPrice, o.Available, slices.Clone(v.Variants)
		v.Variants[0].LowStock = low
		offers = append(offers, &v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the offers: %w", err)
	}
	if len(offers) == 0 {
		return nil, errNothingOffered
	}
	return offers, nil
}

// readProducts makes what the views of a product have in common.
func readProducts(ctx context.Context, pool *pgxpool.Pool) (map[int64]offerview.Offer, error) {
	var products []offerview.Offer
	err := readJSON(ctx, pool, &products, `select json_agg(json_build_object('product', p.id, 'images', p.images, 'attributes', p.attributes,
		'brand', coalesce(p.brand_id, 0), 'brand_name', coalesce(b.name, ''), 'gtin', coalesce(p.gtin, ''), 'created_at', to_json(p.created_at),
		'texts', (select json_agg(x order by x.lang) from product_texts x where x.product_id = p.id),
		'categories', (select coalesce(json_agg(json_build_object('id', c.category_id)), '[]') from product_categories c where c.product_id = p.id),
		'variants', (select json_agg(json_build_object('sku', v.sku, 'options', v.options, 'gtin', coalesce(v.gtin, '')) order by v.sku) from variants v where v.product_id = p.id),
		'reviews', (select json_build_object('count', count(*), 'sum', coalesce(sum(rating), 0)) from reviews w where w.product_id = p.id and w.status = 'published')))
		from products p left join brands b on b.id = p.brand_id`)
	if err != nil {
		return nil, fmt.Errorf("read the products: %w", err)
	}
	byID := make(map[int64]offerview.Offer, len(products))
	for _, p := range products {
		byID[p.Product] = p
	}
	return byID, nil
}

package write

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// writer brings the rows of one product to what the request says, writing only those that differ: an unchanged row in the
// log would be folded, published and indexed for nothing.
type writer struct {
	tx      pgx.Tx
	who     caller
	product *Product
	id      int64
	changed int64
	// feeds says that the request repeats itself: a count that it gave before is no news, and must not bring back what was
	// sold since.
	feeds bool
	// alone says that the request is of offers and nothing else: what it doesn't name of them stays as it is.
	alone bool
}

func (w *writer) exec(ctx context.Context, what, sql string, args ...any) error {
	tag, err := w.tx.Exec(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("%s of product %d: %w", what, w.id, err)
	}
	w.changed += tag.RowsAffected()
	return nil
}

// carryOut makes a change of the product and notes whose it was, with the product before and after it.
func (w *writer) carryOut(ctx context.Context, action string, change func(context.Context) error) error {
	var before any
	if w.id != 0 {
		if err := w.lock(ctx); err != nil {
			return err
		}
		state, err := readProductState(ctx, w.tx, w.id, nil)
		if err != nil {
			return err
		}
		before = json.RawMessage(state)
	}
	if err := change(ctx); err != nil || w.changed == 0 {
		return err
	}
	after, err := readProductState(ctx, w.tx, w.id, nil)
	if err != nil {
		return err
	}
	return note(ctx, w.tx, w.who, action, fmt.Sprintf("product/%d", w.id), before, json.RawMessage(after))
}

func (w *writer) insert(ctx context.Context) error {
	p := w.product
	attrs, images, err := w.documents(ctx)
	if err != nil {
		return err
	}
	const insert = `insert into products (seller_id, brand_id, type, status, gtin, external_id, attributes, images)
		values ($1, $2, $3, $4, $5, $6, $7, $8) returning id`
	row := w.tx.QueryRow(ctx, insert, p.SellerID, p.BrandID, p.Type, p.Status, p.GTIN, p.ExternalID, attrs, images)
	if err := row.Scan(&w.id); err != nil {
		return fmt.Errorf("insert the product: %w", err)
	}
	w.changed++
	return w.parts(ctx)
}

func (w *writer) update(ctx context.Context) error {
	p := w.product
	attrs, images, err := w.documents(ctx)
	if err != nil {
		return err
	}
	const update = `update products set seller_id = $2, brand_id = $3, type = $4, status = $5, gtin = $6, external_id = $7,
		attributes = $8, images = $9, version = version + 1, updated_at = now()
		where id = $1 and (seller_id, brand_id, type, status, gtin, external_id, attributes, images)
		  is distinct from ($2::bigint, $3::bigint, $4::text, $5::text, $6::text, $7::text, $8::jsonb, $9::jsonb)`
	if err := w.exec(ctx, "update the row", update,
		w.id, p.SellerID, p.BrandID, p.Type, p.Status, p.GTIN, p.ExternalID, attrs, images); err != nil {
		return err
	}
	return w.parts(ctx)
}

// updateOffers brings the offers that the request names to what it says, and leaves all else of the product as it is.
func (w *writer) updateOffers(ctx context.Context) error {
	rows, err := w.tx.Query(ctx, `select sku from variants where product_id = $1`, w.id)
	if err != nil {
		return fmt.Errorf("read the variants of product %d: %w", w.id, err)
	}
	own, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read the variants of product %d: %w", w.id, err)
	}
	var c check
	w.product.checkOffered(&c, own)
	if err := c.err(); err != nil {
		return err
	}
	w.alone = true
	return w.offers(ctx)
}

// lock makes two writers of one product take turns, so that the parts of neither mix with the other's. What isn't the
// caller's isn't there.
func (w *writer) lock(ctx context.Context) error {
	const lock = `select id from products where id = $1 and ($2::bigint is null or seller_id = $2) for no key update`
	err := w.tx.QueryRow(ctx, lock, w.id, w.who.owns()).Scan(&w.id)
	if errors.Is(err, pgx.ErrNoRows) {
		return noProduct(w.id)
	}
	if err != nil {
		return fmt.Errorf("lock product %d: %w", w.id, err)
	}
	return nil
}

func noProduct(id int64) error { return api.Errorf(api.NotFound, "There is no product %d.", id) }

// remember keeps what a bulk upsert said of the product.
func (w *writer) remember(ctx context.Context, digest []byte) error {
	const upsert = `insert into product_digests (product_id, digest) values ($1, $2)
		on conflict (product_id) do update set digest = excluded.digest`
	if _, err := w.tx.Exec(ctx, upsert, w.id, digest); err != nil {
		return fmt.Errorf("remember what was said of product %d: %w", w.id, err)
	}
	return nil
}

// documents returns the two JSON columns.
func (w *writer) documents(ctx context.Context) (attrs, images []byte, err error) {
	if attrs, err = attributes(ctx, w.tx, w.product.Attributes); err != nil {
		return nil, nil, err
	}
	if images, err = json.Marshal(append([]Image{}, w.product.Images...)); err != nil {
		return nil, nil, fmt.Errorf("encode the images: %w", err)
	}
	return attrs, images, nil
}

func (w *writer) parts(ctx context.Context) error {
	for _, part := range []func(context.Context) error{w.texts, w.categories, w.variants, w.offers} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) texts(ctx context.Context) error {
	const upsert = `insert into product_texts (product_id, lang, title, description, slug)
		select $1, x.* from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as x(lang, title, description, slug)
		on conflict (product_id, lang) do update set title = excluded.title, description = excluded.description, slug = excluded.slug
		where (product_texts.title, product_texts.description, product_texts.slug)
		  is distinct from (excluded.title, excluded.description, excluded.slug)`
	langs := slices.Sorted(maps.Keys(w.product.Texts))
	var titles, descriptions, slugs []string
	for _, lang := range langs {
		t := w.product.Texts[lang]
		titles, descriptions, slugs = append(titles, t.Title), append(descriptions, t.Description), append(slugs, t.Slug)
	}
	if err := w.exec(ctx, "write the texts", upsert, w.id, langs, titles, descriptions, slugs); err != nil {
		return err
	}
	return w.exec(ctx, "remove texts", `delete from product_texts where product_id = $1 and lang <> all($2)`, w.id, langs)
}

func (w *writer) categories(ctx context.Context) error {
	const upsert = `insert into product_categories (product_id, category_id, position)
		select $1, x.* from unnest($2::bigint[], $3::int[]) as x(id, position)
		on conflict (product_id, category_id) do update set position = excluded.position
		where product_categories.position is distinct from excluded.position`
	ids, positions := make([]int64, len(w.product.Categories)), make([]int64, len(w.product.Categories))
	for i, k := range w.product.Categories {
		ids[i], positions[i] = k.ID, k.Position
	}
	if err := w.known(ctx, ids); err != nil {
		return err
	}
	if err := w.exec(ctx, "write the categories", upsert, w.id, ids, positions); err != nil {
		return err
	}
	return w.exec(ctx, "remove categories", `delete from product_categories where product_id = $1 and category_id <> all($2)`, w.id, ids)
}

// known names the categories that don't exist; the foreign key behind it would name none.
func (w *writer) known(ctx context.Context, ids []int64) error {
	rows, err := w.tx.Query(ctx, `select id from categories where id = any($1)`, ids)
	if err != nil {
		return fmt.Errorf("find categories: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("find categories: %w", err)
	}
	var c check
	for i, id := range ids {
		if !slices.Contains(found, id) {
			c.bad(fmt.Sprintf("categories[%d].id", i), "there is no category %d", id)
		}
	}
	return c.err()
}

func (w *writer) variants(ctx context.Context) error {
	const upsert = `insert into variants (sku, product_id, options, gtin)
		select x.sku, $1, x.options::jsonb, x.gtin from unnest($2::text[], $3::text[], $4::text[]) as x(sku, options, gtin)
		order by x.sku collate "C"
		on conflict (sku) do update set options = excluded.options, gtin = excluded.gtin
		where variants.product_id = excluded.product_id
		  and (variants.options, variants.gtin) is distinct from (excluded.options, excluded.gtin)`
	n := len(w.product.Variants)
	skus, options, gtins := make([]string, n), make([]string, n), make([]*string, n)
	for i, v := range w.product.Variants {
		object := []byte("{}")
		if len(v.Options) > 0 {
			var err error
			if object, err = json.Marshal(v.Options); err != nil {
				return fmt.Errorf("encode the options of %s: %w", v.SKU, err)
			}
		}
		skus[i], options[i], gtins[i] = v.SKU, string(object), v.GTIN
	}
	if err := w.retire(ctx, skus); err != nil {
		return err
	}
	if err := w.exec(ctx, "write the variants", upsert, w.id, skus, options, gtins); err != nil {
		return err
	}
	return w.owned(ctx, skus)
}

// owned refuses SKUs that are another product's; the upsert has left those alone.
func (w *writer) owned(ctx context.Context, skus []string) error {
	rows, err := w.tx.Query(ctx, `select sku from variants where sku = any($1) and product_id <> $2`, skus, w.id)
	if err != nil {
		return fmt.Errorf("find the owners of SKUs: %w", err)
	}
	foreign, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("find the owners of SKUs: %w", err)
	}
	if len(foreign) == 0 {
		return nil
	}
	e := api.Errorf(api.Conflict, "Another product has the SKU %s.", strings.Join(foreign, ", "))
	for _, sku := range foreign {
		e.Fields = append(e.Fields, api.Field{Field: fmt.Sprintf("variants[%d].sku", slices.Index(skus, sku)), Detail: "another product has it"})
	}
	return e
}

// retire removes the product's variants that are not among skus. Their inventory rows go with them, so what they still
// hold is first taken out through the ledger: without a row its sum must be nothing. What is reserved can't be removed.
func (w *writer) retire(ctx context.Context, skus []string) error {
	const held = `select i.store_id, i.sku, i.on_hand, i.reserved from inventory i join variants v on v.sku = i.sku
		where v.product_id = $1 and v.sku <> all($2) order by i.store_id, i.sku collate "C" for no key update of i`
	rows, err := w.tx.Query(ctx, held, w.id, skus)
	if err != nil {
		return fmt.Errorf("read the stock of removed variants of product %d: %w", w.id, err)
	}
	type level struct {
		Store    int64
		SKU      string
		OnHand   int64
		Reserved int64
	}
	levels, err := pgx.CollectRows(rows, pgx.RowToStructByPos[level])
	if err != nil {
		return fmt.Errorf("read the stock of removed variants of product %d: %w", w.id, err)
	}
	reason := "variant removed"
	for _, l := range levels {
		if l.Reserved > 0 {
			return api.Errorf(api.Conflict, "%s is reserved and can't be removed.", l.SKU).At("variants")
		}
		if l.OnHand == 0 {
			continue
		}
		st := store{id: l.Store}
		if err := apply(ctx, w.tx, st, w.who.String(), []movement{{sku: l.SKU, quantity: -l.OnHand, kind: "adjustment", reason: &reason}}); err != nil {
			return err
		}
	}
	return w.exec(ctx, "remove variants", `delete from variants where product_id = $1 and sku <> all($2)`, w.id, skus)
}

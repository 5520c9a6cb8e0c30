package write

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// CartItemRequest is the body of POST and PUT /cart/{product}: which variant of the product, and how many of it. The
// options choose the variant, or the SKU does; a product with one variant needs neither.
type CartItemRequest struct {
	Store    string            `json:"store"`
	SKU      *string           `json:"sku,omitempty"`
	Options  map[string]string `json:"options,omitempty"`
	Quantity int64             `json:"quantity"`
	// Version is the cart's as the caller has seen it; a PUT needs it.
	Version *int64 `json:"version,omitempty"`
}

func (r *CartItemRequest) check(versioned bool) error {
	var c check
	c.text("store", r.Store, 1, 64)
	if r.SKU != nil {
		c.match("sku", *r.SKU, skuPattern)
	}
	c.count("options", len(r.Options), 0, 10)
	for name, value := range r.Options {
		c.text("options", name, 1, 50)
		c.text("options."+cut(name, 50), value, 1, 100)
	}
	c.between("quantity", r.Quantity, 1, maxPerOrder)
	if versioned && r.Version == nil {
		c.bad("version", "is needed: the version of the cart that is changed")
	}
	return c.err()
}

// pick finds the one variant of the product that the request means.
func (r *CartItemRequest) pick(ctx context.Context, tx pgx.Tx, product int64) (sku string, err error) {
	const query = `select sku, options from variants where product_id = $1 order by sku collate "C"`
	rows, err := tx.Query(ctx, query, product)
	if err != nil {
		return "", fmt.Errorf("read the variants of product %d: %w", product, err)
	}
	type variant struct {
		SKU     string
		Options map[string]string
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[variant])
	if err != nil {
		return "", fmt.Errorf("read the variants of product %d: %w", product, err)
	}
	if len(all) == 0 {
		return "", api.Errorf(api.NotFound, "There is no product %d.", product)
	}
	meant := slices.DeleteFunc(slices.Clone(all), func(v variant) bool {
		if r.SKU != nil && v.SKU != *r.SKU {
			return true
		}
		for name, value := range r.Options {
			if v.Options[name] != value {
				return true
			}
		}
		return false
	})
	switch len(meant) {
	case 1:
		return meant[0].SKU, nil
	case 0:
		return "", api.Errorf(api.Unprocessable, "Product %d has no such variant.", product).At("options")
	}
	choices := make([]string, 0, 10)
	for _, v := range meant[:min(len(meant), 10)] {
		choices = append(choices, describe(v.SKU, v.Options))
	}
	return "", api.Errorf(api.Unprocessable, "Which one? There are %s.", strings.Join(choices, "; ")).At("options")
}

// describe names a variant by SKU and options.
func describe(sku string, options map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		sku += " " + name + "=" + options[name]
	}
	return sku
}

// offered reads what the store asks for the SKU and how many of it are free. Nothing is held by that: a cart is a wish.
func offered(ctx context.Context, tx pgx.Tx, st store, sku string) (price, free int64, err error) {
	const query = `select ` + priceNow + `, coalesce(` + stockNow + `, 0)
		from prices p join offers o on o.store_id = p.store_id and o.product_id = p.product_id and o.status = 'active'
		join products d on d.id = p.product_id and d.status = 'active'
		left join inventory i on i.store_id = p.store_id and i.sku = p.sku
		where p.store_id = $1 and p.sku = $2`
	var amount *int64
	err = tx.QueryRow(ctx, query, st.id, sku).Scan(&amount, &free)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && amount == nil {
		return 0, 0, api.Errorf(api.Unprocessable, "%s isn't for sale in store %s.", sku, st.code)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the price of %s in store %d: %w", sku, st.id, err)
	}
	return *amount, free, nil
}

// put brings the cart's line of the SKU to the quantity, at the price of now, which whoever puts it there has seen.
func (k *cart) put(ctx context.Context, tx pgx.Tx, sku string, quantity int64) error {
	price, free, err := offered(ctx, tx, k.store, sku)
	if err != nil {
		return err
	}
	if quantity > free {
		return api.Errorf(api.OutOfStock, "Of %s there are %d, and the cart would have %d.", sku, max(free, 0), quantity).At("quantity")
	}
	const upsert = `insert into cart_items (cart_id, sku, quantity, unit_amount) values ($1, $2, $3, $4)
		on conflict (cart_id, sku) do update set quantity = excluded.quantity, unit_amount = excluded.unit_amount`
	if _, err := tx.Exec(ctx, upsert, k.id, sku, quantity, price); err != nil {
		return fmt.Errorf("put %s into cart %d: %w", sku, k.id, err)
	}
	return nil
}

// add puts units beside those that lie in the cart.
func (k *cart) add(ctx context.Context, tx pgx.Tx, sku string, quantity int64) error {
	const query = `select coalesce(sum(quantity) filter (where sku = $2), 0)::bigint, count(*) filter (where sku <> $2) from cart_items where cart_id = $1`
	var has, others int64
	if err := tx.QueryRow(ctx, query, k.id, sku).Scan(&has, &others); err != nil {
		return fmt.Errorf("count cart %d: %w", k.id, err)
	}
	if has+quantity > maxPerOrder {
		return api.Errorf(api.Unprocessable, "The cart has %d of %s, and takes %d.", has, sku, maxPerOrder).At("quantity")
	}
	if others >= maxLines {
		return api.Errorf(api.Unprocessable, "The cart is full: it takes %d lines.", maxLines)
	}
	return k.put(ctx, tx, sku, has+quantity)
}

// set changes a line that is there.
func (k *cart) set(ctx context.Context, tx pgx.Tx, sku string, quantity int64) error {
	const query = `select count(*) from cart_items where cart_id = $1 and sku = $2`
	var lines int64
	if err := tx.QueryRow(ctx, query, k.id, sku).Scan(&lines); err != nil {
		return fmt.Errorf("find %s in cart %d: %w", sku, k.id, err)
	}
	if lines == 0 {
		return api.Errorf(api.NotFound, "%s isn't in the cart.", sku)
	}
	return k.put(ctx, tx, sku, quantity)
}

// remove takes the product's lines out, or that of one SKU.
func (k *cart) remove(ctx context.Context, tx pgx.Tx, product int64, sku *string) error {
	const del = `delete from cart_items c using variants v
		where c.cart_id = $1 and v.sku = c.sku and v.product_id = $2 and ($3::text is null or c.sku = $3)`
	tag, err := tx.Exec(ctx, del, k.id, product, sku)
	if err != nil {
		return fmt.Errorf("remove product %d from cart %d: %w", product, k.id, err)
	}
	if tag.RowsAffected() == 0 {
		return api.Errorf(api.NotFound, "That isn't in the cart.")
	}
	return nil
}

// accept takes the prices of now for seen, lowers quantities to what there is, and removes what can't be had.
func (k *cart) accept(ctx context.Context, tx pgx.Tx) error {
	rows, err := k.rows(ctx, tx)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, r := range rows {
		if r.price == nil || r.free <= 0 {
			batch.Queue(`delete from cart_items where cart_id = $1 and sku = $2`, k.id, r.sku)
			continue
		}
		batch.Queue(`update cart_items set quantity = $3, unit_amount = $4 where cart_id = $1 and sku = $2`,
			k.id, r.sku, min(r.quantity, r.free), *r.price)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("accept the changes of cart %d: %w", k.id, err)
	}
	return nil
}

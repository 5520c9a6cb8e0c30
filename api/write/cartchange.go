package write

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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

// variant is one of the product's, with what holds for it now in a store and in a cart.
type variant struct {
	SKU     string
	Options map[string]string
	Price   *int64 // nil: not for sale
	Free    int64  // nothing is held by that: a cart is a wish
	InCart  int64  // units of it
	Lines   int64  // of the cart, of any SKU
}

// askVariants reads those of the product, all that a change of the cart asks about them at once.
func askVariants(product int64, all *[]variant) ask {
	const query = `select v.sku, v.options, case when o.status = 'active' and d.status = 'active' then ` + priceNow + ` end, coalesce(` + stockNow + `, 0),
			coalesce(c.quantity, 0)::bigint, (select count(*) from cart_items where cart_id = k.id)
		from variants v join products d on d.id = v.product_id
		join carts k on %s
		left join offers o on o.store_id = k.store_id and o.product_id = v.product_id
		left join prices p on p.store_id = k.store_id and p.sku = v.sku
		left join inventory i on i.store_id = k.store_id and i.sku = v.sku
		left join cart_items c on c.cart_id = k.id and c.sku = v.sku
		where v.product_id = $4 order by v.sku collate "C"`
	return func(b *pgx.Batch, st storeName, o owner) {
		ours, id := o.ours()
		b.Queue(fmt.Sprintf(query, ours), st.name, st.id, id, product).Query(func(rows pgx.Rows) (err error) {
			*all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[variant])
			return err
		})
	}
}

// pick finds the one of the product's variants that the request means.
func (r *CartItemRequest) pick(all []variant, product int64) (*variant, error) {
	if len(all) == 0 {
		return nil, api.Errorf(api.NotFound, "There is no product %d.", product)
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
		return &meant[0], nil
	case 0:
		return nil, api.Errorf(api.Unprocessable, "Product %d has no such variant.", product).At("options")
	}
	choices := make([]string, 0, 10)
	for _, v := range meant[:min(len(meant), 10)] {
		choices = append(choices, describe(v.SKU, v.Options))
	}
	return nil, api.Errorf(api.Unprocessable, "Which one? There are %s.", strings.Join(choices, "; ")).At("options")
}

// describe names a variant by SKU and options.
func describe(sku string, options map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		sku += " " + name + "=" + options[name]
	}
	return sku
}

// put brings the cart's line of the variant to the quantity, at the price of now, which whoever puts it there has seen.
func (k *cart) put(b *pgx.Batch, v *variant, quantity int64) error {
	if v.Price == nil {
		return api.Errorf(api.Unprocessable, "%s isn't for sale in store %s.", v.SKU, k.store.code)
	}
	if quantity > v.Free {
		return api.Errorf(api.OutOfStock, "Of %s there are %d, and the cart would have %d.", v.SKU, max(v.Free, 0), quantity).At("quantity")
	}
	const upsert = `insert into cart_items (cart_id, sku, quantity, unit_amount) values ($1, $2, $3, $4)
		on conflict (cart_id, sku) do update set quantity = excluded.quantity, unit_amount = excluded.unit_amount`
	b.Queue(upsert, k.id, v.SKU, quantity, *v.Price)
	return nil
}

// add puts units beside those that lie in the cart.
func (k *cart) add(b *pgx.Batch, v *variant, quantity int64) error {
	if v.InCart+quantity > maxPerOrder {
		return api.Errorf(api.Unprocessable, "The cart has %d of %s, and takes %d.", v.InCart, v.SKU, maxPerOrder).At("quantity")
	}
	if v.InCart == 0 && v.Lines >= maxLines {
		return api.Errorf(api.Unprocessable, "The cart is full: it takes %d lines.", maxLines)
	}
	return k.put(b, v, v.InCart+quantity)
}

// set changes a line that is there.
func (k *cart) set(b *pgx.Batch, v *variant, quantity int64) error {
	if v.InCart == 0 {
		return api.Errorf(api.NotFound, "%s isn't in the cart.", v.SKU)
	}
	return k.put(b, v, quantity)
}

// remove takes the product's lines out, or that of one SKU.
func (k *cart) remove(b *pgx.Batch, product int64, sku *string) {
	const del = `delete from cart_items c using variants v
		where c.cart_id = $1 and v.sku = c.sku and v.product_id = $2 and ($3::text is null or c.sku = $3)`
	b.Queue(del, k.id, product, sku).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return api.Errorf(api.NotFound, "That isn't in the cart.")
		}
		return nil
	})
}

// accept takes the prices of now for seen, lowers quantities to what there is, and removes what can't be had.
func (k *cart) accept(b *pgx.Batch, rows []cartRow) {
	for _, r := range rows {
		if r.price == nil || r.free <= 0 {
			b.Queue(`delete from cart_items where cart_id = $1 and sku = $2`, k.id, r.sku)
			continue
		}
		b.Queue(`update cart_items set quantity = $3, unit_amount = $4 where cart_id = $1 and sku = $2`,
			k.id, r.sku, min(r.quantity, r.free), *r.price)
	}
}

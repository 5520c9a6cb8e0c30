package write

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"
)

// productState is the document of a product as it is: what a PUT of it takes, with its id and version around. What is
// reserved isn't in it, since nobody can set that.
const productState = `select jsonb_build_object('id', p.id, 'version', p.version, 'product', jsonb_strip_nulls(jsonb_build_object(
	'seller_id', p.seller_id, 'brand_id', p.brand_id, 'type', p.type, 'status', p.status, 'gtin', p.gtin, 'external_id', p.external_id,
	'attributes', p.attributes, 'images', p.images,
	'texts', (select jsonb_object_agg(t.lang, jsonb_build_object('title', t.title, 'description', t.description, 'slug', t.slug))
	  from product_texts t where t.product_id = p.id),
	'categories', (select jsonb_agg(jsonb_build_object('id', c.category_id, 'position', c.position) order by c.position, c.category_id)
	  from product_categories c where c.product_id = p.id),
	'variants', (select jsonb_agg(jsonb_build_object('sku', v.sku, 'options', v.options, 'gtin', v.gtin) order by v.sku collate "C")
	  from variants v where v.product_id = p.id),
	'offers', (select jsonb_agg(jsonb_build_object('store', s.code, 'status', o.status,
	    'boost', case when $2::bigint is null then o.boost end,
	    'prices', (select jsonb_agg(jsonb_build_object('sku', r.sku, 'amount', r.amount, 'list_amount', r.list_amount,
	        'valid_from', r.valid_from, 'valid_to', r.valid_to) order by r.sku collate "C")
	      from prices r where r.store_id = o.store_id and r.product_id = o.product_id),
	    'stock', (select jsonb_agg(jsonb_build_object('sku', i.sku, 'on_hand', i.on_hand, 'low_stock_at', i.low_stock_at) order by i.sku collate "C")
	      from inventory i where i.store_id = o.store_id and i.product_id = o.product_id)) order by s.id)
	  from offers o join stores s on s.id = o.store_id where o.product_id = p.id))))
	from products p where p.id = $1 and ($2::bigint is null or p.seller_id = $2)`

// getProduct shows a product to who keeps it, whole and as it is now: the read API shows only what is for sale.
func (s *Shop) getProduct(c *fiber.Ctx) error {
	id, err := idParam(c, "product")
	if err != nil {
		return err
	}
	if _, err := params(c); err != nil {
		return err
	}
	state, err := readProductState(c.UserContext(), s.pool, id, callerOf(c).owns())
	if err != nil {
		return translate(err)
	}
	if state == nil {
		return noProduct(id)
	}
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	return c.Status(http.StatusOK).Send(state)
}

// readProductState reads the document; nil when the product isn't there, or is another seller's.
func readProductState(ctx context.Context, q queryer, id int64, seller *int64) ([]byte, error) {
	var state []byte
	err := q.QueryRow(ctx, productState, id, seller).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read product %d: %w", id, err)
	}
	return state, nil
}

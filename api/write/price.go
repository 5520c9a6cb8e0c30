package write

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// Price is what a SKU costs in a store, in minor units of the store's currency. Outside its dates the list amount holds,
// which is the price before a discount: never less than the discounted one, and 0 for none.
type Price struct {
	SKU        string  `json:"sku"`
	Amount     *int64  `json:"amount"`
	ListAmount *int64  `json:"list_amount,omitempty"`
	ValidFrom  *string `json:"valid_from,omitempty"`
	ValidTo    *string `json:"valid_to,omitempty"`

	from, to *time.Time
}

// PricesRequest is the body of PUT /stores/{store}/prices.
type PricesRequest struct {
	Prices []Price `json:"prices"`
}

// Changed is the answer of a request that may have found everything as it should be.
type Changed struct {
	// Changed is how many rows were written; 0 when everything was so already.
	Changed int64 `json:"changed"`
}

func checkPrices(c *check, field string, prices []Price) {
	seen := map[string]bool{}
	for i := range prices {
		p := &prices[i]
		at := fmt.Sprintf("%s[%d]", field, i)
		c.match(at+".sku", p.SKU, skuPattern)
		unique(c, seen, at+".sku", p.SKU)
		if p.Amount == nil {
			c.bad(at+".amount", "is needed")
		} else {
			c.between(at+".amount", *p.Amount, 0, maxMoney)
		}
		if p.ListAmount != nil {
			c.between(at+".list_amount", *p.ListAmount, 0, maxMoney)
			if list := *p.ListAmount; p.Amount != nil && list > 0 && list < *p.Amount {
				c.bad(at+".list_amount", "is the price before a discount and can't be below amount")
			}
		}
		p.from, p.to = c.moment(at+".valid_from", p.ValidFrom), c.moment(at+".valid_to", p.ValidTo)
		if p.from != nil && p.to != nil && !p.from.Before(*p.to) {
			c.bad(at+".valid_to", "must be after valid_from")
		}
	}
}

func (s *Shop) putPrices(c *fiber.Ctx) error {
	var r PricesRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	var ch check
	ch.count("prices", len(r.Prices), 1, maxRows)
	if len(ch.fields) == 0 {
		checkPrices(&ch, "prices", r.Prices)
	}
	if err := ch.err(); err != nil {
		return err
	}
	who := callerOf(c)
	return s.changeStore(c, func(ctx context.Context, tx pgx.Tx, st store) (int64, error) { return setPrices(ctx, tx, who, st, &r) })
}

// changeStore makes a change in the store that the path names, and answers how many rows it wrote.
func (s *Shop) changeStore(c *fiber.Ctx, change func(ctx context.Context, tx pgx.Tx, st store) (int64, error)) error {
	var a answer
	ctx, name := c.UserContext(), c.Params("store")
	position, err := s.transact(ctx, func(tx *unit) error {
		st, err := storeInPath(ctx, tx, name)
		if err != nil {
			return err
		}
		changed, err := change(ctx, tx, st)
		if err != nil {
			return err
		}
		a, err = made(http.StatusOK, 0, Changed{Changed: changed})
		return err
	})
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
}

// setPrices writes the prices and notes which were others before.
func setPrices(ctx context.Context, tx pgx.Tx, who caller, st store, r *PricesRequest) (int64, error) {
	const differ = `select coalesce(jsonb_agg(to_jsonb(o)), '[]') from (
		select p.sku, p.amount, p.list_amount, p.valid_from, p.valid_to
		from prices p join unnest($2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
		  as x(sku, amount, list_amount, valid_from, valid_to) using (sku)
		where p.store_id = $1 and (p.amount, p.list_amount, p.valid_from, p.valid_to) is distinct from (x.amount, x.list_amount, x.valid_from, x.valid_to)
		order by p.sku collate "C" for no key update of p) o`
	p := columnsOf(r.Prices)
	if err := checkOffered(ctx, tx, who, st, "prices", p.skus); err != nil {
		return 0, err
	}
	var before json.RawMessage
	// The lock keeps them what they are until they are written.
	if err := tx.QueryRow(ctx, differ, st.id, p.skus, p.amounts, p.lists, p.from, p.to).Scan(&before); err != nil {
		return 0, fmt.Errorf("read the prices of store %d: %w", st.id, err)
	}
	changed, err := upsertPrices(ctx, tx, who, st, "prices", r.Prices)
	if err != nil || changed == 0 {
		return changed, err
	}
	return changed, note(ctx, tx, who, "prices.put", fmt.Sprintf("store/%d", st.id), before, r.Prices)
}

// priceColumns are prices as arrays, for unnest.
type priceColumns struct {
	skus     []string
	amounts  []int64
	lists    []*int64
	from, to []*time.Time
}

func columnsOf(prices []Price) (c priceColumns) {
	for _, p := range prices {
		c.skus, c.amounts, c.lists = append(c.skus, p.SKU), append(c.amounts, *p.Amount), append(c.lists, p.ListAmount)
		c.from, c.to = append(c.from, p.from), append(c.to, p.to)
	}
	return c
}

// upsertPrices writes the prices that aren't so already, in the order of the SKUs so that two requests can't deadlock.
func upsertPrices(ctx context.Context, tx pgx.Tx, who caller, st store, field string, prices []Price) (int64, error) {
	const upsert = `insert into prices (store_id, sku, product_id, amount, list_amount, valid_from, valid_to)
		select $1, x.sku, v.product_id, x.amount, x.list_amount, x.valid_from, x.valid_to
		from unnest($2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
		  as x(sku, amount, list_amount, valid_from, valid_to) join variants v on v.sku = x.sku
		order by x.sku collate "C"
		on conflict (store_id, sku) do update set product_id = excluded.product_id, amount = excluded.amount,
		  list_amount = excluded.list_amount, valid_from = excluded.valid_from, valid_to = excluded.valid_to
		where (prices.product_id, prices.amount, prices.list_amount, prices.valid_from, prices.valid_to)
		  is distinct from (excluded.product_id, excluded.amount, excluded.list_amount, excluded.valid_from, excluded.valid_to)`
	c := columnsOf(prices)
	if err := checkOffered(ctx, tx, who, st, field, c.skus); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, upsert, st.id, c.skus, c.amounts, c.lists, c.from, c.to)
	if err != nil {
		return 0, fmt.Errorf("write prices of store %d: %w", st.id, err)
	}
	return tag.RowsAffected(), nil
}

// checkOffered wants every SKU to be a variant of a product that the store offers and that is the caller's to change.
func checkOffered(ctx context.Context, tx pgx.Tx, who caller, st store, field string, skus []string) error {
	const query = `select v.sku from variants v join offers o on o.product_id = v.product_id and o.store_id = $1
		join products p on p.id = v.product_id where v.sku = any($2) and ($3::bigint is null or p.seller_id = $3)`
	rows, err := tx.Query(ctx, query, st.id, skus, who.owns())
	if err != nil {
		return fmt.Errorf("find the offers of store %d: %w", st.id, err)
	}
	offered, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("find the offers of store %d: %w", st.id, err)
	}
	known := make(map[string]bool, len(offered))
	for _, sku := range offered {
		known[sku] = true
	}
	var c check
	for i, sku := range skus {
		if !known[sku] {
			c.bad(fmt.Sprintf("%s[%d].sku", field, i), "store %s offers no SKU %s", st.code, sku)
		}
	}
	return c.err()
}

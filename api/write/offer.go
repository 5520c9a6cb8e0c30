package write

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// offers brings the offers that the request names to what it says, store by store in the order of their ids.
func (w *writer) offers(ctx context.Context) error {
	type named struct {
		store store
		offer Offer
		field string
	}
	all := make([]named, len(w.product.Offers))
	for i, o := range w.product.Offers {
		field := fmt.Sprintf("offers[%d]", i)
		st, err := storeInBody(ctx, w.tx, o.Store, field+".store")
		if err != nil {
			return err
		}
		all[i] = named{store: st, offer: o, field: field}
	}
	slices.SortFunc(all, func(a, b named) int { return int(a.store.id - b.store.id) })
	for _, n := range all {
		if err := w.offer(ctx, n.store, n.offer, n.field); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) offer(ctx context.Context, st store, o Offer, field string) error {
	const upsert = `insert into offers (store_id, product_id, status, boost) values ($1, $2, $3, $4)
		on conflict (store_id, product_id) do update set status = excluded.status, boost = case when $5 then offers.boost else excluded.boost end
		where offers.status <> excluded.status or (not $5 and offers.boost <> excluded.boost)`
	boost := 1.0
	if o.Boost != nil {
		boost = *o.Boost
	}
	if err := w.exec(ctx, "write the offer", upsert, st.id, w.id, o.Status, boost, w.who.owns() != nil); err != nil {
		return err
	}
	if o.Prices != nil {
		changed, err := upsertPrices(ctx, w.tx, w.who, st, field+".prices", o.Prices)
		if err != nil {
			return err
		}
		w.changed += changed
		skus := make([]string, len(o.Prices))
		for i, p := range o.Prices {
			skus[i] = p.SKU
		}
		const remove = `delete from prices where store_id = $1 and product_id = $2 and sku <> all($3)`
		if err := w.exec(ctx, "remove prices", remove, st.id, w.id, skus); err != nil {
			return err
		}
	}
	return w.stock(ctx, st, o.Stock)
}

// stock brings the levels of the SKUs to those given, through the ledger.
func (w *writer) stock(ctx context.Context, st store, stock []Stock) error {
	if len(stock) == 0 {
		return nil
	}
	stock = slices.SortedFunc(slices.Values(stock), func(a, b Stock) int { return strings.Compare(a.SKU, b.SKU) })
	skus, low := make([]string, len(stock)), make([]int64, len(stock))
	for i, s := range stock {
		skus[i], low[i] = s.SKU, s.LowStockAt
	}
	if err := ensureInventory(ctx, w.tx, st, skus); err != nil {
		return err
	}
	// The rows stay locked from here, so that the difference is still right when it is applied.
	have, err := levels(ctx, w.tx, st, skus)
	if err != nil {
		return err
	}
	said, err := w.said(ctx, st, stock)
	if err != nil {
		return err
	}
	var moves []movement
	reason := "set to a count"
	for i, l := range have {
		if d := stock[i].OnHand - l.OnHand; d != 0 && !said[l.SKU] {
			moves = append(moves, movement{sku: l.SKU, quantity: d, kind: "adjustment", reason: &reason})
		}
	}
	if err := apply(ctx, w.tx, st, w.who.String(), moves); err != nil {
		return err
	}
	w.changed += int64(len(moves))
	marked, err := markLow(ctx, w.tx, st, skus, low)
	w.changed += int64(len(marked))
	return err
}

// said are the SKUs whose counts a request that repeats itself has given before; it notes those that are new.
func (w *writer) said(ctx context.Context, st store, stock []Stock) (map[string]bool, error) {
	if !w.feeds {
		return nil, nil
	}
	skus, counts := make([]string, len(stock)), make([]int64, len(stock))
	said := map[string]bool{}
	for i, s := range stock {
		skus[i], counts[i], said[s.SKU] = s.SKU, s.OnHand, true
	}
	const note = `insert into feed_quantities (store_id, sku, quantity) select $1, x.* from unnest($2::text[], $3::bigint[]) as x
		on conflict (store_id, sku) do update set quantity = excluded.quantity
		where feed_quantities.quantity <> excluded.quantity returning sku`
	rows, err := w.tx.Query(ctx, note, st.id, skus, counts)
	if err != nil {
		return nil, fmt.Errorf("note the counts given for product %d: %w", w.id, err)
	}
	news, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("note the counts given for product %d: %w", w.id, err)
	}
	for _, sku := range news {
		delete(said, sku)
	}
	return said, nil
}

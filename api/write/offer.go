package write

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	var moves []movement
	reason := "set to a count"
	for i, l := range have {
		if d := stock[i].OnHand - l.OnHand; d != 0 {
			moves = append(moves, movement{sku: l.SKU, quantity: d, kind: "adjustment", reason: &reason})
		}
	}
	if err := apply(ctx, w.tx, st, w.who.String(), moves); err != nil {
		return err
	}
	w.changed += int64(len(moves))
	const alarm = `update inventory i set low_stock_at = x.low, version = version + 1 from unnest($2::text[], $3::bigint[]) as x(sku, low)
		where i.store_id = $1 and i.sku = x.sku and i.low_stock_at <> x.low`
	return w.exec(ctx, "set the low stock mark", alarm, st.id, skus, low)
}

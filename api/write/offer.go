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
	// Null leaves what an offer has, and gives a new one the default.
	const upsert = `insert into offers (store_id, product_id, status, boost) values ($1, $2, coalesce($3, 'active'), coalesce($4, 1))
		on conflict (store_id, product_id) do update set status = coalesce($3, offers.status), boost = coalesce($4, offers.boost)
		where offers.status <> $3::text or offers.boost <> $4::double precision`
	var status *string
	if o.Status != "" {
		status = &o.Status
	}
	boost, standard := o.Boost, 1.0
	if boost == nil && !w.alone && w.who.owns() == nil {
		boost = &standard
	}
	if err := w.exec(ctx, "write the offer", upsert, st.id, w.id, status, boost); err != nil {
		return err
	}
	if err := w.prices(ctx, st, o.Prices, field+".prices"); err != nil {
		return err
	}
	return w.stock(ctx, st, o.Stock)
}

// prices brings the offer's prices to those given, and takes away the others of a product that is given whole. None given
// leaves all of them.
func (w *writer) prices(ctx context.Context, st store, prices []Price, field string) error {
	if prices == nil {
		return nil
	}
	changed, err := upsertPrices(ctx, w.tx, w.who, st, field, prices)
	if err != nil {
		return err
	}
	w.changed += changed
	if w.alone {
		return nil
	}
	skus := make([]string, len(prices))
	for i, p := range prices {
		skus[i] = p.SKU
	}
	const remove = `delete from prices where store_id = $1 and product_id = $2 and sku <> all($3)`
	return w.exec(ctx, "remove prices", remove, st.id, w.id, skus)
}

// stock brings the levels of the SKUs to those given, through the ledger.
func (w *writer) stock(ctx context.Context, st store, stock []Stock) error {
	if len(stock) == 0 {
		return nil
	}
	stock = slices.SortedFunc(slices.Values(stock), func(a, b Stock) int { return strings.Compare(a.SKU, b.SKU) })
	skus := make([]string, len(stock))
	for i, s := range stock {
		skus[i] = s.SKU
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
	return w.thresholds(ctx, st, stock)
}

// thresholds sets how few units of the SKUs are few: never, where a product that is given whole says nothing.
func (w *writer) thresholds(ctx context.Context, st store, stock []Stock) error {
	var skus []string
	var low []int64
	for _, s := range stock {
		switch {
		case s.LowStockAt != nil:
			skus, low = append(skus, s.SKU), append(low, *s.LowStockAt)
		case !w.alone:
			skus, low = append(skus, s.SKU), append(low, 0)
		}
	}
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

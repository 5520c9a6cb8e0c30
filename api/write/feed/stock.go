package feed

import (
	"sort"
	"time"
)

// move is a change of stock that a row asks for.
type move struct {
	row    placed
	target int64 // on hand; never below what is reserved
	isNew  bool
	reason string
}

// planStock decides whether what the row says of the stock is news. A figure counts when it is not the one the feed gave
// last: the shop has sold since, and the feed may be older than the sales. Without a figure "in stock" is news only where
// nothing is left to sell, and "out of stock" where something is.
func (b *batch) planStock(row placed) {
	it := row.it
	have, exists := b.stock[row.sku]
	m := move{row: row, isNew: !exists}
	switch {
	case it.quantity != nil:
		if b.repeated(row) {
			return
		}
		m.target, m.reason = *it.quantity, "feed quantity"
	case it.inStock && exists && have.onHand > have.reserved:
		return
	case it.inStock:
		m.target, m.reason = b.im.cfg.DefaultStock+have.reserved, "feed in stock"
	default:
		m.reason = "feed out of stock"
	}
	if exists && (b.im.cfg.Stock == StockNever || max(m.target, have.reserved) == have.onHand) {
		return
	}
	row.p.changed[row.sku] = true
	b.moves = append(b.moves, m)
}

// repeated says whether the row's figure is the one that was given last, and notes it if not. StockAlways takes a repeated
// one for news all the same.
func (b *batch) repeated(row placed) bool {
	said, known := b.said[row.sku]
	if known && said == *row.it.quantity {
		return b.im.cfg.Stock != StockAlways
	}
	row.p.changed[row.sku] = true
	b.notes = append(b.notes, row)
	return false
}

// writeStock queues the changes of stock, by SKU as checkout takes it, so that the two never wait for each other in a ring.
func (b *batch) writeStock() {
	const open = `with row as (insert into inventory (store_id, sku, product_id, on_hand) values ($1, $2, $3, $4) returning 1)
		insert into stock_movements (store_id, sku, product_id, kind, quantity, reason, actor)
		select $1, $2, $3, 'adjustment', $4, $5, $6 from row where $4 <> 0`
	// The difference is taken under the row's lock: a sale may have come in since the rows were read.
	const adjust = `with seen as (select greatest($4::bigint, reserved) - on_hand as delta from inventory where store_id = $1 and sku = $2 for update),
		moved as (update inventory i set on_hand = i.on_hand + s.delta, version = i.version + 1 from seen s
			where i.store_id = $1 and i.sku = $2 and s.delta <> 0 returning s.delta)
		insert into stock_movements (store_id, sku, product_id, kind, quantity, reason, actor)
		select $1, $2, $3, 'adjustment', delta, $5, $6 from moved`
	sort.Slice(b.moves, func(i, j int) bool { return b.moves[i].row.sku < b.moves[j].row.sku })
	for _, m := range b.moves {
		sql := adjust
		if m.isNew {
			sql = open
		}
		b.queue(sql, b.im.store.ID, m.row.sku, m.row.p.id, m.target, m.reason, actor)
	}
	for _, row := range b.notes {
		b.queue(`insert into feed_quantities (store_id, sku, quantity) values ($1, $2, $3) on conflict (store_id, sku) do update set quantity = excluded.quantity`,
			b.im.store.ID, row.sku, *row.it.quantity)
	}
}

func sameMoment(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

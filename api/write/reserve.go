package write

import (
	"github.com/jackc/pgx/v5"
)

// Holds of stock. A hold raises inventory.reserved and is a row of reservations and one of the ledger, until it is kept
// (the units are sold) or let go. Everyone who changes several takes the order's row first, then its reservations, then
// the rows of inventory by SKU; who only takes stock passes over reservations that another has locked. So nobody waits in
// a circle.

// expireDue lets the holds of one SKU go that are past their time: a hold that nobody swept yet keeps nobody from buying.
// Those that another transaction has in hand are left to it.
const expireDue = `with due as (
		select id, quantity, order_id, product_id from reservations
		where store_id = $1 and sku = $2 and state = 'active' and id > 0 and expires_at <= now() for update skip locked),
	over as (update reservations r set state = 'expired' from due where r.id = due.id),
	freed as (update inventory set reserved = reserved - (select sum(quantity) from due), version = version + 1
		where store_id = $1 and sku = $2 and exists (select from due))
	insert into stock_movements (store_id, sku, product_id, kind, quantity, order_id, reason, actor)
	select $1, $2, product_id, 'release', quantity, order_id, 'the hold ran out', 'checkout' from due`

// take queues that the units of the order's lines, which are one per SKU and sorted by it, are taken from what is free. The SKUs
// of which there is not enough are in short when the batch was sent; then the caller must give up the transaction.
func (o *Order) take(b *pgx.Batch, st store, short *[]string) {
	const guarded = `update inventory set reserved = reserved + $3, version = version + 1
		where store_id = $1 and sku = $2 and on_hand - reserved >= $3 and not halted returning product_id`
	for _, l := range o.Lines {
		b.Queue(expireDue, st.id, l.SKU)
		b.Queue(guarded, st.id, l.SKU, l.Quantity).QueryRow(func(row pgx.Row) error {
			var product int64
			there, err := scanned(row, &product)
			if !there {
				*short = append(*short, l.SKU)
			}
			return err
		})
	}
}

// queueHolds queues the reservations of what take has taken, and what the ledger says of them.
func (o *Order) queueHolds(b *pgx.Batch, st store) {
	const insert = `insert into reservations (sku, store_id, product_id, order_id, quantity, expires_at) values ($1, $2, $3, $4, $5, $6)`
	moves := make([]movement, len(o.Lines))
	for i, l := range o.Lines {
		b.Queue(insert, l.SKU, st.id, l.ProductID, o.ID, l.Quantity, o.ExpiresAt)
		moves[i] = movement{sku: l.SKU, quantity: -l.Quantity, kind: "hold", order: &o.ID, product: l.ProductID}
	}
	queueMoves(b, st.id, "checkout", moves)
}

// hold is an active reservation.
type hold struct {
	ID        int64
	SKU       string
	ProductID int64
	Quantity  int64
}

// holdsOf locks an order's active reservations. The caller has the order's row locked.
const holdsOf = `select id, sku, product_id, quantity from reservations where order_id = $1 and state = 'active' for update`

// keep turns the order's holds into sales.
func (o *orderRow) keep(b *pgx.Batch) {
	o.end(b, "committed", "paid", true)
}

// letGo gives the order's holds back to whoever wants them; state says why: released or expired.
func (o *orderRow) letGo(b *pgx.Batch, state, reason string) {
	o.end(b, state, reason, false)
}

func (o *orderRow) end(b *pgx.Batch, state, reason string, sold bool) {
	moves := []movement{}
	for _, h := range o.held {
		taken := int64(0)
		moves = append(moves, movement{sku: h.SKU, product: h.ProductID, quantity: h.Quantity, kind: "release", order: &o.id, reason: &reason})
		if sold {
			taken = h.Quantity
			moves = append(moves, movement{sku: h.SKU, product: h.ProductID, quantity: -h.Quantity, kind: "sale", order: &o.id})
		}
		b.Queue(`update reservations set state = $2 where id = $1`, h.ID, state)
		b.Queue(`update inventory set reserved = reserved - $3, on_hand = on_hand - $4, version = version + 1
			where store_id = $1 and sku = $2`, o.store, h.SKU, h.Quantity, taken)
	}
	queueMoves(b, o.store, "checkout", moves)
	o.held = nil
}

package write

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// books is what is written of a SKU in a store, in four places.
type books struct {
	Store   int64
	SKU     string
	Product int64
	OnHand  int64 // of the row
	Shelf   int64 // by the ledger
	// Reserved is of the row, Held by the reservations, and Holds by the ledger.
	Reserved, Held, Holds int64
}

func (b *books) discrepancies() (found []Discrepancy) {
	say := func(check string, have, want int64) {
		if have != want {
			found = append(found, Discrepancy{Check: check, Store: b.Store, SKU: b.SKU, Have: have, Want: want})
		}
	}
	say("ledger", b.OnHand, b.Shelf)
	say("reserved", b.Reserved, b.Held)
	say("holds", b.Holds, b.Held)
	return found
}

// booksOf reads the books of the SKUs whose entries differ, or those of one.
func booksOf(ctx context.Context, tx pgx.Tx, store *int64, sku *string) ([]books, error) {
	const query = `with ledger as (
			select store_id, sku, max(product_id) as product_id,
				coalesce(sum(quantity) filter (where kind in ('receipt', 'sale', 'return', 'adjustment')), 0)::bigint as shelf,
				coalesce(-sum(quantity) filter (where kind in ('hold', 'release')), 0)::bigint as holds
			from stock_movements where $1::bigint is null or (store_id, sku) = ($1, $2) group by 1, 2),
		held as (select store_id, sku, sum(quantity)::bigint as held from reservations
			where state = 'active' and ($1::bigint is null or (store_id, sku) = ($1, $2)) group by 1, 2),
		level as (select * from inventory where $1::bigint is null or (store_id, sku) = ($1, $2)),
		entry as (select store_id, sku, coalesce(i.product_id, l.product_id) as product_id, coalesce(i.on_hand, 0) as on_hand, coalesce(l.shelf, 0) as shelf,
			coalesce(i.reserved, 0) as reserved, coalesce(h.held, 0) as held, coalesce(l.holds, 0) as holds
			from level i full join ledger l using (store_id, sku) left join held h using (store_id, sku))
		select * from entry where $1::bigint is not null or on_hand <> shelf or reserved <> held or holds <> held order by store_id, sku`
	rows, err := tx.Query(ctx, query, store, sku)
	if err != nil {
		return nil, fmt.Errorf("compare stock with its ledger: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[books])
	if err != nil {
		return nil, fmt.Errorf("compare stock with its ledger: %w", err)
	}
	return all, nil
}

// lockBooks locks the row and then reads: whoever changes the ledger or a reservation changes the row in the same
// transaction, so what the next statement sees belongs together.
func lockBooks(ctx context.Context, tx pgx.Tx, store int64, sku string) (*books, error) {
	if _, err := tx.Exec(ctx, `select 1 from inventory where store_id = $1 and sku = $2 for update`, store, sku); err != nil {
		return nil, fmt.Errorf("lock %s in store %d: %w", sku, store, err)
	}
	all, err := booksOf(ctx, tx, &store, &sku)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return &books{Store: store, SKU: sku}, nil
	}
	return &all[0], nil
}

// mendBooks makes a SKU's books agree, all of them at once. The row is what was sold from, so the ledger is given the
// movement that explains it; whether the shelf holds as much, a count says, and an adjustment after it. The reservations
// are somebody's, so what the row and the ledger say of holds follows them.
func mendBooks(ctx context.Context, tx pgx.Tx, d *Discrepancy, o ReconcileOptions) error {
	b, err := lockBooks(ctx, tx, d.Store, d.SKU)
	if err != nil {
		return err
	}
	if b.Held > b.OnHand {
		return fmt.Errorf("%d units are held and %d on hand: count them, adjust the stock or cancel orders, and run again", b.Held, b.OnHand)
	}
	var moves []movement
	add := func(kind string, quantity int64) {
		if quantity != 0 {
			moves = append(moves, movement{sku: b.SKU, product: b.Product, kind: kind, quantity: quantity, reason: &o.Reason})
		}
	}
	add("adjustment", b.OnHand-b.Shelf)
	kind := "hold"
	if b.Holds > b.Held {
		kind = "release"
	}
	add(kind, b.Holds-b.Held)
	if b.Reserved != b.Held {
		const update = `update inventory set reserved = $3, version = version + 1 where store_id = $1 and sku = $2`
		if _, err := tx.Exec(ctx, update, b.Store, b.SKU, b.Held); err != nil {
			return fmt.Errorf("mend what is reserved of %s in store %d: %w", b.SKU, b.Store, err)
		}
	}
	if err := record(ctx, tx, b.Store, o.Actor, moves); err != nil {
		return err
	}
	after, err := lockBooks(ctx, tx, b.Store, b.SKU)
	if err != nil {
		return err
	}
	if left := after.discrepancies(); len(left) > 0 {
		return fmt.Errorf("the %s of %s in store %d still disagrees: %d and %d", left[0].Check, b.SKU, b.Store, left[0].Have, left[0].Want)
	}
	return nil
}

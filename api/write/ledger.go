package write

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// movement is one change of stock: what the row of inventory goes up or down by, and the row of the ledger that says why.
type movement struct {
	sku      string
	quantity int64
	kind     string
	reason   *string
	order    *int64
	reverses *int64 // the movement that this one undoes

	product int64 // set by move
	id      int64 // of the ledger's row, set by record
}

// move changes the stock of one store by the movements, which the caller has sorted by SKU: whoever locks several rows
// locks them in one order, so that no two wait for each other. Each is one UPDATE that holds only while what is left
// covers what is reserved. It returns the SKUs for which it did not hold; then the caller must give up the transaction.
func move(ctx context.Context, tx pgx.Tx, storeID int64, moves []movement) (short []string, err error) {
	const guarded = `update inventory set on_hand = on_hand + $3, version = version + 1
		where store_id = $1 and sku = $2 and on_hand + $3 >= reserved and not (halted and $4) returning product_id`
	batch := &pgx.Batch{}
	for i := range moves {
		m := &moves[i]
		batch.Queue(guarded, storeID, m.sku, m.quantity, m.kind == "sale").QueryRow(func(row pgx.Row) error {
			there, err := scanned(row, &m.product)
			if !there {
				short = append(short, m.sku)
			}
			return err
		})
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("change the stock of store %d: %w", storeID, err)
	}
	return short, nil
}

// record writes movements that move has carried out to the ledger.
func record(ctx context.Context, tx pgx.Tx, storeID int64, actor string, moves []movement) error {
	batch := &pgx.Batch{}
	queueMoves(batch, storeID, actor, moves)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write the ledger of store %d: %w", storeID, err)
	}
	return nil
}

// queueMoves is record for those who write other things with it.
func queueMoves(b *pgx.Batch, storeID int64, actor string, moves []movement) {
	const insert = `insert into stock_movements (store_id, sku, product_id, kind, quantity, order_id, reverses, reason, actor)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`
	for i := range moves {
		m := &moves[i]
		b.Queue(insert, storeID, m.sku, m.product, m.kind, m.quantity, m.order, m.reverses, m.reason, actor).
			QueryRow(func(row pgx.Row) error { return row.Scan(&m.id) })
	}
}

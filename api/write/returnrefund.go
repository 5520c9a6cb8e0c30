package write

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// refundReturn asks for the money of goods that came back. The return is refunded when the provider has done it; see
// learnRefund. One whose refund failed may be refunded again.
func (o *orderRow) refundReturn(ctx context.Context, tx pgx.Tx, v *Return, amount *int64, note *string) error {
	var asked bool
	const query = `select exists (select from refunds where return_id = $1 and state <> 'failed')`
	if err := tx.QueryRow(ctx, query, v.ID).Scan(&asked); err != nil {
		return fmt.Errorf("read the refunds of return %d: %w", v.ID, err)
	}
	if asked {
		return api.Errorf(api.Conflict, "The money of return %d is on its way, or back.", v.ID)
	}
	if err := v.become(ctx, tx, "received", "received", note); err != nil {
		return err
	}
	id, left, err := o.refundable(ctx, tx)
	if err != nil {
		return err
	}
	if id == 0 {
		// Nobody paid by this shop, so nothing is to be given back by it.
		return v.become(ctx, tx, "received", "refunded", nil)
	}
	if amount == nil {
		due, err := o.costOf(ctx, tx, v)
		if err != nil {
			return err
		}
		amount = &due
	}
	if *amount > left {
		return api.Errorf(api.Conflict, "Of what was paid for order %d only %d is left to be given back.", o.id, left).At("amount")
	}
	return refund(ctx, tx, o.id, id, amount, &v.ID, v.Reason)
}

// refundable is the payment that paid the order and how much of it was not given back yet; 0 for none.
func (o *orderRow) refundable(ctx context.Context, tx pgx.Tx) (id, left int64, err error) {
	const query = `select p.id, p.amount - coalesce((select sum(amount)::bigint from refunds where payment_id = p.id and state <> 'failed'), 0)
		from payments p where p.order_id = $1 and p.pays`
	err = tx.QueryRow(ctx, query, o.id).Scan(&id, &left)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, fmt.Errorf("find what paid order %d: %w", o.id, err)
	}
	return id, left, nil
}

// costOf is what the return's goods cost. Who sends everything back gets the shipping too, with the last of it.
func (o *orderRow) costOf(ctx context.Context, tx pgx.Tx, v *Return) (due int64, err error) {
	const query = `select $3 * i.unit_amount + case when exists (select from order_items x where x.order_id = $1 and x.status not in ('cancelled', 'returned'))
			or exists (select from returns r where r.order_id = $1 and r.id <> $4 and r.state = 'received'
				and not exists (select from refunds f where f.return_id = r.id and f.state <> 'failed'))
			then 0 else (select shipping_total from orders where id = $1) end
		from order_items i where i.order_id = $1 and i.line = $2`
	if err := tx.QueryRow(ctx, query, o.id, v.Line, v.Quantity, v.ID).Scan(&due); err != nil {
		return 0, fmt.Errorf("reckon the refund of return %d: %w", v.ID, err)
	}
	return due, nil
}

// refunded says of the return that its money is back, and of an order that was sent that all of its money is.
func (o *orderRow) refunded(ctx context.Context, tx pgx.Tx, id int64) error {
	const update = `update returns v set state = 'refunded' from refunds r where r.id = $1 and v.id = r.return_id and v.state = 'received'`
	if _, err := tx.Exec(ctx, update, id); err != nil {
		return fmt.Errorf("make the return of refund %d refunded: %w", id, err)
	}
	if o.status != "shipped" && o.status != "delivered" {
		return nil
	}
	var all bool
	const query = `select exists (select from payments where order_id = $1 and pays and state = 'refunded')`
	if err := tx.QueryRow(ctx, query, o.id).Scan(&all); err != nil {
		return fmt.Errorf("read what paid order %d: %w", o.id, err)
	}
	if !all {
		return nil
	}
	b := &pgx.Batch{}
	o.become(b, "refunded", "")
	return o.write(ctx, tx, b)
}

package write

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/api/write/payment"
)

// orderRow is an order whose row is locked: what happens to an order, its holds and its payments happens under that lock.
type orderRow struct {
	id, store, customer int64
	status              string
	total               int64
	expires             *time.Time
	due                 bool // its time has run out
	lines               int64
}

// lockOrder locks the order; nil when there is none.
func lockOrder(ctx context.Context, tx pgx.Tx, id int64) (*orderRow, error) {
	if err := tx.QueryRow(ctx, `select id from orders where id = $1 for no key update`, id).Scan(&id); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock order %d: %w", id, err)
	}
	// Read by a second statement, after the wait for the lock, and by the clock of after the wait too.
	const query = `select store_id, customer_id, status, total, expires_at, coalesce(expires_at <= clock_timestamp(), false),
		(select count(*) from order_items where order_id = $1) from orders where id = $1`
	o := &orderRow{id: id}
	err := tx.QueryRow(ctx, query, id).Scan(&o.store, &o.customer, &o.status, &o.total, &o.expires, &o.due, &o.lines)
	if err != nil {
		return nil, fmt.Errorf("read order %d: %w", id, err)
	}
	return o, nil
}

// open says whether the order still waits for its money.
func (o *orderRow) open() bool { return o.status == "placed" }

// become gives the order its next status.
func (o *orderRow) become(ctx context.Context, tx pgx.Tx, status string) error {
	const update = `update orders set status = $2, expires_at = null, version = version + 1 where id = $1`
	if _, err := tx.Exec(ctx, update, o.id, status); err != nil {
		return fmt.Errorf("make order %d %s: %w", o.id, status, err)
	}
	o.status, o.expires, o.due = status, nil, false
	return nil
}

// paymentRow is a payment of a locked order.
type paymentRow struct {
	ID               int64
	State            payment.State
	Amount, Refunded int64
	Pays             bool
}

// alive says whether the payment may yet bring money, or has.
func (p *paymentRow) alive() bool { return p.State != payment.Failed && p.State != payment.Voided }

func payments(ctx context.Context, tx pgx.Tx, order int64) ([]*paymentRow, error) {
	rows, err := tx.Query(ctx, `select id, state, amount, refunded, pays from payments where order_id = $1 order by id`, order)
	if err != nil {
		return nil, fmt.Errorf("read the payments of order %d: %w", order, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[paymentRow])
	if err != nil {
		return nil, fmt.Errorf("read the payments of order %d: %w", order, err)
	}
	return found, nil
}

// settle brings a locked order to what is known of its payments and of the time. It derives everything from the rows, so
// it may be called after any change and any number of times: what there is to do it does once. Of two that come at once,
// say the time running out and the money coming in, the lock lets one be first, and the other finds the order decided.
func settle(ctx context.Context, tx pgx.Tx, o *orderRow) error {
	held, err := holds(ctx, tx, o.id)
	if err != nil {
		return err
	}
	if err := o.expire(ctx, tx, held); err != nil {
		return err
	}
	paid, err := payments(ctx, tx, o.id)
	if err != nil {
		return err
	}
	for _, p := range paid {
		if o.open() {
			if err := o.advance(ctx, tx, p, held, paid); err != nil {
				return err
			}
		}
		// Not else: an order that the payment has just ended owes it an answer, too.
		if !o.open() && !p.Pays {
			if err := o.giveBack(ctx, tx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// expire ends an order whose time has run out, or that lost a hold which ran out.
func (o *orderRow) expire(ctx context.Context, tx pgx.Tx, held []hold) error {
	if !o.open() || o.expires == nil || !o.due && int64(len(held)) == o.lines {
		return nil
	}
	if err := letGo(ctx, tx, o, held, "expired", "the order ran out"); err != nil {
		return err
	}
	return o.cancelLines(ctx, tx, "expired")
}

func (o *orderRow) cancelLines(ctx context.Context, tx pgx.Tx, status string) error {
	if _, err := tx.Exec(ctx, `update order_items set status = 'cancelled' where order_id = $1 and status = 'placed'`, o.id); err != nil {
		return fmt.Errorf("cancel the lines of order %d: %w", o.id, err)
	}
	return o.become(ctx, tx, status)
}

// advance takes an open order on to where the payment is.
func (o *orderRow) advance(ctx context.Context, tx pgx.Tx, p *paymentRow, held []hold, all []*paymentRow) error {
	switch p.State {
	case payment.Authorized:
		if err := o.pin(ctx, tx); err != nil {
			return err
		}
		return ask(ctx, tx, p.ID, payment.Capture)
	case payment.Captured:
		if err := keep(ctx, tx, o, held); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update payments set pays = true, version = version + 1 where id = $1`, p.ID); err != nil {
			return fmt.Errorf("let payment %d pay order %d: %w", p.ID, o.id, err)
		}
		p.Pays = true
		return o.become(ctx, tx, "paid")
	case payment.Failed, payment.Voided:
		if o.expires != nil || slices.ContainsFunc(all, (*paymentRow).alive) {
			return nil // another card may be tried until the time runs out, or has been
		}
		// The money was set aside, and then it could not be taken.
		if err := letGo(ctx, tx, o, held, "released", "the payment failed"); err != nil {
			return err
		}
		return o.cancelLines(ctx, tx, "cancelled")
	}
	return nil
}

// pin takes the time limit off the order and its holds: from when the money is set aside until it is known whether it was
// taken, the goods are the customer's.
func (o *orderRow) pin(ctx context.Context, tx pgx.Tx) error {
	if o.expires == nil {
		return nil
	}
	if _, err := tx.Exec(ctx, `update reservations set expires_at = 'infinity' where order_id = $1 and state = 'active'`, o.id); err != nil {
		return fmt.Errorf("pin the holds of order %d: %w", o.id, err)
	}
	if _, err := tx.Exec(ctx, `update orders set expires_at = null, version = version + 1 where id = $1`, o.id); err != nil {
		return fmt.Errorf("pin order %d: %w", o.id, err)
	}
	o.expires, o.due = nil, false
	return nil
}

// giveBack undoes a payment that doesn't pay the order. It decides by the order's row, never by what some attempt has come
// to: an attempt that failed beside one that succeeded has nothing to undo.
func (o *orderRow) giveBack(ctx context.Context, tx pgx.Tx, p *paymentRow) error {
	switch p.State {
	case payment.Pending, payment.Authorized:
		return ask(ctx, tx, p.ID, payment.Void)
	case payment.Captured:
		return refund(ctx, tx, o.id, p.ID, nil, nil, "the order isn't there any more")
	}
	return nil
}

// ask writes down that the provider is to be asked, once per payment and kind.
func ask(ctx context.Context, tx pgx.Tx, id int64, kind payment.Kind) error {
	const insert = `insert into payment_tasks (payment_id, kind) values ($1, $2) on conflict do nothing`
	if _, err := tx.Exec(ctx, insert, id, kind); err != nil {
		return fmt.Errorf("ask for the %s of payment %d: %w", kind, id, err)
	}
	return nil
}

// refund writes down that an amount is to be given back, or all that is left of the payment when amount is nil. The
// caller has the order locked; more than was taken is never asked for.
func refund(ctx context.Context, tx pgx.Tx, order, id int64, amount, returned *int64, reason string) error {
	const insert = `with left_over as (
			select p.amount - coalesce((select sum(amount)::bigint from refunds where payment_id = $2 and state <> 'failed'), 0) as amount
			from payments p where p.id = $2),
		made as (insert into refunds (order_id, payment_id, return_id, amount, reason)
			select $1, $2, $4, coalesce($3, l.amount), $5 from left_over l where l.amount > 0 and coalesce($3, l.amount) <= l.amount returning id)
		insert into payment_tasks (payment_id, kind, refund_id) select $2, 'refund', id from made`
	tag, err := tx.Exec(ctx, insert, order, id, amount, returned, reason)
	if err != nil {
		return fmt.Errorf("ask for a refund of payment %d: %w", id, err)
	}
	if amount != nil && tag.RowsAffected() == 0 {
		return fmt.Errorf("refund %d of payment %d: there is less left of it", *amount, id)
	}
	return nil
}

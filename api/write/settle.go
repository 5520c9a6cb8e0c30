package write

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	payments            []*paymentRow
	held                []hold // locked too, by SKU
	// A worker goes on with the capture of the payment that it has got authorized: that task is its from the start.
	worker  int64 // the payment
	capture int64 // the task, 0 until it is written
}

// lockOrder locks the order and its holds; nil when there is none.
func lockOrder(ctx context.Context, tx pgx.Tx, id int64) (*orderRow, error) {
	// Read by further statements, after the wait for the lock, and by the clock of after the wait too. They are sent together,
	// and each begins, and sees what was committed until then, when the one before it has ended.
	const query = `select store_id, customer_id, status, total, expires_at, coalesce(expires_at <= clock_timestamp(), false),
		(select count(*) from order_items where order_id = $1) from orders where id = $1`
	o := &orderRow{id: id}
	batch := &pgx.Batch{}
	batch.Queue(`select id from orders where id = $1 for no key update`, id)
	batch.Queue(query, id).QueryRow(func(row pgx.Row) error {
		return row.Scan(&o.store, &o.customer, &o.status, &o.total, &o.expires, &o.due, &o.lines)
	})
	batch.Queue(holdsOf, id).Query(func(rows pgx.Rows) (err error) {
		o.held, err = pgx.CollectRows(rows, pgx.RowToStructByPos[hold])
		slices.SortFunc(o.held, func(a, b hold) int { return strings.Compare(a.SKU, b.SKU) })
		return err
	})
	batch.Queue(paymentsOf, id).Query(func(rows pgx.Rows) (err error) {
		o.payments, err = pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[paymentRow])
		return err
	})
	err := tx.SendBatch(ctx, batch).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock order %d: %w", id, err)
	}
	return o, nil
}

// open says whether the order still waits for its money.
func (o *orderRow) open() bool { return o.status == "placed" }

// become gives the order its next status, with the reason where there is one to tell. The database notes when.
func (o *orderRow) become(b *pgx.Batch, status, reason string) {
	const update = `update orders set status = $2, reason = coalesce(nullif($3, ''), reason), expires_at = null, version = version + 1 where id = $1`
	b.Queue(update, o.id, status, reason)
	o.status, o.expires, o.due = status, nil, false
}

// write carries out what is queued, in its order and in one round trip.
func (o *orderRow) write(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("write what becomes of order %d: %w", o.id, err)
	}
	return nil
}

// paymentRow is a payment of a locked order.
type paymentRow struct {
	ID               int64
	State            payment.State
	Amount, Refunded int64
	Pays             bool
	changed          bool // since it was read
}

// alive says whether the payment may yet bring money, or has.
func (p *paymentRow) alive() bool { return p.State != payment.Failed && p.State != payment.Voided }

// save writes what has changed of the payment, once: each time is a record that projectors fold.
func (p *paymentRow) save(b *pgx.Batch) {
	if p.changed {
		b.Queue(`update payments set state = $2, pays = $3, version = version + 1 where id = $1`, p.ID, p.State, p.Pays)
		p.changed = false
	}
}

const paymentsOf = `select id, state, amount, refunded, pays from payments where order_id = $1 order by id`

// readPayments reads the order's payments again.
func (o *orderRow) readPayments(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, paymentsOf, o.id)
	if err != nil {
		return fmt.Errorf("read the payments of order %d: %w", o.id, err)
	}
	if o.payments, err = pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[paymentRow]); err != nil {
		return fmt.Errorf("read the payments of order %d: %w", o.id, err)
	}
	return nil
}

// settle brings a locked order to what is known of its payments and of the time, and writes that.
func settle(ctx context.Context, tx pgx.Tx, o *orderRow) error {
	b := &pgx.Batch{}
	o.decide(b)
	return o.write(ctx, tx, b)
}

// decide queues what follows from what is known of the order's payments and of the time. It derives everything from the
// rows, so it may be called after any change and any number of times: what there is to do it does once. Of two that come at
// once, say the time running out and the money coming in, the lock lets one be first, and the other finds the order decided.
func (o *orderRow) decide(b *pgx.Batch) {
	o.expire(b)
	for _, p := range o.payments {
		if o.open() {
			o.advance(b, p)
		}
		// Not else: an order that the payment has just ended owes it an answer, too.
		if !o.open() && !p.Pays {
			o.giveBack(b, p)
		}
		p.save(b)
	}
}

// expire ends an order whose time has run out, or that lost a hold which ran out.
func (o *orderRow) expire(b *pgx.Batch) {
	if !o.open() || o.expires == nil || !o.due && int64(len(o.held)) == o.lines {
		return
	}
	o.letGo(b, "expired", "the order ran out")
	o.cancelLines(b, "expired", "")
}

func (o *orderRow) cancelLines(b *pgx.Batch, status, reason string) {
	b.Queue(`update order_items set status = 'cancelled' where order_id = $1 and status = 'placed'`, o.id)
	o.become(b, status, reason)
}

// advance takes an open order on to where the payment is.
func (o *orderRow) advance(b *pgx.Batch, p *paymentRow) {
	switch p.State {
	case payment.Authorized:
		o.pin(b)
		o.ask(b, p.ID, payment.Capture)
	case payment.Captured:
		p.Pays, p.changed = true, true
		p.save(b)
		o.keep(b)
		o.become(b, "paid", "")
	case payment.Failed, payment.Voided:
		if o.expires != nil || slices.ContainsFunc(o.payments, (*paymentRow).alive) {
			return // another card may be tried until the time runs out, or has been
		}
		// The money was set aside, and then it could not be taken.
		o.letGo(b, "released", "the payment failed")
		o.cancelLines(b, "cancelled", "the payment failed")
	}
}

// pin takes the time limit off the order and its holds: from when the money is set aside until it is known whether it was
// taken, the goods are the customer's.
func (o *orderRow) pin(b *pgx.Batch) {
	if o.expires == nil {
		return
	}
	b.Queue(`update reservations set expires_at = 'infinity' where order_id = $1 and state = 'active'`, o.id)
	b.Queue(`update orders set expires_at = null, version = version + 1 where id = $1`, o.id)
	o.expires, o.due = nil, false
}

// giveBack undoes a payment that doesn't pay the order. It decides by the order's row, never by what some attempt has come
// to: an attempt that failed beside one that succeeded has nothing to undo.
func (o *orderRow) giveBack(b *pgx.Batch, p *paymentRow) {
	switch p.State {
	case payment.Pending, payment.Authorized:
		o.ask(b, p.ID, payment.Void)
	case payment.Captured:
		b.Queue(askRefund, o.id, p.ID, nil, nil, "the order isn't there any more")
	}
}

// ask writes down that the provider is to be asked, once per payment and kind. What a worker asks for that it goes on with
// is in its hands as if it had been claimed: when it is killed before, another takes the task after the lease.
func (o *orderRow) ask(b *pgx.Batch, id int64, kind payment.Kind) {
	if kind != payment.Capture || id != o.worker {
		b.Queue(`insert into payment_tasks (payment_id, kind) values ($1, $2) on conflict do nothing`, id, kind)
		return
	}
	const insert = `insert into payment_tasks (payment_id, kind, fence, due_at) values ($1, $2, 1, now() + $3::interval)
		on conflict do nothing returning id`
	b.Queue(insert, id, kind, lease).QueryRow(func(row pgx.Row) error {
		_, err := scanned(row, &o.capture)
		return err
	})
}

// askRefund does nothing when there is less left of the payment than is to be given back.
const askRefund = `with left_over as (
		select p.amount - coalesce((select sum(amount)::bigint from refunds where payment_id = $2 and state <> 'failed'), 0) as amount
		from payments p where p.id = $2),
	made as (insert into refunds (order_id, payment_id, return_id, amount, reason)
		select $1, $2, $4, coalesce($3, l.amount), $5 from left_over l where l.amount > 0 and coalesce($3, l.amount) <= l.amount returning id)
	insert into payment_tasks (payment_id, kind, refund_id) select $2, 'refund', id from made`

// refund writes down that an amount is to be given back, or all that is left of the payment when amount is nil. The
// caller has the order locked; more than was taken is never asked for.
func refund(ctx context.Context, tx pgx.Tx, order, id int64, amount, returned *int64, reason string) error {
	tag, err := tx.Exec(ctx, askRefund, order, id, amount, returned, reason)
	if err != nil {
		return fmt.Errorf("ask for a refund of payment %d: %w", id, err)
	}
	if amount != nil && tag.RowsAffected() == 0 {
		return fmt.Errorf("refund %d of payment %d: there is less left of it", *amount, id)
	}
	return nil
}

package write

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"freshet/api/write/payment"
)

// fact is something that a provider said of a payment, in an answer or by an event.
type fact struct {
	payment int64
	state   payment.State
	refund  *int64 // the refund that it is about
}

// learn joins the fact to what is known of the payment of the locked order, and queues what follows from it. What follows
// from what is known already was done by whoever learnt it, in the same transaction.
func (f fact) learn(ctx context.Context, tx pgx.Tx, o *orderRow, b *pgx.Batch) error {
	if f.refund != nil {
		return f.learnRefund(ctx, tx, o, b)
	}
	i := slices.IndexFunc(o.payments, func(p *paymentRow) bool { return p.ID == f.payment })
	if i < 0 {
		return fmt.Errorf("payment %d isn't one of order %d", f.payment, o.id)
	}
	p := o.payments[i]
	next := p.State.Join(f.state)
	if next == p.State {
		return nil
	}
	p.State, p.changed = next, true
	o.decide(b)
	return nil
}

// learnRefund counts a refund that was done, once: it goes from pending to done, and back never.
func (f fact) learnRefund(ctx context.Context, tx pgx.Tx, o *orderRow, b *pgx.Batch) error {
	state := "done"
	if f.state != payment.Refunded {
		state = "failed"
	}
	var amount int64
	err := tx.QueryRow(ctx, `update refunds set state = $2 where id = $1 and state = 'pending' returning amount`, *f.refund, state).Scan(&amount)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("finish refund %d: %w", *f.refund, err)
	}
	if state == "failed" {
		return nil
	}
	const update = `update payments set refunded = refunded + $2, version = version + 1,
		state = case when refunded + $2 = amount then 'refunded' else 'captured' end where id = $1`
	if _, err := tx.Exec(ctx, update, f.payment, amount); err != nil {
		return fmt.Errorf("count refund %d of payment %d: %w", *f.refund, f.payment, err)
	}
	if err := o.readPayments(ctx, tx); err != nil {
		return err
	}
	if err := o.refunded(ctx, tx, *f.refund); err != nil {
		return err
	}
	o.decide(b)
	return nil
}

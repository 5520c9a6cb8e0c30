package write

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/api/write/payment"
)

// provider carries payments out.
type provider interface {
	Name() string
	Do(ctx context.Context, kind payment.Kind, task payment.Task) (payment.Answer, error)
}

// The steps of a payment are rows of payment_tasks. A worker takes one, which raises its fence and hides it for the time
// of the lease; asks the provider, outside of any transaction; and writes down what it heard. A worker that is killed on
// the way leaves the row, and after the lease another asks again, under the same key, so that the provider does it once.

// lease is how long a worker has for a task before another may take it. It is longer than a provider may take to answer.
const lease = "30 seconds"

// claimed is a task in a worker's hands.
type claimed struct {
	id, payment, fence int64
	kind               payment.Kind
	refund             *int64
	task               payment.Task
}

// key names the task to the provider; it is the same at every attempt.
func (t *claimed) key() string { return fmt.Sprintf("task_%s_%d", t.task.Reference, t.id) }

// claim takes the task that is due longest, nil when none is. Refunds and voids of one payment may be with two workers at
// once; what they do to the payment is joined.
func (s *Shop) claim(ctx context.Context) (*claimed, error) {
	const query = `with next as (
			select id from payment_tasks where state = 'due' and due_at <= now() order by due_at limit 1 for update skip locked)
		update payment_tasks t set fence = fence + 1, due_at = now() + $1::interval from next, payments p
		where t.id = next.id and p.id = t.payment_id
		returning t.id, t.payment_id, t.fence, t.kind, t.refund_id, coalesce(t.method, ''), coalesce(p.reference, ''),
			coalesce((select r.amount from refunds r where r.id = t.refund_id), p.amount), p.currency`
	t := &claimed{}
	err := s.pool.QueryRow(ctx, query, lease).Scan(&t.id, &t.payment, &t.fence, &t.kind, &t.refund,
		&t.task.Method, &t.task.Reference, &t.task.Amount, &t.task.Currency)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("take a payment task: %w", err)
	}
	t.task.Key = t.key()
	return t, nil
}

// payNext does one task and says whether there was one.
func (s *Shop) payNext(ctx context.Context) (bool, error) {
	t, err := s.claim(ctx)
	if err != nil || t == nil {
		return false, err
	}
	a, err := s.provider.Do(ctx, t.kind, t.task)
	if err != nil {
		s.log.Warn("payment task", "task", t.task.Key, "kind", t.kind, "error", err.Error())
		return true, s.postpone(ctx, t, err.Error())
	}
	if a.State == payment.Pending {
		return true, s.postpone(ctx, t, "the provider will tell")
	}
	return true, s.heard(ctx, t, a.State)
}

// postpone lets the task come again, later each time. One that another worker has taken since is that one's.
func (s *Shop) postpone(ctx context.Context, t *claimed, why string) error {
	const update = `update payment_tasks set due_at = now() + least(power(2, least(fence, 9)), 300) * interval '1 second', error = $3
		where id = $1 and fence = $2 and state = 'due'`
	if _, err := s.pool.Exec(ctx, update, t.id, t.fence, cut(why, 500)); err != nil {
		return fmt.Errorf("postpone %s: %w", t.task.Key, err)
	}
	return nil
}

// heard writes down what the provider says. That is a fact, whoever asked: a worker whose lease ran out still tells it.
func (s *Shop) heard(ctx context.Context, t *claimed, state payment.State) error {
	_, err := s.transact(ctx, func(tx pgx.Tx) error {
		o, err := lockOrderOf(ctx, tx, t.payment)
		if err != nil {
			return err
		}
		fact := fact{payment: t.payment, state: state, refund: t.refund}
		if err := fact.learn(ctx, tx, o); err != nil {
			return err
		}
		// The fence keeps an old worker from finishing what a newer one is still at.
		const done = `update payment_tasks set state = 'done', method = null, error = null where id = $1 and fence = $2 and state = 'due'`
		if _, err := tx.Exec(ctx, done, t.id, t.fence); err != nil {
			return fmt.Errorf("finish %s: %w", t.task.Key, err)
		}
		return nil
	})
	return err
}

// lockOrderOf locks the order of a payment.
func lockOrderOf(ctx context.Context, tx pgx.Tx, id int64) (*orderRow, error) {
	var order int64
	if err := tx.QueryRow(ctx, `select order_id from payments where id = $1`, id).Scan(&order); err != nil {
		return nil, fmt.Errorf("find the order of payment %d: %w", id, err)
	}
	o, err := lockOrder(ctx, tx, order)
	if err == nil && o == nil {
		return nil, fmt.Errorf("order %d of payment %d is gone", order, id)
	}
	return o, err
}

// fact is something that a provider said of a payment, in an answer or by an event.
type fact struct {
	payment int64
	state   payment.State
	refund  *int64 // the refund that it is about
}

// learn joins the fact to what is known of the payment of the locked order, and does what follows from it.
func (f fact) learn(ctx context.Context, tx pgx.Tx, o *orderRow) error {
	if f.refund != nil {
		return f.learnRefund(ctx, tx, o)
	}
	var known payment.State
	if err := tx.QueryRow(ctx, `select state from payments where id = $1`, f.payment).Scan(&known); err != nil {
		return fmt.Errorf("read payment %d: %w", f.payment, err)
	}
	if next := known.Join(f.state); next != known {
		if _, err := tx.Exec(ctx, `update payments set state = $2, version = version + 1 where id = $1`, f.payment, next); err != nil {
			return fmt.Errorf("make payment %d %s: %w", f.payment, next, err)
		}
	}
	return settle(ctx, tx, o)
}

// learnRefund counts a refund that was done, once: it goes from pending to done, and back never.
func (f fact) learnRefund(ctx context.Context, tx pgx.Tx, o *orderRow) error {
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
	if err := o.refunded(ctx, tx, *f.refund); err != nil {
		return err
	}
	return settle(ctx, tx, o)
}

// poke tells the payer that there is something to do, so that a customer waits for the provider and not for a clock.
func (s *Shop) poke() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// pay does payment tasks until ctx ends: when poked, and every second, since others write tasks too.
func (s *Shop) pay(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		did, err := s.payNext(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.log.Error("payment task", "error", err.Error())
		case did:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.work:
		case <-tick.C:
		}
	}
}

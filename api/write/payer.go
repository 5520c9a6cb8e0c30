package write

import (
	"context"
	"fmt"

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

// payers is how many payment tasks are under way at once. Most of them wait for the provider, and hold nothing meanwhile.
const payers = 64

// settlersShare is which part of the connections payers use at once to write down what they heard: payments wait for
// one another, and don't keep others from buying.
const settlersShare = 4

// claimed is a task in a worker's hands.
type claimed struct {
	id, payment, order, fence int64
	kind                      payment.Kind
	refund                    *int64
	task                      payment.Task
}

// key names the task to the provider; it is the same at every attempt.
func (t *claimed) key() string { return fmt.Sprintf("task_%s_%d", t.task.Reference, t.id) }

// claim takes up to n tasks, those that are due longest. Refunds and voids of one payment may be with two workers at once;
// what they do to the payment is joined.
func (s *Shop) claim(ctx context.Context, n int) ([]*claimed, error) {
	const query = `with next as (
			select id from payment_tasks where state = 'due' and id > 0 and due_at <= now() order by due_at limit $2 for update skip locked)
		update payment_tasks t set fence = fence + 1, due_at = now() + $1::interval from next, payments p
		where t.id = next.id and p.id = t.payment_id
		returning t.id, t.payment_id, p.order_id, t.fence, t.kind, t.refund_id, coalesce(t.method, ''), coalesce(p.reference, ''),
			coalesce((select r.amount from refunds r where r.id = t.refund_id), p.amount), p.currency`
	rows, err := s.pool.Query(ctx, query, lease, n)
	if err != nil {
		return nil, fmt.Errorf("take payment tasks: %w", err)
	}
	tasks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*claimed, error) {
		t := &claimed{}
		err := row.Scan(&t.id, &t.payment, &t.order, &t.fence, &t.kind, &t.refund,
			&t.task.Method, &t.task.Reference, &t.task.Amount, &t.task.Currency)
		t.task.Key = t.key()
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("take payment tasks: %w", err)
	}
	return tasks, nil
}

// payNext does one task and what follows from it, and says whether there was one.
func (s *Shop) payNext(ctx context.Context) (bool, error) {
	tasks, err := s.claim(ctx, 1)
	if err != nil || len(tasks) == 0 {
		return false, err
	}
	return true, s.pursue(ctx, tasks[0])
}

// pursue does the task, and the one that it brings into the worker's hands.
func (s *Shop) pursue(ctx context.Context, t *claimed) error {
	for t != nil {
		a, err := s.provider.Do(ctx, t.kind, t.task)
		if err != nil {
			s.log.Warn("payment task", "task", t.task.Key, "kind", t.kind, "error", err.Error())
			return s.postpone(ctx, t, err.Error())
		}
		if a.State == payment.Pending {
			return s.postpone(ctx, t, "the provider will tell")
		}
		if t, err = s.heard(ctx, t, a.State); err != nil {
			return err
		}
	}
	return nil
}

// postpone lets the task come again, later each time. One that another worker has taken since is that one's.
func (s *Shop) postpone(ctx context.Context, t *claimed, why string) error {
	leave, err := s.enterSettling(ctx)
	if err != nil {
		return err
	}
	defer leave()
	const update = `update payment_tasks set due_at = now() + least(power(2, least(fence, 9)), 300) * interval '1 second', error = $3
		where id = $1 and fence = $2 and state = 'due'`
	if _, err := s.pool.Exec(ctx, update, t.id, t.fence, cut(why, 500)); err != nil {
		return fmt.Errorf("postpone %s: %w", t.task.Key, err)
	}
	return nil
}

// enterSettling waits until there is a connection for one more payer.
func (s *Shop) enterSettling(ctx context.Context) (leave func(), err error) {
	select {
	case s.settling <- struct{}{}:
		return func() { <-s.settling }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// heard writes down what the provider says. That is a fact, whoever asked: a worker whose lease ran out still tells it. It
// returns the capture of what was authorized, which is the same worker's: a customer waits for one queue, not for two.
func (s *Shop) heard(ctx context.Context, t *claimed, state payment.State) (next *claimed, err error) {
	leave, err := s.enterSettling(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var o *orderRow
	err = s.transactUnread(ctx, func(tx *unit) (err error) {
		if o, err = lockOrderOf(ctx, tx, t.payment, t.order); err != nil {
			return err
		}
		o.worker = t.payment
		b := tx.atCommit()
		if err := (fact{payment: t.payment, state: state, refund: t.refund}).learn(ctx, tx, o, b); err != nil {
			return err
		}
		// The fence keeps an old worker from finishing what a newer one is still at.
		b.Queue(`update payment_tasks set state = 'done', method = null, error = null where id = $1 and fence = $2 and state = 'due'`, t.id, t.fence)
		return nil
	})
	if err != nil || o.capture == 0 {
		return nil, err
	}
	next = &claimed{id: o.capture, payment: t.payment, order: t.order, fence: 1, kind: payment.Capture, task: t.task}
	next.task.Method, next.task.Key = "", next.key()
	return next, nil
}

// lockOrderOf locks the order of a payment.
func lockOrderOf(ctx context.Context, tx pgx.Tx, id, order int64) (*orderRow, error) {
	o, err := lockOrder(ctx, tx, order)
	if err == nil && o == nil {
		return nil, fmt.Errorf("order %d of payment %d is gone", order, id)
	}
	return o, err
}

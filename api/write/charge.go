package write

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
	"freshet/api/write/payment"
)

// OrderPayment is a payment of an order as the API shows it.
type OrderPayment struct {
	ID       int64         `json:"id"`
	Provider string        `json:"provider"`
	State    payment.State `json:"state"`
	Amount   int64         `json:"amount"`
	Refunded int64         `json:"refunded"`
}

// charge queues a payment of the order under an id that is free, and that its provider is to be asked to authorize it, by the payer
// that is kept for it or, with nil, by anyone.
func (s *Shop) charge(b *pgx.Batch, id, order, amount int64, currency, method string, by *payer) OrderPayment {
	p := OrderPayment{ID: id, Provider: s.provider.Name(), State: payment.Pending, Amount: amount}
	t := &claimed{payment: id, order: order, kind: payment.Authorize, task: payment.Task{Method: method, Amount: amount, Currency: currency}}
	until := "0"
	if by != nil {
		by.task, t.fence, until = t, 1, lease
	}
	// The reference is ours, and known before the provider is: the id alone would not be unique across shops.
	const insert = `with made as (insert into payments (id, order_id, provider, reference, amount, currency)
			values ($8, $1, $2, 'pay_' || gen_random_uuid(), $3, $4) returning id, reference)
		insert into payment_tasks (payment_id, kind, method, fence, due_at) select id, 'authorize', $5, $6, now() + $7::interval from made
		returning id, (select reference from made)`
	b.Queue(insert, order, p.Provider, amount, currency, method, t.fence, until, id).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&t.id, &t.task.Reference)
		t.task.Key = t.key()
		return err
	})
	return p
}

// PayRequest is the body of POST /orders/{order}/payments.
type PayRequest struct {
	Method string `json:"method"`
}

// postPayment tries another method for an order whose payment was declined. While one payment may still bring money
// there is no second: a customer who is impatient isn't charged twice.
func (s *Shop) postPayment(c *fiber.Ctx) error {
	id, err := idParam(c, "order")
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c, true)
	if err != nil {
		return err
	}
	var r PayRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	var ch check
	ch.match("method", r.Method, methodPattern)
	if err := ch.err(); err != nil {
		return err
	}
	if s.provider == nil {
		return api.Errorf(api.Unavailable, "This shop has no payment provider.")
	}
	var a answer
	ctx, customer := c.UserContext(), callerOf(c).account
	position, err := s.transact(ctx, func(tx *unit) error {
		a, err = once(ctx, tx, fmt.Sprintf("pay/%d/%d", customer, id), key, r, func() (answer, error) {
			p, err := s.payAgain(ctx, tx, id, customer, r.Method)
			if err != nil {
				return answer{}, err
			}
			return made(http.StatusCreated, p.ID, p)
		})
		return err
	})
	if err != nil {
		return err
	}
	s.poke()
	return reply(c, a, position, "")
}

func (s *Shop) payAgain(ctx context.Context, tx pgx.Tx, id, customer int64, method string) (OrderPayment, error) {
	o, err := lockOwnOrder(ctx, tx, id, customer)
	if err != nil {
		return OrderPayment{}, err
	}
	if !o.open() || o.due {
		return OrderPayment{}, api.Errorf(api.Conflict, "Order %d doesn't wait for a payment.", id)
	}
	if slices.ContainsFunc(o.payments, (*paymentRow).alive) {
		return OrderPayment{}, api.Errorf(api.Conflict, "Another payment of order %d is under way.", id)
	}
	var currency string
	var next int64
	if err := tx.QueryRow(ctx, `select currency, nextval('payments_id_seq') from orders where id = $1`, id).Scan(&currency, &next); err != nil {
		return OrderPayment{}, fmt.Errorf("read the currency of order %d: %w", id, err)
	}
	b := &pgx.Batch{}
	p := s.charge(b, next, id, o.total, currency, method, nil)
	return p, o.write(ctx, tx, b)
}

// lockOwnOrder is lockOrder for a customer: another's is not found.
func lockOwnOrder(ctx context.Context, tx pgx.Tx, id, customer int64) (*orderRow, error) {
	o, err := lockOrder(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if o == nil || o.customer != customer {
		return nil, api.Errorf(api.NotFound, "There is no order %d.", id)
	}
	return o, nil
}

// postExtend gives an order that waits for its money the same time once more, once.
func (s *Shop) postExtend(c *fiber.Ctx) error {
	id, err := idParam(c, "order")
	if err != nil {
		return err
	}
	var view *Order
	ctx, customer := c.UserContext(), callerOf(c).account
	position, err := s.transact(ctx, func(tx *unit) error {
		o, err := lockOwnOrder(ctx, tx, id, customer)
		if err != nil {
			return err
		}
		if err := s.extend(ctx, tx, o); err != nil {
			return err
		}
		view, err = readOrder(ctx, tx, id, &customer)
		return err
	})
	if err != nil {
		return err
	}
	a, err := made(http.StatusOK, 0, view)
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
}

func (s *Shop) extend(ctx context.Context, tx pgx.Tx, o *orderRow) error {
	const update = `update orders set expires_at = expires_at + $2::interval, extended = true, version = version + 1
		where id = $1 and status = 'placed' and not extended and expires_at > clock_timestamp() returning expires_at`
	if int64(len(o.held)) < o.lines {
		return notExtended(o)
	}
	tag, err := tx.Exec(ctx, update, o.id, s.hold)
	if err != nil {
		return fmt.Errorf("extend order %d: %w", o.id, err)
	}
	if tag.RowsAffected() == 0 {
		return notExtended(o)
	}
	const follow = `update reservations r set expires_at = o.expires_at from orders o where o.id = $1 and r.order_id = o.id and r.state = 'active'`
	if _, err := tx.Exec(ctx, follow, o.id); err != nil {
		return fmt.Errorf("extend the holds of order %d: %w", o.id, err)
	}
	return nil
}

func notExtended(o *orderRow) error {
	return api.Errorf(api.Conflict, "Order %d can't be extended: it was already, or it doesn't wait for its money any more.", o.id)
}

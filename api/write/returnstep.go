package write

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// The steps of a return, each taken by the shop and each once: requested, approved or rejected, received, refunded. What
// comes back to the shelf and what is paid back are two steps: goods may come back broken and still be paid for.

// ReturnDecision is the body of POST /returns/{return}/approve and /reject.
type ReturnDecision struct {
	Note *string `json:"note,omitempty"`
}

// ReturnReceipt is the body of POST /returns/{return}/receive.
type ReturnReceipt struct {
	// Restock says whether the goods can be sold again.
	Restock *bool   `json:"restock"`
	Note    *string `json:"note,omitempty"`
}

// ReturnRefund is the body of POST /returns/{return}/refund.
type ReturnRefund struct {
	// Amount is what is given back, in minor units. Default what was paid for the goods, with the last of them the shipping.
	Amount *int64  `json:"amount,omitempty"`
	Note   *string `json:"note,omitempty"`
}

// returnStep takes one step of a locked return.
type returnStep func(ctx context.Context, tx pgx.Tx, o *orderRow, v *Return) error

func (s *Shop) postReturnApprove(c *fiber.Ctx) error { return s.decideReturn(c, "approve", "approved") }
func (s *Shop) postReturnReject(c *fiber.Ctx) error  { return s.decideReturn(c, "reject", "rejected") }

func (s *Shop) decideReturn(c *fiber.Ctx, name, state string) error {
	var r ReturnDecision
	if err := api.Body(c, &r); err != nil {
		return err
	}
	var ch check
	ch.note(r.Note)
	if state == "rejected" && r.Note == nil {
		ch.bad("note", "is needed: the customer is told why")
	}
	if err := ch.err(); err != nil {
		return err
	}
	return s.stepReturn(c, name, r, func(ctx context.Context, tx pgx.Tx, _ *orderRow, v *Return) error {
		return v.become(ctx, tx, "requested", state, r.Note)
	})
}

func (c *check) note(note *string) {
	if note != nil {
		c.text("note", *note, 1, 500)
	}
}

func (s *Shop) postReturnReceive(c *fiber.Ctx) error {
	var r ReturnReceipt
	if err := api.Body(c, &r); err != nil {
		return err
	}
	var ch check
	ch.note(r.Note)
	if r.Restock == nil {
		ch.bad("restock", "is needed: whether the goods can be sold again")
	}
	if err := ch.err(); err != nil {
		return err
	}
	actor := callerOf(c).String()
	return s.stepReturn(c, "receive", r, func(ctx context.Context, tx pgx.Tx, o *orderRow, v *Return) error {
		if err := v.become(ctx, tx, "approved", "received", r.Note); err != nil {
			return err
		}
		if *r.Restock {
			if err := o.restockReturn(ctx, tx, v, actor); err != nil {
				return err
			}
		}
		return v.closeLine(ctx, tx)
	})
}

func (s *Shop) postReturnRefund(c *fiber.Ctx) error {
	var r ReturnRefund
	if err := api.Body(c, &r); err != nil {
		return err
	}
	var ch check
	ch.note(r.Note)
	if r.Amount != nil {
		ch.between("amount", *r.Amount, 1, maxMoney)
	}
	if err := ch.err(); err != nil {
		return err
	}
	return s.stepReturn(c, "refund", r, func(ctx context.Context, tx pgx.Tx, o *orderRow, v *Return) error {
		return o.refundReturn(ctx, tx, v, r.Amount, r.Note)
	})
}

// stepReturn locks the order and finds the return, takes the step, notes who did, and answers with the return as it then is.
func (s *Shop) stepReturn(c *fiber.Ctx, name string, request any, step returnStep) error {
	id, err := idParam(c, "return")
	if err != nil {
		return err
	}
	who := callerOf(c)
	return s.answerOnce(c, fmt.Sprintf("return/%s/%d", name, id), request, func(ctx context.Context, tx pgx.Tx) (answer, error) {
		o, v, err := lockReturn(ctx, tx, id)
		if err != nil {
			return answer{}, err
		}
		before := *v
		if err := step(ctx, tx, o, v); err != nil {
			return answer{}, err
		}
		if err := note(ctx, tx, who, "return."+name, fmt.Sprintf("return/%d", id), before, v); err != nil {
			return answer{}, err
		}
		return made(http.StatusOK, v.ID, v)
	})
}

// lockReturn locks the order of a return, as everyone does before they change what hangs on it, and reads the return.
func lockReturn(ctx context.Context, tx pgx.Tx, id int64) (*orderRow, *Return, error) {
	var order int64
	err := tx.QueryRow(ctx, `select order_id from returns where id = $1`, id).Scan(&order)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil, api.Errorf(api.NotFound, "There is no return %d.", id)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find the order of return %d: %w", id, err)
	}
	o, err := lockKnownOrder(ctx, tx, order)
	if err != nil {
		return nil, nil, err
	}
	const query = `select id, order_id, line, quantity, reason, state, note, created_at from returns where id = $1`
	rows, err := tx.Query(ctx, query, id)
	if err != nil {
		return nil, nil, fmt.Errorf("read return %d: %w", id, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, scanReturn)
	if err != nil {
		return nil, nil, fmt.Errorf("read return %d: %w", id, err)
	}
	return o, &v, nil
}

// become moves the return on, from the only state that the step may be taken in.
func (v *Return) become(ctx context.Context, tx pgx.Tx, from, to string, note *string) error {
	if v.State != from {
		return api.Errorf(api.Conflict, "Return %d is %s, not %s.", v.ID, v.State, from)
	}
	const update = `update returns set state = $2, note = coalesce($3, note) where id = $1 returning state, note`
	if err := tx.QueryRow(ctx, update, v.ID, to, note).Scan(&v.State, &v.Note); err != nil {
		return fmt.Errorf("make return %d %s: %w", v.ID, to, err)
	}
	return nil
}

// closeLine makes the line returned when the last unit of it is back.
func (v *Return) closeLine(ctx context.Context, tx pgx.Tx) error {
	const update = `update order_items i set status = 'returned' where order_id = $1 and line = $2 and quantity <=
		(select sum(quantity) from returns r where r.order_id = i.order_id and r.line = i.line and r.state in ('received', 'refunded'))`
	if _, err := tx.Exec(ctx, update, v.Order, v.Line); err != nil {
		return fmt.Errorf("close line %d of order %d: %w", v.Line, v.Order, err)
	}
	return nil
}

// restockReturn puts the units back by reversing the movement that sold them, which is of the SKU that was sold then,
// whatever the catalog calls it now. No more comes back of a sale than was sold.
func (o *orderRow) restockReturn(ctx context.Context, tx pgx.Tx, v *Return, actor string) error {
	const query = `select m.id, m.sku, m.product_id from stock_movements m join order_items i on i.order_id = m.order_id and i.sku = m.sku
		where m.order_id = $1 and m.store_id = $2 and m.kind = 'sale' and i.line = $3
		and -m.quantity - coalesce((select sum(quantity) from stock_movements r where r.reverses = m.id), 0) >= $4 order by m.id limit 1`
	m := movement{kind: "return", quantity: v.Quantity, order: &o.id, reason: &v.Reason, reverses: new(int64)}
	err := tx.QueryRow(ctx, query, o.id, o.store, v.Line, v.Quantity).Scan(m.reverses, &m.sku, &m.product)
	if errors.Is(err, pgx.ErrNoRows) {
		return api.Errorf(api.Conflict, "No sale of order %d has %d units of line %d left to reverse. Receive it without restocking.", o.id, v.Quantity, v.Line).At("restock")
	}
	if err != nil {
		return fmt.Errorf("find the sale of line %d of order %d: %w", v.Line, o.id, err)
	}
	if err := ensureInventory(ctx, tx, store{id: o.store}, []string{m.sku}); err != nil {
		return err
	}
	return apply(ctx, tx, store{id: o.store}, actor, []movement{m})
}

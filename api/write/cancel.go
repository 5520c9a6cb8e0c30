package write

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
	"freshet/api/auth"
)

// CancelRequest is the body of POST /cancel.
type CancelRequest struct {
	Order int64 `json:"order"`
	// Line is the only one to be cancelled; without it the order is.
	Line   *int   `json:"line,omitempty"`
	Reason string `json:"reason"`
	// Refund says where the money goes: "original", to where it came from, is the default; "none" is for support alone.
	Refund string `json:"refund,omitempty"`
}

func (r *CancelRequest) check(who caller) error {
	var c check
	c.id("order", r.Order)
	if r.Line != nil {
		c.between("line", int64(*r.Line), 1, maxPerOrder)
	}
	c.text("reason", r.Reason, 1, 500)
	switch {
	case r.Refund == "":
		r.Refund = "original"
	case r.Refund == "none" && who.role != auth.Support:
		c.bad("refund", "may be none for support alone")
	case r.Refund != "original" && r.Refund != "none":
		c.bad("refund", "must be original or none")
	}
	return c.err()
}

// postCancel cancels an order or a line of it that wasn't sent yet: for the customer whose it is, and for support.
func (s *Shop) postCancel(c *fiber.Ctx) error {
	who := callerOf(c)
	var r CancelRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	if err := r.check(who); err != nil {
		return err
	}
	return s.answerOnce(c, "cancel", r, func(ctx context.Context, tx pgx.Tx) (answer, error) {
		o, err := cancel(ctx, tx, who, &r)
		if err != nil {
			return answer{}, err
		}
		return made(http.StatusOK, o.ID, o)
	})
}

func cancel(ctx context.Context, tx pgx.Tx, who caller, r *CancelRequest) (*Order, error) {
	o, err := lockOrderFor(ctx, tx, r.Order, who)
	if err != nil {
		return nil, err
	}
	if err := o.hasLine(ctx, tx, r.Line); err != nil {
		return nil, err
	}
	// An order whose time has run out is over, whether the sweeper has seen it or not.
	if err := settle(ctx, tx, o); err != nil {
		return nil, err
	}
	var before *Order
	if who.role != auth.Customer {
		if before, err = readOrder(ctx, tx, o.id, nil); err != nil {
			return nil, err
		}
	}
	switch {
	case o.status != "placed" && o.status != "paid":
		err = api.Errorf(api.Conflict, "Order %d is %s and can't be cancelled any more.", o.id, o.status)
	case len(o.held) > 0 && r.Line != nil:
		err = api.Errorf(api.Conflict, "Order %d still waits for its money: cancel all of it.", o.id)
	case len(o.held) > 0:
		err = o.cancelUnpaid(ctx, tx, r.Reason)
	default:
		err = o.cancelSold(ctx, tx, who, r)
	}
	if err != nil {
		return nil, err
	}
	after, err := readOrder(ctx, tx, o.id, nil)
	if err != nil {
		return nil, err
	}
	return after, note(ctx, tx, who, "order.cancel", fmt.Sprintf("order/%d", o.id), before, after)
}

// hasLine wants the line to be one of the order's; nil is all of them.
func (o *orderRow) hasLine(ctx context.Context, tx pgx.Tx, line *int) error {
	if line == nil {
		return nil
	}
	var there bool
	if err := tx.QueryRow(ctx, `select exists (select from order_items where order_id = $1 and line = $2)`, o.id, *line).Scan(&there); err != nil {
		return fmt.Errorf("find line %d of order %d: %w", *line, o.id, err)
	}
	if !there {
		return api.Errorf(api.Unprocessable, "Order %d has no line %d.", o.id, *line).At("line")
	}
	return nil
}

// cancelUnpaid ends an order that only held its stock. What its payment comes to is given back.
func (o *orderRow) cancelUnpaid(ctx context.Context, tx pgx.Tx, reason string) error {
	b := &pgx.Batch{}
	o.letGo(b, "released", "the order was cancelled")
	o.cancelLines(b, "cancelled", reason)
	o.decide(b)
	return o.write(ctx, tx, b)
}

// cancelSold puts units that were sold and not yet sent back, by reversing the movements that sold them, and gives the
// money back: of a line its price; with the last line all that is left, the shipping with it.
func (o *orderRow) cancelSold(ctx context.Context, tx pgx.Tx, who caller, r *CancelRequest) error {
	const query = `update order_items set status = 'cancelled', reason = case when $2::int is not null then $3 end
		where order_id = $1 and status = 'placed' and ($2::int is null or line = $2) returning sku, quantity * unit_amount`
	rows, err := tx.Query(ctx, query, o.id, r.Line, r.Reason)
	if err != nil {
		return fmt.Errorf("cancel lines of order %d: %w", o.id, err)
	}
	var skus []string
	var sku string
	var amount, sum int64
	if _, err := pgx.ForEachRow(rows, []any{&sku, &amount}, func() error {
		skus, sum = append(skus, sku), sum+amount
		return nil
	}); err != nil {
		return fmt.Errorf("cancel lines of order %d: %w", o.id, err)
	}
	if len(skus) == 0 {
		return api.Errorf(api.Conflict, "There is nothing of it left to cancel.")
	}
	if err := o.restock(ctx, tx, skus, who.String(), r.Reason); err != nil {
		return err
	}
	var left int
	if err := tx.QueryRow(ctx, `select count(*) from order_items where order_id = $1 and status <> 'cancelled'`, o.id).Scan(&left); err != nil {
		return fmt.Errorf("count the lines of order %d: %w", o.id, err)
	}
	b, back := &pgx.Batch{}, &sum
	if left == 0 {
		back = nil
		o.become(b, "cancelled", r.Reason)
	} else {
		o.become(b, o.status, "")
	}
	if err := o.write(ctx, tx, b); err != nil {
		return err
	}
	if err := o.follow(ctx, tx); err != nil { // what is left may all be on its way
		return err
	}
	if r.Refund == "none" {
		return nil
	}
	return o.refundPaid(ctx, tx, back, r.Reason)
}

// refundPaid gives money of the payment that paid the order back; an order that none paid has nothing to give.
func (o *orderRow) refundPaid(ctx context.Context, tx pgx.Tx, amount *int64, reason string) error {
	var id int64
	err := tx.QueryRow(ctx, `select id from payments where order_id = $1 and pays`, o.id).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find what paid order %d: %w", o.id, err)
	}
	return refund(ctx, tx, o.id, id, amount, nil, reason)
}

// restock reverses the sales of the SKUs, in the order in which everyone locks stock.
func (o *orderRow) restock(ctx context.Context, tx pgx.Tx, skus []string, actor, reason string) error {
	const query = `select m.id, m.sku, m.product_id, -m.quantity from stock_movements m
		where m.order_id = $1 and m.store_id = $2 and m.kind = 'sale' and m.sku = any($3)
		and not exists (select from stock_movements r where r.reverses = m.id) order by m.sku collate "C", m.id`
	rows, err := tx.Query(ctx, query, o.id, o.store, skus)
	if err != nil {
		return fmt.Errorf("find the sales of order %d: %w", o.id, err)
	}
	moves, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (movement, error) {
		m := movement{kind: "return", order: &o.id, reason: &reason, reverses: new(int64)}
		return m, row.Scan(m.reverses, &m.sku, &m.product, &m.quantity)
	})
	if err != nil {
		return fmt.Errorf("find the sales of order %d: %w", o.id, err)
	}
	return apply(ctx, tx, store{id: o.store}, actor, moves)
}

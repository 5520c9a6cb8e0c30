package write

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
	"freshet/api/auth"
)

// ReturnRequest is the body of POST /orders/{order}/returns: a customer wants to send goods back.
type ReturnRequest struct {
	Line     int    `json:"line"`
	Quantity int64  `json:"quantity"`
	Reason   string `json:"reason"`
}

// Return is goods that come back, as the API shows them.
type Return struct {
	ID       int64  `json:"id"`
	Order    int64  `json:"order"`
	Line     int    `json:"line"`
	Quantity int64  `json:"quantity"`
	Reason   string `json:"reason"`
	State    string `json:"state"`
	// Note is what the shop says to it.
	Note      *string   `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// returnDays is for how many days after its delivery a customer may ask to send something back; support may always.
const returnDays = 30

func (r *ReturnRequest) check() error {
	var c check
	c.between("line", int64(r.Line), 1, 1000)
	c.between("quantity", r.Quantity, 1, maxPerOrder)
	c.text("reason", r.Reason, 1, 500)
	return c.err()
}

// postReturn asks for a return: the customer whose the order is, or support for them.
func (s *Shop) postReturn(c *fiber.Ctx) error {
	id, err := idParam(c, "order")
	if err != nil {
		return err
	}
	var r ReturnRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	who := callerOf(c)
	return s.answerOnce(c, fmt.Sprintf("return/%d", id), r, func(ctx context.Context, tx pgx.Tx) (answer, error) {
		o, err := lockOrderFor(ctx, tx, id, who)
		if err != nil {
			return answer{}, err
		}
		v, err := o.requestReturn(ctx, tx, who, &r)
		if err != nil {
			return answer{}, err
		}
		if err := note(ctx, tx, who, "return.request", fmt.Sprintf("return/%d", v.ID), nil, v); err != nil {
			return answer{}, err
		}
		return made(http.StatusCreated, v.ID, v)
	})
}

// lockOrderFor is lockOrder for whoever asks: of customers another's is not found.
func lockOrderFor(ctx context.Context, tx pgx.Tx, id int64, who caller) (*orderRow, error) {
	if who.role == auth.Customer {
		return lockOwnOrder(ctx, tx, id, who.account)
	}
	return lockKnownOrder(ctx, tx, id)
}

// requestReturn writes the return down. Under the order's lock no two can ask for the same unit.
func (o *orderRow) requestReturn(ctx context.Context, tx pgx.Tx, who caller, r *ReturnRequest) (*Return, error) {
	const query = `select i.status, i.quantity - coalesce((select sum(quantity) from returns x
			where x.order_id = i.order_id and x.line = i.line and x.state <> 'rejected'), 0)::bigint,
		coalesce((select max(e.at) from shipment_events e where e.shipment_id = i.shipment_id and e.status = 'delivered')
			< clock_timestamp() - make_interval(days => $3), false)
		from order_items i where i.order_id = $1 and i.line = $2`
	var status string
	var left int64
	var late bool
	err := tx.QueryRow(ctx, query, o.id, r.Line, returnDays).Scan(&status, &left, &late)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, api.Errorf(api.Unprocessable, "Order %d has no line %d.", o.id, r.Line).At("line")
	case err != nil:
		return nil, fmt.Errorf("read line %d of order %d: %w", r.Line, o.id, err)
	case status != "shipped":
		return nil, api.Errorf(api.Conflict, "Line %d of order %d is %s: only what was sent can come back.", r.Line, o.id, status).At("line")
	case left < r.Quantity:
		return nil, api.Errorf(api.Conflict, "Of line %d of order %d there are %d left to send back.", r.Line, o.id, left).At("quantity")
	case late && who.role == auth.Customer:
		return nil, api.Errorf(api.Conflict, "Line %d of order %d was delivered more than %d days ago. Ask support.", r.Line, o.id, returnDays).At("line")
	}
	const insert = `insert into returns (order_id, line, quantity, reason) values ($1, $2, $3, $4)
		returning id, order_id, line, quantity, reason, state, note, created_at`
	rows, err := tx.Query(ctx, insert, o.id, r.Line, r.Quantity, r.Reason)
	if err != nil {
		return nil, fmt.Errorf("insert a return of order %d: %w", o.id, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, scanReturn)
	if err != nil {
		return nil, fmt.Errorf("insert a return of order %d: %w", o.id, err)
	}
	return &v, nil
}

func scanReturn(row pgx.CollectableRow) (Return, error) {
	var v Return
	err := row.Scan(&v.ID, &v.Order, &v.Line, &v.Quantity, &v.Reason, &v.State, &v.Note, &v.CreatedAt)
	v.CreatedAt = v.CreatedAt.UTC()
	return v, err
}

// readReturns reads an order's returns.
func readReturns(ctx context.Context, tx pgx.Tx, order int64) ([]Return, error) {
	const query = `select id, order_id, line, quantity, reason, state, note, created_at from returns where order_id = $1 order by id`
	rows, err := tx.Query(ctx, query, order)
	if err != nil {
		return nil, fmt.Errorf("read the returns of order %d: %w", order, err)
	}
	all, err := pgx.CollectRows(rows, scanReturn)
	if err != nil {
		return nil, fmt.Errorf("read the returns of order %d: %w", order, err)
	}
	return all, nil
}

package write

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// ShipmentRequest is the body of POST /orders/{order}/shipments: lines leave the house in one parcel.
type ShipmentRequest struct {
	Carrier  string  `json:"carrier"`
	Tracking *string `json:"tracking,omitempty"`
	// ETA is when the carrier means to deliver.
	ETA *string `json:"eta,omitempty"`
	// Lines are those that are in it; without any all that are still here.
	Lines []int `json:"lines,omitempty"`
}

// Shipment is a parcel as the API shows it.
type Shipment struct {
	ID        int64      `json:"id"`
	Carrier   string     `json:"carrier"`
	Tracking  *string    `json:"tracking,omitempty"`
	Status    string     `json:"status"`
	ETA       *time.Time `json:"eta,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
}

func (r *ShipmentRequest) check() (eta *time.Time, err error) {
	var c check
	c.text("carrier", r.Carrier, 1, 64)
	if r.Tracking != nil {
		c.text("tracking", *r.Tracking, 1, 100)
	}
	c.count("lines", len(r.Lines), 0, maxLines)
	seen := map[int]bool{}
	for i, line := range r.Lines[:min(len(r.Lines), maxLines)] {
		at := fmt.Sprintf("lines[%d]", i)
		c.between(at, int64(line), 1, 1000)
		unique(&c, seen, at, line)
	}
	return c.moment("eta", r.ETA), c.err()
}

// postShipment sends lines of an order. An order is sent once it is paid, by whatever parcels it takes.
func (s *Shop) postShipment(c *fiber.Ctx) error {
	id, err := idParam(c, "order")
	if err != nil {
		return err
	}
	var r ShipmentRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	eta, err := r.check()
	if err != nil {
		return err
	}
	who := callerOf(c)
	return s.answerOnce(c, fmt.Sprintf("ship/%d", id), r, func(ctx context.Context, tx pgx.Tx) (answer, error) {
		o, err := lockKnownOrder(ctx, tx, id)
		if err != nil {
			return answer{}, err
		}
		parcel, err := o.ship(ctx, tx, &r, eta)
		if err != nil {
			return answer{}, err
		}
		if err := note(ctx, tx, who, "order.ship", fmt.Sprintf("order/%d", id), nil, parcel); err != nil {
			return answer{}, err
		}
		return made(http.StatusCreated, parcel.ID, parcel)
	})
}

// lockKnownOrder is lockOrder where none is an answer.
func lockKnownOrder(ctx context.Context, tx pgx.Tx, id int64) (*orderRow, error) {
	o, err := lockOrder(ctx, tx, id)
	if err == nil && o == nil {
		return nil, api.Errorf(api.NotFound, "There is no order %d.", id)
	}
	return o, err
}

func (o *orderRow) ship(ctx context.Context, tx pgx.Tx, r *ShipmentRequest, eta *time.Time) (*Shipment, error) {
	if err := o.mayShip(); err != nil {
		return nil, err
	}
	const insert = `insert into shipments (order_id, carrier, tracking, eta) values ($1, $2, $3, $4)
		returning id, carrier, tracking, status, eta, created_at`
	rows, err := tx.Query(ctx, insert, o.id, r.Carrier, r.Tracking, eta)
	if err != nil {
		return nil, fmt.Errorf("insert a shipment of order %d: %w", o.id, err)
	}
	parcel, err := pgx.CollectExactlyOneRow(rows, scanShipment)
	if err != nil {
		return nil, fmt.Errorf("insert a shipment of order %d: %w", o.id, err)
	}
	const send = `update order_items set status = 'shipped', shipment_id = $2
		where order_id = $1 and status = 'placed' and (cardinality($3::int[]) = 0 or line = any($3))`
	tag, err := tx.Exec(ctx, send, o.id, parcel.ID, append([]int{}, r.Lines...))
	if err != nil {
		return nil, fmt.Errorf("send lines of order %d: %w", o.id, err)
	}
	if sent := int(tag.RowsAffected()); sent == 0 || sent < len(r.Lines) {
		return nil, api.Errorf(api.Conflict, "Order %d doesn't have all of these lines waiting to be sent.", o.id).At("lines")
	}
	return &parcel, o.follow(ctx, tx)
}

// mayShip wants goods to be sold before they go. An order without payments is one that a system of the shop has placed,
// which sold them at once.
func (o *orderRow) mayShip() error {
	if o.status == "paid" || o.open() && o.expires == nil && len(o.payments) == 0 {
		return nil
	}
	return api.Errorf(api.Conflict, "Order %d is %s: nothing of it is to be sent.", o.id, o.status)
}

// follow brings the locked order's status to where its lines and parcels are: shipped when nothing is left to be sent, and
// delivered when every parcel with a line in it has arrived. It never goes back, and leaves orders alone that are over.
func (o *orderRow) follow(ctx context.Context, tx pgx.Tx) error {
	if !slices.Contains([]string{"placed", "paid", "shipped"}, o.status) {
		return nil
	}
	const query = `select count(*) filter (where i.status = 'placed'), count(*) filter (where i.status in ('shipped', 'returned')),
		count(*) filter (where i.status in ('shipped', 'returned') and s.status is distinct from 'delivered')
		from order_items i left join shipments s on s.id = i.shipment_id where i.order_id = $1`
	var waiting, sent, under int
	if err := tx.QueryRow(ctx, query, o.id).Scan(&waiting, &sent, &under); err != nil {
		return fmt.Errorf("read where the lines of order %d are: %w", o.id, err)
	}
	next := "shipped"
	switch {
	case waiting > 0 || sent == 0:
		return nil
	case under == 0:
		next = "delivered"
	}
	if next == o.status {
		return nil
	}
	b := &pgx.Batch{}
	o.become(b, next, "")
	return o.write(ctx, tx, b)
}

func scanShipment(row pgx.CollectableRow) (Shipment, error) {
	var p Shipment
	err := row.Scan(&p.ID, &p.Carrier, &p.Tracking, &p.Status, &p.ETA, &p.CreatedAt)
	p.CreatedAt, p.ETA = p.CreatedAt.UTC(), utc(p.ETA)
	return p, err
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	moment := t.UTC()
	return &moment
}

// readShipments reads an order's parcels.
func readShipments(ctx context.Context, tx pgx.Tx, order int64) ([]Shipment, error) {
	const query = `select id, carrier, tracking, status, eta, created_at from shipments where order_id = $1 order by id`
	rows, err := tx.Query(ctx, query, order)
	if err != nil {
		return nil, fmt.Errorf("read the shipments of order %d: %w", order, err)
	}
	parcels, err := pgx.CollectRows(rows, scanShipment)
	if err != nil {
		return nil, fmt.Errorf("read the shipments of order %d: %w", order, err)
	}
	return parcels, nil
}

package write

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// CarrierEvent is the body of POST /shipments/{shipment}/events: what the carrier says of a parcel.
type CarrierEvent struct {
	// Status is in_transit, delivered, lost or returned, or any word of the carrier's, which means on its way.
	Status string  `json:"status"`
	Place  string  `json:"place,omitempty"`
	At     *string `json:"at"`
	ETA    *string `json:"eta,omitempty"`
}

// CarrierNoted is the answer: where the parcel is by all that is known.
type CarrierNoted struct {
	Shipment
	// Counted is false for an event that was known already.
	Counted bool `json:"counted"`
}

var carrierPattern = pattern{
	regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`), "be a word of 1 to 32 small letters, digits, dashes or underscores that begins with a letter",
}

// parcelChain is what is known of a parcel, from the lowest. Carriers tell late, twice and in any order: knowledge is
// joined by taking the higher. One that was lost may turn up; one that was handed over is.
var parcelChain = []string{"created", "in_transit", "lost", "returned", "delivered"}

func joinParcel(known, told string) string {
	rank := slices.Index(parcelChain, told)
	if rank < 0 {
		rank = slices.Index(parcelChain, "in_transit")
	}
	return parcelChain[max(rank, slices.Index(parcelChain, known))]
}

func (e *CarrierEvent) check() (at, eta *time.Time, err error) {
	var c check
	c.match("status", e.Status, carrierPattern)
	c.text("place", e.Place, 0, 200)
	if e.At == nil {
		c.bad("at", "is needed: when it happened")
	}
	return c.moment("at", e.At), c.moment("eta", e.ETA), c.err()
}

// postCarrierEvent takes what a carrier says, from whatever system of the shop listens to it.
func (s *Shop) postCarrierEvent(c *fiber.Ctx) error {
	id, err := idParam(c, "shipment")
	if err != nil {
		return err
	}
	var e CarrierEvent
	if err := api.Body(c, &e); err != nil {
		return err
	}
	at, eta, err := e.check()
	if err != nil {
		return err
	}
	// An event is known by itself, so it needs no key to be sent again.
	var a answer
	ctx := c.UserContext()
	position, err := s.transact(ctx, func(tx *unit) error {
		noted, err := noteCarrier(ctx, tx, callerOf(c), id, &e, at, eta)
		if err == nil {
			a, err = made(http.StatusOK, 0, noted)
		}
		return err
	})
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
}

// tolerance is by how much a carrier's clock may be wrong.
const tolerance = "10 minutes"

// orderOf finds the order of a parcel, and wants what happened to the parcel to have happened: by now, and not before there
// was an order. Between the two a carrier may tell as late and in what order it likes.
func orderOf(ctx context.Context, tx pgx.Tx, shipment int64, at *time.Time) (order int64, err error) {
	const query = `select o.id, $2 > clock_timestamp() + $3::interval, $2 < o.placed_at - $3::interval
		from shipments s join orders o on o.id = s.order_id where s.id = $1`
	var future, before bool
	err = tx.QueryRow(ctx, query, shipment, at, tolerance).Scan(&order, &future, &before)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, api.Errorf(api.NotFound, "There is no shipment %d.", shipment)
	case err != nil:
		return 0, fmt.Errorf("find the order of shipment %d: %w", shipment, err)
	case future:
		return 0, api.Errorf(api.Unprocessable, "This is later than now: tell what has happened.").At("at")
	case before:
		return 0, api.Errorf(api.Unprocessable, "This is before order %d was placed.", order).At("at")
	}
	return order, nil
}

func noteCarrier(ctx context.Context, tx pgx.Tx, who caller, id int64, e *CarrierEvent, at, eta *time.Time) (*CarrierNoted, error) {
	order, err := orderOf(ctx, tx, id, at)
	if err != nil {
		return nil, err
	}
	o, err := lockKnownOrder(ctx, tx, order)
	if err != nil {
		return nil, err
	}
	const insert = `insert into shipment_events (shipment_id, order_id, status, place, at, eta) values ($1, $2, $3, $4, $5, $6) on conflict do nothing`
	tag, err := tx.Exec(ctx, insert, id, order, e.Status, e.Place, at, eta)
	if err != nil {
		return nil, fmt.Errorf("write an event of shipment %d: %w", id, err)
	}
	noted := &CarrierNoted{Counted: tag.RowsAffected() > 0}
	if noted.Shipment, err = o.parcelAfter(ctx, tx, id, e.Status); err != nil {
		return nil, err
	}
	if noted.Counted {
		if err := note(ctx, tx, who, "shipment.event", fmt.Sprintf("shipment/%d", id), nil, e); err != nil {
			return nil, err
		}
	}
	return noted, o.follow(ctx, tx)
}

// parcelAfter joins what was told to the parcel, and takes its ETA from the newest event that has one: by the carrier's
// clock, since the order in which events come says nothing.
func (o *orderRow) parcelAfter(ctx context.Context, tx pgx.Tx, id int64, told string) (Shipment, error) {
	var known string
	if err := tx.QueryRow(ctx, `select status from shipments where id = $1`, id).Scan(&known); err != nil {
		return Shipment{}, fmt.Errorf("read shipment %d: %w", id, err)
	}
	const update = `with next as (
			select s.id, coalesce((select e.eta from shipment_events e where e.shipment_id = s.id and e.eta is not null
				order by e.at desc, e.status desc limit 1), s.eta) as eta from shipments s where s.id = $1),
		moved as (update shipments s set status = $2, eta = n.eta from next n
			where s.id = n.id and (s.status, s.eta) is distinct from ($2, n.eta))
		select s.id, s.carrier, s.tracking, $2::text, n.eta, s.created_at from shipments s join next n on n.id = s.id`
	rows, err := tx.Query(ctx, update, id, joinParcel(known, told))
	if err != nil {
		return Shipment{}, fmt.Errorf("update shipment %d: %w", id, err)
	}
	parcel, err := pgx.CollectExactlyOneRow(rows, scanShipment)
	if err != nil {
		return Shipment{}, fmt.Errorf("update shipment %d: %w", id, err)
	}
	return parcel, nil
}

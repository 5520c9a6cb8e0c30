package write

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// queuedLife is for how long an order may wait. Idempotency keys are kept a day, and only as long as its key is kept an
// order that was carried out before the database went is known.
const queuedLife = "23 hours"

// maxTries is how often an order is tried that fails for no reason that a customer could be told. After that it is refused:
// those behind it wait.
const maxTries = 5

// refusal is why a queued order was not placed, in a word that may be published: the customer is told. It is the cause of
// the error that says so at length.
type refusal string

const (
	refusedStock refusal = "stock" // something in it can't be had, or not as much of it
	refusedPrice refusal = "price" // it costs another sum than was agreed to
	refusedCart  refusal = "cart"  // the cart is another than was seen
	refusedLate  refusal = "late"  // it waited for too long
	refusedOther refusal = "other"
)

func (r refusal) Error() string { return "refused for " + string(r) }

// refusalOf finds the word for an error.
func refusalOf(why error) refusal {
	var r refusal
	switch {
	case errors.As(why, &r):
		return r
	case api.KindOf(why) == api.OutOfStock:
		return refusedStock
	}
	return refusedOther
}

// PlaceQueued carries a queued order out, once, whoever calls it however often: what became of it is written in the same
// transaction. An error means that it isn't decided and the same order is to be tried again, with the next number of try,
// before any that came later.
func (s *Shop) PlaceQueued(ctx context.Context, q Queued, try int) error {
	_, err := s.transact(ctx, func(tx *unit) error {
		known, err := queuedKnown(ctx, tx, q.ID)
		if err != nil || known {
			return err
		}
		a, err := s.carryOut(ctx, tx, q)
		if err != nil {
			return err
		}
		const insert = `insert into queued_orders (id, customer_id, state, order_id, accepted_at) values ($1, $2, 'placed', $3, $4)`
		_, err = tx.Exec(ctx, insert, q.ID, q.Customer, a.id, q.Accepted)
		return err
	})
	switch kind := api.KindOf(err); {
	case err == nil:
		s.poke()
		return nil
	case kind == api.Unavailable, kind == api.Internal && try < maxTries:
		return fmt.Errorf("place queued order %s: %w", q.ID, err)
	}
	return s.refuseQueued(ctx, q, err)
}

func queuedKnown(ctx context.Context, tx pgx.Tx, id string) (known bool, err error) {
	// Two placers of one order take turns, so that neither finds it refused and placed.
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('freshet.queued.' || $1, 0))`, id); err != nil {
		return false, fmt.Errorf("lock queued order %s: %w", id, err)
	}
	if err := tx.QueryRow(ctx, `select exists (select from queued_orders where id = $1)`, id).Scan(&known); err != nil {
		return false, fmt.Errorf("look for queued order %s: %w", id, err)
	}
	return known, nil
}

// carryOut does what the request's own route does.
func (s *Shop) carryOut(ctx context.Context, tx *unit, q Queued) (answer, error) {
	var late bool
	if err := tx.QueryRow(ctx, `select $1::timestamptz < now() - $2::interval`, q.Accepted, queuedLife).Scan(&late); err != nil {
		return answer{}, fmt.Errorf("compare the time of queued order %s: %w", q.ID, err)
	}
	if late {
		return answer{}, api.Errorf(api.Conflict, "The order waited for more than %s. Order again.", queuedLife).Because(refusedLate)
	}
	switch q.Route {
	case "checkout":
		if s.provider == nil {
			return answer{}, api.Errorf(api.Unavailable, "This shop has no payment provider.")
		}
		var r CheckoutRequest
		if err := json.Unmarshal(q.Request, &r); err != nil {
			return answer{}, api.Errorf(api.Invalid, "This isn't a checkout.").Because(err)
		}
		return s.checkoutIn(ctx, tx, q.Customer, q.Key, &r, nil)
	case "orders":
		var r OrderRequest
		if err := json.Unmarshal(q.Request, &r); err != nil {
			return answer{}, api.Errorf(api.Invalid, "This isn't an order.").Because(err)
		}
		return placeIn(ctx, tx, q.Key, &r)
	}
	return answer{}, api.Errorf(api.Invalid, "There is no way to order by %q.", cut(q.Route, 32))
}

// refuseQueued writes down why the order wasn't placed, for the customer to read.
func (s *Shop) refuseQueued(ctx context.Context, q Queued, why error) error {
	e := new(api.Error)
	if !errors.As(why, &e) {
		e = &api.Error{Kind: api.Internal, Detail: "Something went wrong here. Order again."}
		s.log.Error("queued order refused", "queued", q.ID, "error", why.Error())
	}
	problem, err := json.Marshal(e.Problem())
	if err != nil {
		return fmt.Errorf("encode why queued order %s is refused: %w", q.ID, err)
	}
	_, err = s.transact(ctx, func(tx *unit) error {
		known, err := queuedKnown(ctx, tx, q.ID)
		if err != nil || known {
			return err
		}
		const insert = `insert into queued_orders (id, customer_id, state, problem, reason, accepted_at) values ($1, $2, 'refused', $3, $4, $5)`
		_, err = tx.Exec(ctx, insert, q.ID, q.Customer, problem, refusalOf(why), q.Accepted)
		return err
	})
	if err != nil {
		return fmt.Errorf("refuse queued order %s: %w", q.ID, err)
	}
	return nil
}

var queuedPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// getQueued says what became of an order that was taken while the database was away; also while it is.
func (s *Shop) getQueued(c *fiber.Ctx) error {
	id := c.Params("queued")
	missing := api.Errorf(api.NotFound, "There is no queued order %q.", cut(id, 64))
	if !queuedPattern.MatchString(id) {
		return missing
	}
	if _, err := params(c); err != nil {
		return err
	}
	brief, cancel := context.WithTimeout(c.UserContext(), patience)
	defer cancel()
	// Asked before the table: an order that is decided between the two is in one of them.
	var waiting Queued
	var waits bool
	if s.queue != nil {
		waiting, waits = s.queue.Find(id)
	}
	q, customer, err := s.settled(brief, id)
	if q == nil && waits {
		q, customer, err = &QueuedOrder{ID: id, State: "queued", Accepted: waiting.Accepted}, waiting.Customer, nil
	}
	switch who := callerOf(c); {
	case err != nil:
		return err
	case q == nil, who.role != service && who.account != customer:
		return missing
	}
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	return api.Send(c, http.StatusOK, q)
}

// settled reads what became of a queued order; nil when nothing has yet.
func (s *Shop) settled(ctx context.Context, id string) (*QueuedOrder, int64, error) {
	const query = `select state, accepted_at, order_id, problem, customer_id from queued_orders where id = $1`
	q, customer, problem := &QueuedOrder{ID: id}, int64(0), []byte(nil)
	err := s.pool.QueryRow(ctx, query, id).Scan(&q.State, &q.Accepted, &q.Order, &problem, &customer)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, translate(fmt.Errorf("read queued order %s: %w", id, err))
	}
	q.Accepted, q.Problem = q.Accepted.UTC().Truncate(time.Millisecond), problem
	return q, customer, nil
}

// forgetQueued deletes what became of orders long ago.
func (s *Shop) forgetQueued(ctx context.Context) (bool, error) {
	const batch = `delete from queued_orders where id in (select id from queued_orders where settled_at < now() - interval '30 days' limit $1)`
	tag, err := s.pool.Exec(ctx, batch, sweepBatch)
	return err == nil && tag.RowsAffected() >= sweepBatch, err
}

package write

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
	"freshet/api/write/payment"
)

// PaymentNoted is the answer to a provider's event.
type PaymentNoted struct {
	// Counted is false for one that was known already.
	Counted bool `json:"counted"`
}

// postPaymentEvent takes what the provider tells on its own. The signature is all that speaks for it.
func (s *Shop) postPaymentEvent(c *fiber.Ctx) error {
	if s.provider == nil || c.Params("provider") != s.provider.Name() {
		return api.Errorf(api.NotFound, "There is no payment provider %q.", cut(c.Params("provider"), 32))
	}
	if !payment.Signed(s.secrets, c.Body(), c.Get(payment.HeaderSignature)) {
		return api.Errorf(api.Signature, "The header %s isn't this body's signature.", payment.HeaderSignature)
	}
	e, err := readEvent(c.Body())
	if err != nil {
		return err
	}
	var noted PaymentNoted
	var refused string
	if noted.Counted, refused, err = s.note(c.UserContext(), e); err != nil {
		return translate(err)
	}
	if refused != "" {
		s.log.Error("payment event refused", "provider", s.provider.Name(), "event", e.ID, "reference", e.Reference, "reason", refused)
		return api.Errorf(api.Unprocessable, "%s", refused)
	}
	a, err := made(http.StatusOK, 0, noted)
	if err != nil {
		return err
	}
	return reply(c, a, "", "")
}

// readEvent is lenient about members it doesn't know: a provider may add some.
func readEvent(body []byte) (payment.Event, error) {
	var e payment.Event
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&e); err != nil {
		return e, api.Errorf(api.Invalid, "This isn't an event.").Because(err)
	}
	var c check
	c.match("id", e.ID, eventPattern)
	c.match("reference", e.Reference, eventPattern)
	c.text("key", e.Key, 0, 200)
	if !e.State.Known() || e.State == payment.Pending {
		c.bad("state", "isn't the state of a payment")
	}
	return e, c.err()
}

// toldOf is the payment that an event is about.
type toldOf struct {
	id, order, amount int64
	currency          string
	state             payment.State
}

func (s *Shop) toldOf(ctx context.Context, reference string) (*toldOf, error) {
	const query = `select id, order_id, amount, currency, state from payments where provider = $1 and reference = $2`
	p := &toldOf{}
	err := s.pool.QueryRow(ctx, query, s.provider.Name(), reference).Scan(&p.id, &p.order, &p.amount, &p.currency, &p.state)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, api.Errorf(api.NotFound, "There is no payment with this reference.").At("reference")
	}
	if err != nil {
		return nil, fmt.Errorf("find payment %.64q: %w", reference, err)
	}
	return p, nil
}

// note writes the event down and, the first time, does what follows from it. An event that can't be true is written down
// with the reason and counts for nothing. Most say what the answer to a task has said before: of those there is nothing
// more to do, and since what is known of a payment only rises, no lock is needed to see that.
func (s *Shop) note(ctx context.Context, e payment.Event) (counted bool, refused string, err error) {
	p, err := s.toldOf(ctx, e.Reference)
	if err != nil {
		return false, "", err
	}
	if e.State != payment.Refunded {
		refused = p.refuses(e)
		if refused != "" || p.state.Join(e.State) == p.state {
			fresh, err := s.writeEvent(ctx, s.pool, p, e, refused)
			return fresh && refused == "", refused, err
		}
	}
	err = s.transactUnread(ctx, func(tx *unit) (err error) {
		counted, refused, err = s.follow(ctx, tx, p, e)
		return err
	})
	if counted {
		s.poke()
	}
	return counted, refused, err
}

// follow writes an event down that may be news, and does what follows from it.
func (s *Shop) follow(ctx context.Context, tx *unit, p *toldOf, e payment.Event) (counted bool, refused string, err error) {
	o, err := lockOrderOf(ctx, tx, p.id, p.order)
	if err != nil {
		return false, "", err
	}
	f, about := fact{payment: p.id, state: e.State}, *p
	if e.State == payment.Refunded {
		if f.refund, about.amount, err = refundOf(ctx, tx, p.id, e.Key); err != nil {
			return false, "", err
		}
		if refused = about.refuses(e); f.refund == nil {
			refused = "Nobody here asked for this refund."
		}
	}
	fresh, err := s.writeEvent(ctx, tx, p, e, refused)
	if err != nil || !fresh || refused != "" {
		return false, refused, err
	}
	if err := f.learn(ctx, tx, o, tx.atCommit()); err != nil {
		return false, "", err
	}
	return true, "", nil
}

// refuses says why the event can't be true, "" for when it can.
func (p *toldOf) refuses(e payment.Event) string {
	if e.Amount == p.amount && e.Currency == p.currency {
		return ""
	}
	return fmt.Sprintf("The payment is over %d %s.", p.amount, p.currency)
}

// writeEvent says whether the event is one that wasn't written down before.
func (s *Shop) writeEvent(ctx context.Context, db queryer, p *toldOf, e payment.Event, refused string) (fresh bool, err error) {
	const insert = `insert into payment_events (provider, event_id, payment_id, kind, amount, currency, refused)
		values ($1, $2, $3, $4, $5, $6, nullif($7, '')) on conflict do nothing`
	tag, err := db.Exec(ctx, insert, s.provider.Name(), e.ID, p.id, e.State, e.Amount, cut(e.Currency, 10), refused)
	if err != nil {
		return false, fmt.Errorf("write event %s: %w", e.ID, err)
	}
	return tag.RowsAffected() > 0, nil
}

// refundOf finds the refund whose task had the key, nil for none.
func refundOf(ctx context.Context, tx pgx.Tx, id int64, key string) (refund *int64, amount int64, err error) {
	const query = `select r.id, r.amount from payment_tasks t join refunds r on r.id = t.refund_id join payments p on p.id = t.payment_id
		where t.payment_id = $1 and 'task_' || p.reference || '_' || t.id = $2`
	err = tx.QueryRow(ctx, query, id, key).Scan(&refund, &amount)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("find the refund of task %.64q: %w", key, err)
	}
	return refund, amount, nil
}

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
		return api.Errorf(api.Unauthorized, "The header %s isn't this body's signature.", payment.HeaderSignature)
	}
	e, err := readEvent(c.Body())
	if err != nil {
		return err
	}
	var noted PaymentNoted
	var refused string
	position, err := s.transact(c.UserContext(), func(tx pgx.Tx) (err error) {
		noted.Counted, refused, err = s.note(c.UserContext(), tx, e)
		return err
	})
	if err != nil {
		return err
	}
	if refused != "" {
		s.log.Error("payment event refused", "provider", s.provider.Name(), "event", e.ID, "reference", e.Reference, "reason", refused)
		return api.Errorf(api.Unprocessable, "%s", refused)
	}
	s.poke()
	a, err := made(http.StatusOK, 0, noted)
	if err != nil {
		return err
	}
	return reply(c, a, position, "")
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

// note writes the event down and, the first time, does what follows from it. An event that can't be true is written down
// with the reason and counts for nothing.
func (s *Shop) note(ctx context.Context, tx pgx.Tx, e payment.Event) (counted bool, refused string, err error) {
	var id, amount int64
	var currency string
	const query = `select id, amount, currency from payments where provider = $1 and reference = $2`
	err = tx.QueryRow(ctx, query, s.provider.Name(), e.Reference).Scan(&id, &amount, &currency)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, "", api.Errorf(api.NotFound, "There is no payment with this reference.").At("reference")
	}
	if err != nil {
		return false, "", fmt.Errorf("find payment %.64q: %w", e.Reference, err)
	}
	o, err := lockOrderOf(ctx, tx, id)
	if err != nil {
		return false, "", err
	}
	f := fact{payment: id, state: e.State}
	if e.State == payment.Refunded {
		if f.refund, amount, err = refundOf(ctx, tx, id, e.Key); err != nil {
			return false, "", err
		}
		if f.refund == nil {
			refused = "Nobody here asked for this refund."
		}
	}
	if refused == "" && (e.Amount != amount || e.Currency != currency) {
		refused = fmt.Sprintf("The payment is over %d %s.", amount, currency)
	}
	const insert = `insert into payment_events (provider, event_id, payment_id, kind, amount, currency, refused)
		values ($1, $2, $3, $4, $5, $6, nullif($7, '')) on conflict do nothing`
	tag, err := tx.Exec(ctx, insert, s.provider.Name(), e.ID, id, e.State, e.Amount, cut(e.Currency, 10), refused)
	if err != nil {
		return false, "", fmt.Errorf("write event %s: %w", e.ID, err)
	}
	if tag.RowsAffected() == 0 || refused != "" {
		return false, refused, nil
	}
	return true, "", f.learn(ctx, tx, o)
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

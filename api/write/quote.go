package write

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// QuoteRequest is the body of POST /checkout/quote.
type QuoteRequest struct {
	Store    string `json:"store"`
	Country  string `json:"country"`
	Shipping string `json:"shipping"`
}

// Quote is what the cart would cost now. Its version and total go into the checkout.
type Quote struct {
	Version  int64  `json:"version"`
	Currency string `json:"currency"`
	Totals
	// Changes says what is another than the customer saw; they should see it before they buy.
	Changes []CartChange `json:"changes"`
}

func (s *Shop) postQuote(c *fiber.Ctx) error {
	var r QuoteRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	var ch check
	ch.text("store", r.Store, 1, 64)
	ch.text("shipping", r.Shipping, 1, 32)
	ch.match("country", r.Country, countryPattern)
	if err := ch.err(); err != nil {
		return err
	}
	own, err := ownerOf(c, false)
	if err != nil {
		return err
	}
	q, err := s.quote(c.UserContext(), own, &r)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	return api.Send(c, http.StatusOK, q)
}

// quote calculates as a checkout does, and holds nothing.
func (s *Shop) quote(ctx context.Context, own owner, r *QuoteRequest) (q *Quote, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		k, rows, err := cartOf(ctx, tx, r.Store, own)
		if err != nil {
			return unknownInBody(err, r.Store, "store")
		}
		st := k.store
		if k.id == 0 {
			return api.Errorf(api.Conflict, "There is nothing in the cart.")
		}
		q = &Quote{Version: k.version, Currency: st.currency, Changes: k.view(rows).Changes}
		lines, err := orderLines(rows)
		if err != nil {
			return err
		}
		q.Totals, err = s.totals(Basket{Store: st.code, Currency: st.currency, Country: r.Country, Shipping: r.Shipping, Lines: lines})
		return err
	})
	return q, translate(err)
}

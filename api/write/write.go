// Package write is the API that changes the shop: products, prices, stock and orders, each request one Postgres
// transaction with no network call inside it. Sellers' tools, checkout and support call it over HTTP.
//
// Guarantees: a request takes effect whole or not at all. Stock never goes below what is reserved, whoever asks at once:
// one guarded UPDATE per SKU takes it, a CHECK stands behind, and every change of it is a row of the ledger. An order with
// an idempotency key is placed once, however often it is sent. A PUT that changes nothing writes nothing, so nothing
// moves downstream. Each answer carries Freshet-Position, the position in the log at or after the change, which a read may
// send along to see its effect.
package write

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/api"
)

// headerPosition carries the position in the log from a write to the read that should see it.
const headerPosition = "Freshet-Position"

// Shop carries out the requests on one database.
type Shop struct {
	pool *pgxpool.Pool
	log  *slog.Logger
}

// New returns a Shop on the pool, which stays the caller's to close.
func New(pool *pgxpool.Pool, log *slog.Logger) *Shop { return &Shop{pool: pool, log: log} }

// Ready says whether Postgres answers.
func (s *Shop) Ready(ctx context.Context) error { return s.pool.Ping(ctx) }

// Register adds the routes to the server, all behind its bearer token.
func (s *Shop) Register(server *api.Server) error {
	guard, err := server.Guard()
	if err != nil {
		return fmt.Errorf("guard the write server: %w", err)
	}
	v1 := server.App().Group("/api/v1", guard)
	v1.Post("/products", s.postProduct)
	v1.Put("/products/:product", s.putProduct)
	v1.Put("/stores/:store/prices", s.putPrices)
	v1.Post("/stores/:store/stock", s.postStock)
	v1.Post("/orders", s.postOrder)
	v1.Get("/orders/:order", s.getOrder)
	return nil
}

// idParam reads a positive id from the path; anything else is the name of nothing.
func idParam(c *fiber.Ctx, name string) (int64, error) {
	id, err := strconv.ParseInt(c.Params(name), 10, 64)
	if err != nil || id <= 0 {
		return 0, api.Errorf(api.NotFound, "There is no %s %q.", name, cut(c.Params(name), 64))
	}
	return id, nil
}

// idQuery reads a positive id from the only query parameter that the route has.
func idQuery(c *fiber.Ctx, name string) (int64, error) {
	query, err := url.ParseQuery(string(c.Context().URI().QueryString()))
	if err != nil {
		return 0, api.Errorf(api.Invalid, "The query string isn't well-formed.")
	}
	for key := range query {
		if key != name {
			return 0, api.Errorf(api.Invalid, "There is no such parameter.").At(cut(key, 64))
		}
	}
	id, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil || id <= 0 || len(query[name]) != 1 {
		return 0, api.Errorf(api.Invalid, "This must be one positive number.").At(name)
	}
	return id, nil
}

// Sweep deletes idempotency keys past their 24 hours until ctx ends, a batch at a time so that no delete is long.
func (s *Shop) Sweep(ctx context.Context) error {
	const batch = `delete from idempotency_keys where (scope, key) in
		(select scope, key from idempotency_keys where created_at < now() - interval '24 hours' limit 1000)`
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		tag, err := s.pool.Exec(ctx, batch)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// Old keys do no harm; the next round gets them.
			s.log.Warn("sweep idempotency keys", "error", err.Error())
		case tag.RowsAffected() == 1000:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

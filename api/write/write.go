// Package write is the API that changes the shop: products, prices, stock, carts, checkout, orders, parcels and returns, each
// request one Postgres transaction with no network call inside it. Who asks too often is told so before that. While Postgres
// is away orders go into a queue instead. Shoppers, sellers' tools and support call it over HTTP.
//
// Guarantees: a request takes effect whole or not at all, a bulk upsert line by line. What sellers, staff and systems of the
// shop do leaves a note in the transaction that does it. Stock never goes below what is reserved, whoever asks at once:
// one guarded UPDATE per SKU takes it, a CHECK stands behind, and every change of it is a row of the ledger. An order with
// an idempotency key is placed once, however often it is sent, and paid once, whatever the payment provider does. What
// another owns is not found. A PUT that changes nothing writes nothing, so nothing moves downstream. Each answer carries
// Freshet-Position, the position in the log at or after the change, which a read may send along to see its effect.
package write

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/api"
	"freshet/api/auth"
	"freshet/api/limit"
	"freshet/api/write/payment"
)

// headerPosition carries the position in the log from a write to the read that should see it.
const headerPosition = "Freshet-Position"

// Config is what a Shop is made of.
type Config struct {
	// Pool is the database; it stays the caller's to close.
	Pool *pgxpool.Pool
	// Verifier believes the tokens of accounts. Without one only the server's own token opens anything.
	Verifier *auth.Verifier
	// Issuer signs the tokens of those who sign in. Without one nobody can.
	Issuer *auth.Issuer
	// Provider carries payments out. Without one nothing can be bought.
	Provider provider
	// Secrets sign the provider's events; several are for the time of a change.
	Secrets []string
	// Shipping and Tax calculate what comes with a basket. Default: flat rates, and the VAT that European prices include.
	Shipping Shipping
	Tax      Tax
	// Hold is for how long an order without money holds its stock. Default 5 minutes. Too short and customers lose what
	// they are about to pay; too long and a few who never pay keep it from those who would.
	Hold time.Duration
	// Queue takes orders while Postgres is away. Without one they are refused then.
	Queue queue
	// Limits are how often something may be asked.
	Limits Limits
	// Log is told what no answer can tell. Default slog.Default().
	Log *slog.Logger
}

func (c *Config) defaults() error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Shipping == nil {
		c.Shipping = defaultShipping()
	}
	if c.Tax == nil {
		c.Tax = defaultTax()
	}
	if c.Hold == 0 {
		c.Hold = 5 * time.Minute
	}
	if c.Limits.SignIns == nil {
		c.Limits.SignIns = limit.NewMemory(SignIns)
	}
	if c.Hold < 0 {
		return fmt.Errorf("orders can't hold stock for %s", c.Hold)
	}
	if c.Provider == nil {
		return nil
	}
	return payment.CheckSecrets(c.Secrets)
}

// Shop carries out the requests on one database.
type Shop struct {
	pool     *pgxpool.Pool
	verifier *auth.Verifier
	issuer   *auth.Issuer
	hashing  hashing
	limits   Limits
	provider provider
	secrets  []string
	shipping Shipping
	tax      Tax
	hold     time.Duration
	queue    queue
	work     chan struct{} // pokes the payers
	busy     chan struct{} // one for each payer who has a task, or is kept for one
	handed   chan *claimed // tasks that were written down for a payer
	paying   atomic.Bool   // there are payers
	settling chan struct{} // one for each payer who writes down what the provider said
	bulks    chan struct{} // one for each bulk upsert that runs
	log      *slog.Logger
}

// New returns a Shop. Its Run has to run for orders to be paid and to expire.
func New(cfg Config) (*Shop, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	settlers := 1
	if cfg.Pool != nil {
		settlers = max(1, int(cfg.Pool.Config().MaxConns)/settlersShare)
	}
	return &Shop{
		pool: cfg.Pool, verifier: cfg.Verifier, issuer: cfg.Issuer, hashing: newHashing(), limits: cfg.Limits,
		provider: cfg.Provider, secrets: cfg.Secrets, shipping: cfg.Shipping, tax: cfg.Tax,
		hold: cfg.Hold, queue: cfg.Queue, work: make(chan struct{}, 1), busy: make(chan struct{}, payers), handed: make(chan *claimed, payers),
		settling: make(chan struct{}, settlers), bulks: make(chan struct{}, bulks), log: cfg.Log,
	}, nil
}

// Ready says whether Postgres answers, or else orders can be queued: a server that can't do everything is better than none.
func (s *Shop) Ready(ctx context.Context) error {
	brief, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := s.pool.Ping(brief)
	if err != nil && s.queue != nil {
		return s.queue.Ready(ctx)
	}
	return err
}

// Register adds the routes to the server. Each says who may call it; what is theirs is decided below, by ownership.
func (s *Shop) Register(server *api.Server) error {
	matches, err := server.TokenCheck()
	if err != nil {
		return fmt.Errorf("guard the write server: %w", err)
	}
	g := &gate{service: matches, verifier: s.verifier, limits: s.limits}
	v1 := server.App().Group("/api/v1")
	v1.Post("/orders", g.allow(service), s.postOrder)
	v1.Get("/orders/:order", g.allow(service, auth.Customer), s.getOrder)
	server.Streamed(fiber.MethodPut, "/api/v1/products")
	s.registerCatalog(v1, g)
	s.registerAccounts(v1, g)
	v1.Get("/staff/actions", g.allow(service, auth.Support), s.getActions)
	s.registerCart(v1, g)
	s.registerCheckout(v1, g)
	s.registerParcels(v1, g)
	return nil
}

func (s *Shop) registerCatalog(v1 fiber.Router, g *gate) {
	keeper := g.allow(service, auth.Seller)
	v1.Post("/products", keeper, s.postProduct)
	v1.Put("/products", keeper, s.putProducts)
	v1.Get("/products/:product", g.allow(service, auth.Seller, auth.Support, auth.Data), s.getProduct)
	v1.Put("/products/:product", keeper, s.putProduct)
	v1.Put("/stores/:store/prices", keeper, s.putPrices)
	v1.Post("/stores/:store/stock", keeper, s.postStock)
	v1.Get("/stores/:store/stock", g.allow(service, auth.Seller, auth.Support, auth.Data), s.getStock)
	v1.Put("/stores/:store/stock/thresholds", keeper, s.putThresholds)
	v1.Post("/stock/transfers", keeper, s.postTransfer)
}

func (s *Shop) registerAccounts(v1 fiber.Router, g *gate) {
	v1.Post("/accounts", g.allow(guest, service), s.postAccount)
	v1.Post("/sessions", g.allow(guest), s.postSession)
	v1.Post("/sessions/refresh", g.allow(guest), s.postRefresh)
	v1.Post("/sessions/end", g.allow(guest), s.postSignOut)
}

func (s *Shop) registerCart(v1 fiber.Router, g *gate) {
	shopper := g.allow(guest, auth.Customer)
	v1.Get("/cart", shopper, s.getCart)
	v1.Post("/cart/accept", shopper, s.postCartAccept)
	v1.Post("/cart/merge", g.allow(auth.Customer), s.postCartMerge)
	v1.Post("/cart/:product", shopper, s.postCartItem)
	v1.Put("/cart/:product", shopper, s.putCartItem)
	v1.Delete("/cart/:product", shopper, s.deleteCartItem)
}

func (s *Shop) registerCheckout(v1 fiber.Router, g *gate) {
	customer := g.allow(auth.Customer)
	v1.Post("/checkout", customer, s.postCheckout)
	v1.Get("/queued/:queued", g.allow(service, auth.Customer), s.getQueued)
	v1.Post("/checkout/quote", g.allow(guest, auth.Customer), s.postQuote)
	v1.Post("/orders/:order/extend", customer, s.postExtend)
	v1.Post("/orders/:order/payments", customer, s.postPayment)
	v1.Post("/cancel", g.allow(auth.Customer, auth.Support), s.postCancel)
	v1.Post("/payments/:provider/events", g.allow(guest), s.postPaymentEvent)
}

func (s *Shop) registerParcels(v1 fiber.Router, g *gate) {
	staff := g.allow(service, auth.Support)
	v1.Post("/orders/:order/shipments", staff, s.postShipment)
	v1.Post("/shipments/:shipment/events", staff, s.postCarrierEvent)
	v1.Post("/orders/:order/returns", g.allow(auth.Customer, auth.Support), s.postReturn)
	v1.Post("/returns/:return/approve", staff, s.postReturnApprove)
	v1.Post("/returns/:return/reject", staff, s.postReturnReject)
	v1.Post("/returns/:return/receive", staff, s.postReturnReceive)
	v1.Post("/returns/:return/refund", staff, s.postReturnRefund)
}

// idParam reads a positive id from the path; anything else is the name of nothing.
func idParam(c *fiber.Ctx, name string) (int64, error) {
	id, err := strconv.ParseInt(c.Params(name), 10, 64)
	if err != nil || id <= 0 {
		return 0, api.Errorf(api.NotFound, "There is no %s %q.", name, cut(c.Params(name), 64))
	}
	return id, nil
}

// params reads the query string, which may have the named parameters, each once.
func params(c *fiber.Ctx, names ...string) (url.Values, error) {
	query, err := url.ParseQuery(string(c.Context().URI().QueryString()))
	if err != nil {
		return nil, api.Errorf(api.Invalid, "The query string isn't well-formed.")
	}
	for key, values := range query {
		if !slices.Contains(names, key) {
			return nil, api.Errorf(api.Invalid, "There is no such parameter.").At(cut(key, 64))
		}
		if len(values) != 1 {
			return nil, api.Errorf(api.Invalid, "This may be given once.").At(key)
		}
	}
	return query, nil
}

// idQuery reads a positive id from the only query parameter that the route has.
func idQuery(c *fiber.Ctx, name string) (int64, error) {
	query, err := params(c, name)
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil || id <= 0 {
		return 0, api.Errorf(api.Invalid, "This must be one positive number.").At(name)
	}
	return id, nil
}

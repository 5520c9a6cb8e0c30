// Package read is the API that shoppers' pages are made from: stores, home and category pages, product pages, search, and
// what is an account's own: a customer's orders, a seller's alerts. Storefronts call it over HTTP.
//
// A page is one read by _id of a document that is already the page; a search is one _search; neither touches Postgres.
// Guarantees: Freshet-As-Of never claims more than the answer holds, since it is read before the documents are; a request
// that carries Freshet-Position is answered from a state that has passed it, or says Freshet-Behind. Without Elasticsearch
// the pages go on; without MongoDB the open connections' requests are told to come back. What belongs to an account is shown
// to its token and to support's, and for everybody else it isn't there.
package read

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/language"

	"freshet/api"
	"freshet/api/auth"
	"freshet/api/read/tally"
	"freshet/ingest/change"
	"freshet/projectors/alert"
	"freshet/projectors/catalog"
	"freshet/projectors/dimension"
	"freshet/projectors/offer"
	"freshet/projectors/order"
	"freshet/projectors/progress"
	"freshet/projectors/recommend"
	"freshet/projectors/tree"
	"freshet/search"
)

// Pages are the documents of the category tree, part by part; tree.Store has them.
type Pages interface {
	Home(ctx context.Context, store int64, lang string, part int) (tree.Home, error)
	HomeText(ctx context.Context, store int64, lang string, part int) (tree.HomeText, error)
	NodeText(ctx context.Context, store, category int64, lang string, part int) (tree.NodeText, error)
}

// Products are the two documents of a product page, nil where there is none; Documents has them.
type Products interface {
	Product(ctx context.Context, store, product int64) (*catalog.Product, *offer.Offer, error)
	// Offers are the documents of several products, by id.
	Offers(ctx context.Context, store int64, products []int64) (map[int64]*catalog.Product, map[string]*offer.Offer, error)
}

// Searcher answers queries; search.Searcher does.
type Searcher interface {
	Search(ctx context.Context, q search.Query, dims *dimension.Set) (search.Result, error)
	Page(ctx context.Context, q search.Query, from *search.Place, dims *dimension.Set) (search.Result, *search.Place, error)
	SearchAll(ctx context.Context, queries []search.Query, dims *dimension.Set) ([]search.Result, error)
	Explain(ctx context.Context, q search.Query, r *search.Result, dims *dimension.Set) ([]search.Explanation, error)
	Suggest(ctx context.Context, store int64, lang, text string, limit int, dims *dimension.Set) (search.Suggestions, error)
	FacetValues(ctx context.Context, q search.Query, code, text string, limit int, dims *dimension.Set) ([]search.Value, error)
}

// Dimensions are the loaded small tables; dimension.Cache has them.
type Dimensions interface {
	Get() *dimension.Set
	Refresh(ctx context.Context) error
}

// Progress says how far the stages have come; progress.Tracker does.
type Progress interface {
	Lowest(stages ...string) (progress.Watermark, bool)
	Wait(ctx context.Context, lsn change.LSN, stages ...string) error
}

// Config is what a Shop is made of.
type Config struct {
	Pages      Pages
	Products   Products
	Searcher   Searcher
	Dimensions Dimensions
	Progress   Progress
	Orders     Orders
	Alerts     Alerts
	// Recommendations say what else to show.
	Recommendations Recommendations
	// Tally is told what is searched for; nil for nobody. Demand knows what is popular; nil for nothing.
	Tally  Tally
	Demand Demand
	// Verifier believes the tokens of accounts. Without one the routes of accounts answer 401.
	Verifier *auth.Verifier
	// CursorKey signs the cursors of walks through hits. Servers behind one address need the same; without one a server makes
	// its own, and cursors end with its process.
	CursorKey []byte
	// Wait is how long a request waits for the position it carries, default 1 s; negative for not at all. It must be well
	// below the server's timeout, else a reader who waits gets an error for an answer.
	Wait time.Duration
	// Refresh is how often the dimensions are looked at, default 250 ms.
	Refresh time.Duration
	Log     *slog.Logger // default slog.Default()
}

// Shop answers the read requests.
type Shop struct {
	cfg     Config
	clock   clock
	cursors cursors
	popular popularLists
	client  func(*fiber.Ctx) string // the address of who asks

	matchers matchers
}

// New returns a Shop; Run keeps its dimensions fresh.
func New(cfg Config) *Shop {
	if cfg.Wait == 0 {
		cfg.Wait = time.Second
	}
	if cfg.Refresh <= 0 {
		cfg.Refresh = 250 * time.Millisecond
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Shop{
		cfg: cfg, clock: clock{progress: cfg.Progress, dims: cfg.Dimensions, wait: max(cfg.Wait, 0)}, cursors: newCursors(cfg.CursorKey),
		popular:  popularLists{lists: map[front]popularList{}},
		matchers: matchers{made: map[string]language.Matcher{}},
	}
}

// Run keeps the dimensions fresh until ctx ends. A store that can't be reached is logged once for each outage; requests go
// on being answered with what was loaded last.
func (s *Shop) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Refresh)
	defer tick.Stop()
	failing := false
	for {
		err := s.clock.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			s.cfg.Log.Warn("dimensions can't be refreshed, the last ones stay in use", "error", err.Error())
		case err == nil && failing:
			s.cfg.Log.Info("dimensions are refreshed again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Ready says whether the dimensions can be read; without them no request can be answered.
func (s *Shop) Ready(ctx context.Context) error {
	if err := s.clock.refresh(ctx); err != nil {
		return fmt.Errorf("read the dimensions: %w", err)
	}
	return nil
}

// Register adds the routes to the server.
func (s *Shop) Register(server *api.Server) {
	s.client = server.Client
	v1 := server.App().Group("/api/v1")
	v1.Get("/stores", s.handle(dimensionStages, s.stores))
	v1.Get("/stores/:store/home", s.handle(pageStages, s.home))
	v1.Get("/stores/:store/home/parts/:part", s.handle(pageStages, s.home))
	v1.Get("/stores/:store/categories/:category", s.handle(pageStages, s.category))
	v1.Get("/stores/:store/categories/:category/parts/:part", s.handle(pageStages, s.categoryPart))
	v1.Get("/stores/:store/products/:product", s.handle(productStages, s.product))
	v1.Get("/stores/:store/products/:product/together", s.handle(togetherStages, s.together))
	v1.Get("/stores/:store/picks", s.anyone(picksStages, s.picks))
	v1.Get("/stores/:store/search", s.anyone(searchStages, s.search))
	v1.Get("/stores/:store/facets/:facet", s.handle(searchStages, s.facetValues))
	v1.Get("/stores/:store/suggest", s.handle(searchStages, s.suggest))
	v1.Post("/stores/:store/clicks", crossOrigin, s.handle(dimensionStages, s.clicked))
	v1.Get("/products", s.handle(searchStages, s.list))
	v1.Get("/orders", s.private(orderStages, s.history, auth.Customer, auth.Support))
	v1.Get("/orders/:order", s.private(orderStages, s.order, auth.Customer, auth.Support))
	v1.Get("/track/:order", s.private(orderStages, s.track, auth.Customer, auth.Support))
	v1.Get("/alerts", s.private(alertStages, s.alerts, auth.Seller, auth.Support, auth.Data))
	s.registerInstant(server.App())
}

// The stages whose progress an answer depends on.
var (
	dimensionStages = []string{"dimension"}
	pageStages      = []string{"tree"}
	productStages   = []string{"offer", "catalog", "dimension"}
	searchStages    = []string{"index"}
	orderStages     = []string{order.StageName}
	alertStages     = []string{alert.StageName}
	togetherStages  = []string{recommend.StageName, "offer", "catalog", "dimension"}
	picksStages     = append([]string{"tree"}, togetherStages...)
)

// request is what a handler sees of an HTTP request: values alone, none of which the next request overwrites.
type request struct {
	query  *query
	store  string // of the path
	item   string // the category, product or order of the path
	index  string // of the path
	facet  string // of the path
	part   string // of the path, "" for the first
	body   []byte
	cursor string // of a walk, "" for none
	who    caller
	accept string // Accept-Language
	client tally.Client
	dims   *dimension.Set

	matchers *matchers // of Accept-Language
}

// response is a document and its language, "" for none in particular.
type response struct {
	document any // a text, or what is encoded as JSON
	lang     string
}

// handler answers a request.
type handler func(ctx context.Context, r *request) (response, error)

// handle makes a route that anybody may call.
func (s *Shop) handle(stages []string, f handler) fiber.Handler {
	return func(c *fiber.Ctx) error { return s.answer(c, stages, caller{}, f) }
}

// answer waits for the position, then takes the dimensions and the time, then reads. In this order, what is read is at
// least as new as what the answer claims.
func (s *Shop) answer(c *fiber.Ctx, stages []string, who caller, f handler) error {
	ctx := c.UserContext()
	q, err := parseQuery(string(c.Context().URI().QueryString()))
	if err != nil {
		return err
	}
	position, err := parsePosition(c.Get(headerPosition))
	if err != nil {
		return err
	}
	if !s.clock.ever.Load() {
		// Without any dimensions every store would seem not to exist.
		if err := s.clock.refresh(ctx); err != nil {
			return api.Errorf(api.Unavailable, "The stores are not loaded yet.").RetryAfter(1).Because(err)
		}
	}
	behind := s.clock.await(ctx, position, stages)
	asOf := s.clock.asOf(stages)
	c.Set(headerAsOf, asOf.String())
	if behind {
		c.Set(headerBehind, "true")
	}
	answer, err := f(ctx, &request{
		query: q, store: c.Params("store"), item: cmp.Or(c.Params("category"), c.Params("product"), c.Params("order")), who: who,
		index: param(c, "index"), facet: param(c, "facet"), part: param(c, "part"), body: bytes.Clone(c.Body()),
		accept: c.Get(fiber.HeaderAcceptLanguage), client: tally.Client{Address: s.client(c), Agent: c.Get(fiber.HeaderUserAgent)}, dims: s.cfg.Dimensions.Get(), matchers: &s.matchers,
	})
	if err != nil {
		return s.explain(err)
	}
	return send(c, who, answer)
}

// param is a parameter of the path as a value that outlives the request, without the escapes of a URL.
func param(c *fiber.Ctx, name string) string {
	raw := strings.Clone(c.Params(name))
	if text, err := url.PathUnescape(raw); err == nil {
		return text
	}
	return raw
}

func send(c *fiber.Ctx, who caller, r response) error {
	body, ready := r.document.(text)
	if !ready {
		encoded, err := api.Encode(r.document)
		if err != nil {
			return err
		}
		body = encoded
	}
	tag := etag(body)
	c.Set(fiber.HeaderETag, tag)
	// Caches may keep it but must ask: the point of all this is that a change shows within a second.
	c.Set(fiber.HeaderCacheControl, "public, no-cache")
	if who.role != "" {
		c.Set(fiber.HeaderCacheControl, "private, no-cache")
	}
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptLanguage)
	if r.lang != "" {
		c.Set(fiber.HeaderContentLanguage, r.lang)
	}
	if matches(c.Get(fiber.HeaderIfNoneMatch), tag) {
		return c.SendStatus(http.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	return c.Status(http.StatusOK).Send(body)
}

package read_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/api"
	"freshet/api/apitest"
	"freshet/api/auth"
	"freshet/api/read"
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

// world is a set of read models small enough to know by heart, held in memory. fault, where set, is what every store answers.
type world struct {
	homes     map[string]tree.Home
	nodes     map[string]tree.Node
	products  map[int64]*catalog.Product
	offers    map[string]*offer.Offer
	result    search.Result
	asked     search.Query
	dims      *dimension.Set
	orders    map[int64]*order.Order
	alerted   []alert.Alert // the newest first
	pairs     map[int64][]recommend.Pair
	scores    map[int64][]recommend.Score
	bought    map[int64][]recommend.Score
	fault     error
	forgotten error // what was bought can't be read

	position  change.LSN // of every stage
	refreshed int
}

func (w *world) Home(_ context.Context, store int64, lang string, part int) (tree.Home, error) {
	h, ok := w.homes[tree.PartID(tree.HomeID(store, lang), part)]
	if w.fault != nil || !ok {
		return h, errors.Join(w.fault, tree.ErrNotFound)
	}
	return h, nil
}

func (w *world) HomeText(ctx context.Context, store int64, lang string, part int) (text tree.HomeText, err error) {
	h, err := w.Home(ctx, store, lang, part)
	if err != nil {
		return text, err
	}
	err = stored(h, &text)
	return text, err
}

func (w *world) NodeText(_ context.Context, store, category int64, lang string, part int) (text tree.NodeText, err error) {
	n, ok := w.nodes[tree.PartID(tree.NodeID(store, category, lang), part)]
	if w.fault != nil {
		return text, w.fault
	}
	if !ok {
		return text, fmt.Errorf("page: %w", tree.ErrNotFound)
	}
	err = stored(n, &text)
	return text, err
}

// stored reads a page as it would be stored.
func stored(page bson.Marshaler, text bson.Unmarshaler) error {
	raw, err := page.MarshalBSON()
	if err != nil {
		return err
	}
	return text.UnmarshalBSON(raw)
}

func (w *world) Product(_ context.Context, store, product int64) (*catalog.Product, *offer.Offer, error) {
	return w.products[product], w.offers[offer.ID(store, product)], w.fault
}

func (w *world) Search(_ context.Context, q search.Query, _ *dimension.Set) (search.Result, error) {
	w.asked = q
	if err := q.Validate(); err != nil {
		return search.Result{}, err
	}
	return w.result, w.fault
}

func (w *world) Order(_ context.Context, id int64) (*order.Order, error) {
	return w.orders[id], w.fault
}

// History is the Store's by brute force.
func (w *world) History(_ context.Context, customer int64, p order.Period) ([]*order.Order, error) {
	var found []*order.Order
	for _, o := range w.orders {
		after := p.ID == 0 || o.Row.Placed < p.Placed || (o.Row.Placed == p.Placed && o.ID < p.ID)
		if o.Row.Customer == customer && o.Row.Placed >= p.From && o.Row.Placed < p.To && after {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *order.Order) int {
		return cmp.Or(cmp.Compare(b.Row.Placed, a.Row.Placed), cmp.Compare(b.ID, a.ID))
	})
	return found[:min(len(found), p.Limit)], w.fault
}

func (w *world) Offers(context.Context, int64, []int64) (map[int64]*catalog.Product, map[string]*offer.Offer, error) {
	return w.products, w.offers, w.fault
}

func (w *world) Together(_ context.Context, product int64) ([]recommend.Pair, error) {
	return w.pairs[product], w.fault
}

func (w *world) Picks(_ context.Context, customer int64) ([]recommend.Score, error) {
	return w.scores[customer], w.fault
}

func (w *world) Bought(_ context.Context, customer int64) ([]recommend.Score, error) {
	return w.bought[customer], errors.Join(w.fault, w.forgotten)
}

// Alerts is the Store's by brute force.
func (w *world) Alerts(_ context.Context, seller int64, f alert.Filter) ([]alert.Alert, error) {
	found := []alert.Alert{}
	for _, a := range w.alerted {
		after := f.ID == "" || a.At < f.At || (a.At == f.At && a.ID < f.ID)
		if a.Seller == seller && (f.Store == 0 || f.Store == a.Store) && (f.Kind == "" || f.Kind == a.Kind) && after && len(found) < f.Limit {
			found = append(found, a)
		}
	}
	return found, w.fault
}

func (w *world) Page(_ context.Context, q search.Query, from *search.Place, _ *dimension.Set) (search.Result, *search.Place, error) {
	w.asked = q
	next := &search.Place{Moment: "m", Offset: 1}
	if from != nil {
		next.Offset += from.Offset
	}
	return w.result, next, w.fault
}

func (w *world) Explain(_ context.Context, q search.Query, r *search.Result, _ *dimension.Set) ([]search.Explanation, error) {
	w.asked = q
	return []search.Explanation{{Product: r.Hits[0].Product, Score: 2, Reasons: []search.Reason{{Kind: search.ReasonText, Factor: 2, Text: "How well."}}}}, w.fault
}

func (w *world) SearchAll(_ context.Context, queries []search.Query, _ *dimension.Set) ([]search.Result, error) {
	results := make([]search.Result, len(queries))
	for i := range queries {
		if err := queries[i].Validate(); err != nil {
			return nil, err
		}
		w.asked, results[i] = queries[i], w.result
	}
	return results, w.fault
}

func (w *world) Suggest(_ context.Context, store int64, lang, text string, limit int, _ *dimension.Set) (search.Suggestions, error) {
	w.asked = search.Query{Store: store, Lang: lang, Text: text, Limit: limit}
	found := search.Suggestions{
		Products: w.result.Hits, Categories: []search.Suggestion{{ID: 2, Name: "Stivali", Count: 1}}, Brands: []search.Suggestion{{ID: 5, Name: "Lupo", Count: 1}},
	}
	return found, w.fault
}

func (w *world) FacetValues(_ context.Context, q search.Query, _, _ string, _ int, _ *dimension.Set) ([]search.Value, error) {
	w.asked = q
	return w.result.Facets[0].Values, w.fault
}

func (w *world) Get() *dimension.Set { return w.dims }

func (w *world) Refresh(context.Context) error {
	w.refreshed++
	return w.fault
}

func (w *world) Lowest(...string) (progress.Watermark, bool) {
	return progress.Watermark{LSN: w.position}, w.position > 0
}

func (w *world) Wait(ctx context.Context, lsn change.LSN, _ ...string) error {
	if w.position >= lsn {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func position(n uint64) change.Position { return change.Position{Commit: change.LSN(n), Index: 1} }

func newWorld() *world {
	parent, unit, slot := int64(1), "kg", int64(0)
	card := tree.Card{Product: 7, Title: "Stivale", Slug: "stivale", Price: 12900, ListPrice: 15900, Image: "https://img.example.org/7.jpg", Brand: "Lupo", InStock: true, Rating: 4.3, Reviews: 4}
	at := position(1)
	return &world{
		position: 100,
		orders:   newOrders(),
		dims: dimension.NewSet(3, dimension.Rows{
			Stores: []dimension.Store{
				{ID: 1, Code: "milano", Name: "Milano", Market: "it", Currency: "EUR", Languages: []string{"it", "en", "de"}, TreeID: 1, Active: true},
				{ID: 2, Code: "paris", Name: "Paris", Market: "fr", Currency: "EUR", Languages: []string{"fr"}, TreeID: 1},
			},
			Categories: []dimension.Category{
				{ID: 1, TreeID: 1, Slug: "scarpe", Active: true},
				{ID: 2, TreeID: 1, ParentID: &parent, Slug: "stivali", Active: true},
				{ID: 3, TreeID: 1, Slug: "nascosta"},
				{ID: 9, TreeID: 2, Slug: "altrove", Active: true},
			},
			Texts:   []dimension.CategoryText{{CategoryID: 1, Lang: "it", Name: "Scarpe"}, {CategoryID: 2, Lang: "it", Name: "Stivali"}, {CategoryID: 2, Lang: "en", Name: "Boots"}},
			Brands:  []dimension.Brand{{ID: 5, Name: "Lupo", Slug: "lupo"}},
			Sellers: []dimension.Seller{{ID: 4, Name: "Calzaturificio", Slug: "calzaturificio"}},
			Attributes: []dimension.Attribute{
				{Code: "colour", Kind: "keyword", Facet: true, Labels: `{"it":"Colore","en":"Colour"}`},
				{Code: "weight", Kind: "number", Facet: true, NumericSlot: &slot, Unit: &unit, Labels: `{"en":"Weight"}`},
				{Code: "vegan", Kind: "boolean", Labels: `{}`},
			},
		}),
		homes: map[string]tree.Home{"1:it": {Categories: []tree.Section{{ID: 1, Slug: "scarpe", Name: "Scarpe", Count: 1, Cards: []tree.Card{card}}}}, "1:en": {}},
		nodes: map[string]tree.Node{"1:2:it": {
			Category: 2, Slug: "stivali", Name: "Stivali", Count: 1, Cards: []tree.Card{card},
			Facets:      []tree.Facet{{Code: "colour", Values: []tree.FacetValue{{Value: "nero", Count: 1}}}, {Code: "gone"}, {Code: "weight", Values: []tree.FacetValue{}, Bounds: []float64{0, 2.5}}},
			Breadcrumbs: []tree.Crumb{{ID: 1, Slug: "scarpe", Name: "Scarpe"}, {ID: 2, Slug: "stivali", Name: "Stivali"}},
		}},
		products: map[int64]*catalog.Product{7: {
			ID: 7, Rev: 3, Row: catalog.Row{Pos: at, SellerID: 4, BrandID: 5, Type: "boot", Status: "active"},
			Attributes: catalog.Attributes{Pos: at, Value: json.RawMessage(`{"weight":1.2,"colour":["nero","rosso"],"vegan":false,"secret":"x"}`)},
			Images:     catalog.Images{Pos: at, Value: json.RawMessage(`[{"url":"https://img.example.org/7.jpg","alt":"Stivale"},"no picture",{"url":7},null]`)},
			Brand:      catalog.Brand{ID: 5, Pos: at, Name: "Lupo"},
			Reviews:    []catalog.Tally{{Rev: 6, Count: 4, Sum: 17}},
			Texts:      []catalog.Text{{Lang: "en", Pos: at, Title: "Boot", Slug: "boot"}, {Lang: "it", Pos: at, Title: "Stivale", Slug: "stivale", Description: "Caldo & nero."}},
			Variants:   []catalog.Variant{{SKU: "A-41", Pos: at, Options: json.RawMessage(`{"size":41}`)}, {SKU: "A-42", Pos: at}, {SKU: "A-43", Pos: at}},
			Categories: []catalog.Category{{ID: 2, Pos: at}, {ID: 3, Pos: at}, {ID: 9, Pos: at}},
		}},
		offers: map[string]*offer.Offer{"1:7": {
			ID: "1:7", Rev: 4, Store: 1, Product: 7, Row: offer.Row{Pos: at, Status: "active", Boost: 1},
			Prices: []offer.Price{
				{SKU: "A-41", Pos: at, Amount: 12900, ListAmount: 15900},
				{SKU: "A-42", Pos: at, Amount: 9900, ListAmount: 11900, ValidTo: "2020-01-01T00:00:00Z"},
				{SKU: "A-43", Pos: at, Amount: 100, ValidFrom: "2199-01-01T00:00:00Z"},
			},
			Stock: []offer.Stock{{SKU: "A-41", Pos: at, OnHand: 5, Reserved: 3, LowStockAt: 2}, {SKU: "A-42", Pos: at, OnHand: 1}, {SKU: "A-43", Pos: at, OnHand: 1}},
		}},
		result: search.Result{
			Total: 1, Hits: []search.Hit{{Card: search.Card(card), Score: 2}},
			Facets: []search.Facet{{Code: "brand", Kind: search.KindBrand, Values: []search.Value{{Value: "5", Label: "Lupo", Count: 1}}}},
		},
	}
}

// shop is a read server on a world.
type shop struct {
	t *testing.T
	*world
	server *api.Server
	issuer *auth.Issuer
}

func newShop(t *testing.T) *shop {
	t.Helper()
	w := newWorld()
	issuer, verifier := accounts(t)
	return &shop{t: t, world: w, issuer: issuer, server: serve(t, read.Config{
		Pages: w, Products: w, Searcher: w, Dimensions: w, Progress: w, Orders: w, Alerts: w, Recommendations: w, Verifier: verifier, Wait: 50 * time.Millisecond,
	})}
}

func serve(t testing.TB, cfg read.Config) *api.Server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cfg.Log = log
	s := read.New(cfg)
	server, err := api.New(api.Config{Name: "read", Timeout: 10 * time.Second, Log: log}, s.Ready)
	if err != nil {
		t.Fatal(err)
	}
	s.Register(server)
	return server
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (s *shop) get(path string, header ...string) reply {
	s.t.Helper()
	return request(s.t, s.server, "GET", path, "", header...)
}

// request makes a request and holds the answer against the OpenAPI file.
func request(t *testing.T, server *api.Server, method, path, body string, header ...string) reply {
	t.Helper()
	req := httptest.NewRequest(method, path, bytes.NewReader([]byte(body)))
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := server.App().Test(req, -1)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	got, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if err := apitest.Check("read", req, resp, []byte(body), got); err != nil {
		t.Fatal(err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: got}
}

func (r reply) want(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

func (r reply) decode(t *testing.T, dst any) {
	t.Helper()
	if err := json.Unmarshal(r.body, dst); err != nil {
		t.Fatalf("decode %s: %v", r.body, err)
	}
}

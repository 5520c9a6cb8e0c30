package read_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet/api/auth"
	"freshet/api/read"
	"freshet/ingest/change"
	"freshet/projectors/order"
)

func accounts(t *testing.T) (*auth.Issuer, *auth.Verifier) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := auth.NewIssuer("a", private, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(map[string]ed25519.PublicKey{"a": public})
	if err != nil {
		t.Fatal(err)
	}
	return issuer, verifier
}

// as makes a request with the token of an account.
func (s *shop) as(role auth.Role, account int64, path string, header ...string) reply {
	s.t.Helper()
	claims := auth.Claims{Subject: fmt.Sprint(account), Role: role}
	if role == auth.Seller {
		claims.Subject, claims.Seller = "900", account // a seller's account has a number of its own
	}
	token, err := s.issuer.Issue(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.get(path, append(header, "Authorization", "Bearer "+token)...)
}

// newOrders are 31, 32 and 33 of customer 5 and 34 of customer 6, a day apart.
func newOrders() map[int64]*order.Order {
	at := order.Mark{Pos: change.Position{Commit: 1, Index: 1}}
	day := func(n int) order.Instant {
		return order.Instant(time.Date(2026, 3, n, 12, 0, 0, 1000, time.UTC).UnixMicro())
	}
	orders := map[int64]*order.Order{}
	for i, customer := range []int64{5, 5, 5, 6} {
		id := int64(31 + i)
		orders[id] = &order.Order{
			ID: id, Row: order.Row{Mark: at, Customer: customer, Store: 1, Status: "shipped", Currency: "EUR", Total: 12900, Placed: day(i + 1)},
			Lines: []order.Line{
				{Line: 1, Mark: at, SKU: "A-41", Product: 7, Quantity: 1, UnitAmount: 12900, Status: "shipped", Shipment: 2},
				{Line: 2, Mark: order.Mark{Pos: at.Pos, Deleted: true}},
			},
		}
	}
	o := orders[31]
	o.Row.Expires, o.Row.Shipping, o.Row.Tax = day(2), 500, 2326
	o.Row.Times = []order.Reached{{State: "paid", At: day(1) + 2}, {State: "shipped", At: day(2)}}
	o.Payments = []order.Payment{{ID: 1, Mark: at, Provider: "demo", Reference: order.Text{Value: "r-1"}, State: "captured", Amount: 12900, Currency: "EUR", Created: day(1), Times: []order.Reached{{State: "captured", At: day(1) + 1}}}}
	o.Shipments = []order.Shipment{{ID: 2, Mark: at, Carrier: order.Text{Value: "rapido"}, Tracking: order.Text{Value: "FR1"}, Status: "in_transit", ETA: day(5), Created: day(2)}}
	o.Scans = []order.Scan{{ID: 3, Mark: at, Shipment: 2, Status: order.Text{Value: "in_transit"}, Place: order.Text{Value: "Lodi"}, At: day(3)}}
	o.Returns = []order.Return{{ID: 4, Mark: at, Line: 1, Quantity: 1, Reason: order.Text{Value: "too small"}, Note: order.Text{Value: "thank you"}, State: "received", Created: day(6)}}
	o.Refunds = []order.Refund{{ID: 5, Mark: at, Payment: 1, Return: 4, Amount: 12900, State: "done", Reason: order.Text{Value: "too small"}, Created: day(7)}}
	o = orders[32]
	o.Row.Status, o.Row.Reason, o.Row.Times = "cancelled", order.Text{Value: "changed my mind"}, []order.Reached{{State: "cancelled", At: day(4)}}
	return orders
}

func TestSupportSeesWhatTheCustomerSees(t *testing.T) {
	s := newShop(t)
	for _, path := range []string{"/api/v1/orders/31", "/api/v1/track/31"} {
		own, theirs := s.as(auth.Customer, 5, path).want(t, 200), s.as(auth.Support, 900, path).want(t, 200)
		if string(own.body) != string(theirs.body) || own.header.Get("Cache-Control") != "private, no-cache" || own.header.Get("Freshet-As-Of") != "0/64" {
			t.Errorf("%s: the customer sees %s (%v), support %s", path, own.body, own.header, theirs.body)
		}
	}
	var page read.OrderPage
	s.as(auth.Customer, 5, "/api/v1/orders/31").decode(t, &page)
	var said []string
	for _, m := range page.Timeline {
		said = append(said, m.Kind+" "+m.State)
	}
	const want = "placed placed, payment pending, payment captured, order paid, order shipped, shipment created, scan in_transit, return requested, refund pending"
	if got := strings.Join(said, ", "); got != want || page.Store != "milano" || len(page.Lines) != 1 || page.Refunds[0].Reason != "too small" {
		t.Errorf("timeline %s, store %s, %d lines, refunds %+v", got, page.Store, len(page.Lines), page.Refunds)
	}
	if page.Items != 12900 || page.Shipping != 500 || page.Tax != 2326 {
		t.Errorf("items %d, shipping %d, tax %d", page.Items, page.Shipping, page.Tax)
	}
	var track read.Track
	s.as(auth.Customer, 5, "/api/v1/track/31").decode(t, &track)
	if !track.ETA.Equal(time.Date(2026, 3, 5, 12, 0, 0, 1000, time.UTC)) || len(track.Parcels) != 1 || !track.Parcels[0].Late || len(track.Parcels[0].Scans) != 1 || !slices.Equal(track.Parcels[0].Lines, []int64{1}) {
		t.Errorf("track %+v", track)
	}
}

func TestACancelledOrderSaysWhenAndWhy(t *testing.T) {
	s := newShop(t)
	var page read.OrderPage
	s.as(auth.Support, 900, "/api/v1/orders/32").want(t, 200).decode(t, &page)
	last := page.Timeline[len(page.Timeline)-1]
	if last.Kind != "order" || last.State != "cancelled" || last.Reason != "changed my mind" || page.Reason != last.Reason || last.At.Day() != 4 {
		t.Errorf("%+v", page)
	}
}

// TestLinesOfAnOrderHaveTitles in a language of its store, also when the store has the product no more.
func TestLinesOfAnOrderHaveTitles(t *testing.T) {
	s := newShop(t)
	title := func(query string, header ...string) string {
		var page read.OrderPage
		s.as(auth.Customer, 5, "/api/v1/orders/31"+query, header...).want(t, 200).decode(t, &page)
		return page.Lines[0].Title
	}
	delete(s.offers, "1:7")
	if it, en, de := title(""), title("", "Accept-Language", "en"), title("?lang=de"); it != "Stivale" || en != "Boot" || de != "Boot" {
		t.Errorf("%q, %q, %q", it, en, de)
	}
	s.as(auth.Customer, 5, "/api/v1/orders/31?lang=fr").want(t, 400)
	delete(s.products, 7)
	if got := title(""); got != "" {
		t.Errorf("a product that is gone is called %q", got)
	}
}

// public are the routes that tell everybody the same. The picks are in TestPicks: nobody can be named there but who asks.
var public = []string{
	"/", "/openapi.yaml", "/healthz", "/readyz", "/api/v1/products",
	"/api/v1/stores", "/api/v1/stores/{store}/home", "/api/v1/stores/{store}/categories/{category}",
	"/api/v1/stores/{store}/home/parts/{part}", "/api/v1/stores/{store}/categories/{category}/parts/{part}",
	"/api/v1/stores/{store}/products/{product}", "/api/v1/stores/{store}/products/{product}/together", "/api/v1/stores/{store}/picks",
	"/api/v1/stores/{store}/search", "/api/v1/stores/{store}/facets/{facet}", "/api/v1/stores/{store}/suggest", "/api/v1/stores/{store}/clicks",
	"/1/indexes/{index}/queries", "/1/indexes/{index}/query", "/1/indexes/{index}/facets/{facet}/query",
}

// TestOwnership asks every route of accounts for what is another's. The routes come from the server, so that a new one
// that has neither a case nor is public fails.
func TestOwnership(t *testing.T) {
	s := newShop(t)
	cases := map[string]struct {
		path    string
		foreign int // what another customer is answered
		roles   map[auth.Role]int
	}{
		"/api/v1/orders":         {"/api/v1/orders?customer=5", 400, map[auth.Role]int{auth.Support: 200, auth.Seller: 403, auth.Data: 403}},
		"/api/v1/alerts":         {"/api/v1/alerts?seller=4", 403, map[auth.Role]int{auth.Support: 200, auth.Seller: 400, auth.Data: 200}},
		"/api/v1/orders/{order}": {"/api/v1/orders/31", 404, map[auth.Role]int{auth.Support: 200, auth.Seller: 403, auth.Data: 403}},
		"/api/v1/track/{order}":  {"/api/v1/track/31", 404, map[auth.Role]int{auth.Support: 200, auth.Seller: 403, auth.Data: 403}},
	}
	for _, route := range s.server.Routes() {
		if slices.Contains(public, route.Href) {
			continue
		}
		c, ok := cases[route.Href]
		if !ok {
			t.Errorf("%s has no case: is it public?", route.Href)
			continue
		}
		s.get(c.path).want(t, 401)
		s.get(c.path, "Authorization", "Bearer nonsense").want(t, 401)
		s.as(auth.Customer, 6, c.path).want(t, c.foreign)
		for role, status := range c.roles {
			s.as(role, 900, c.path).want(t, status)
		}
	}
	for _, path := range []string{"/api/v1/orders/99", "/api/v1/orders/x", "/api/v1/orders/-31", "/api/v1/track/9223372036854775808"} {
		s.as(auth.Customer, 5, path).want(t, 404)
	}
}

func TestWithoutKeysNobodyHasAnAccount(t *testing.T) {
	s := newShop(t)
	s.server = serve(t, read.Config{Pages: s.world, Products: s.world, Searcher: s.world, Dimensions: s.world, Progress: s.world, Orders: s.world})
	s.as(auth.Customer, 5, "/api/v1/orders/31").want(t, 401)
}

func TestHistory(t *testing.T) {
	s := newShop(t)
	list := func(query string) (ids string, next string) {
		var page read.OrderList
		s.as(auth.Customer, 5, "/api/v1/orders"+query).want(t, 200).decode(t, &page)
		for _, o := range page.Orders {
			ids += fmt.Sprint(o.ID, " ")
		}
		return ids, page.Next
	}
	for query, want := range map[string]string{
		"":                      "33 32 31 ",
		"?startDate=2026-03-02": "33 32 ",
		"?endDate=2026-03-02":   "32 31 ",
		"?startDate=2026-03-02&endDate=2026-03-02": "32 ",
		"?startDate=2026-03-02T12:00:00.000001Z":   "33 32 ",
		"?startDate=2026-03-02T12:00:00.000002Z":   "33 ",
		"?endDate=2026-03-02T12:00:00.000001Z":     "31 ",
		"?startDate=2026-03-09":                    "",
	} {
		if got, next := list(query); got != want || next != "" {
			t.Errorf("%s: orders %q, want %q; next %q", query, got, want, next)
		}
	}
	ids, next := list("?limit=2")
	rest, end := list("?limit=2&after=" + next)
	if ids != "33 32 " || rest != "31 " || next == "" || end != "" {
		t.Errorf("pages %q, next %q, and %q, next %q", ids, next, rest, end)
	}
	for _, query := range []string{
		"?startDate=yesterday", "?endDate=", "?startDate=2026-03-02&endDate=2026-03-01", "?limit=0", "?limit=101", "?after=x", "?after=1-0",
		"?customer=5", "?color=red",
	} {
		s.as(auth.Customer, 5, "/api/v1/orders"+query).want(t, 400)
	}
	s.as(auth.Support, 900, "/api/v1/orders").want(t, 400)
	var theirs read.OrderList
	s.as(auth.Support, 900, "/api/v1/orders?customer=6").want(t, 200).decode(t, &theirs)
	if len(theirs.Orders) != 1 || theirs.Orders[0].ID != 34 {
		raw, _ := json.Marshal(theirs)
		t.Errorf("support sees %s", raw)
	}
}

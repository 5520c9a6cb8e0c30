package write_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"freshet/api"
	"freshet/api/auth"
)

// reach is how somebody reaches for what is Anna's by a route, and how the route answers the roles that it lets in. A role
// that isn't here is turned away, whatever it reaches for.
type reach struct {
	query, body string
	header      []string
	answers     map[auth.Role]int
}

// anothersBoots is another seller's product, written whole.
const anothersBoots = `{"type":"boot","status":"active","texts":{"it":{"title":"Mio"}},"variants":[{"sku":"A-1"},{"sku":"A-2"}]}`

// foreign has a row for each route; one that isn't here fails the test. {order} is Anna's order, {guest} the token of a
// guest's cart, and Anna has a cart, too. What the shop's own systems and support may do to anybody is their right: in
// their rows nothing is named that exists.
var foreign = map[string]reach{
	"POST /api/v1/products":                       {body: `{}`, answers: map[auth.Role]int{"service": 422, auth.Seller: 422}},
	"PUT /api/v1/products":                        {body: `{}`, answers: map[auth.Role]int{"service": 415, auth.Seller: 415}},
	"GET /api/v1/products/{product}":              {answers: map[auth.Role]int{"service": 0, auth.Seller: 404, auth.Support: 0, auth.Data: 0}},
	"PUT /api/v1/products/{product}":              {body: anothersBoots, answers: map[auth.Role]int{"service": 0, auth.Seller: 404}},
	"PUT /api/v1/stores/{store}/prices":           {body: `{"prices":[{"sku":"A-1","amount":1}]}`, answers: map[auth.Role]int{"service": 0, auth.Seller: 422}},
	"POST /api/v1/stores/{store}/stock":           {body: `{"movements":[{"sku":"A-1","kind":"receipt","quantity":1}]}`, answers: map[auth.Role]int{"service": 0, auth.Seller: 422}},
	"GET /api/v1/stores/{store}/stock":            {answers: map[auth.Role]int{"service": 0, auth.Seller: 200, auth.Support: 0, auth.Data: 0}},
	"PUT /api/v1/stores/{store}/stock/thresholds": {body: `{"thresholds":[{"sku":"A-1","low_stock_at":9}]}`, answers: map[auth.Role]int{"service": 0, auth.Seller: 422}},
	"POST /api/v1/stock/transfers":                {body: `{"from":"milano","to":"roma","lines":[{"sku":"A-1","quantity":1}]}`, answers: map[auth.Role]int{"service": 422, auth.Seller: 422}},
	"GET /api/v1/staff/actions":                   {answers: map[auth.Role]int{"service": 0, auth.Support: 0}},
	"POST /api/v1/orders":                         {body: `{}`, answers: map[auth.Role]int{"service": 422}},
	"GET /api/v1/queued/{queued}":                 {answers: map[auth.Role]int{"service": 404, auth.Customer: 404}},
	"POST /api/v1/orders/{order}/shipments":       {body: `{"carrier":"rapido"}`, answers: map[auth.Role]int{"service": 0, auth.Support: 0}},
	"POST /api/v1/shipments/{shipment}/events":    {body: scanned("in_transit", 9, ""), answers: map[auth.Role]int{"service": 404, auth.Support: 404}},
	"POST /api/v1/orders/{order}/returns":         {body: `{"line":1,"quantity":1,"reason":"mine"}`, answers: map[auth.Role]int{auth.Customer: 404, auth.Support: 0}},
	"POST /api/v1/returns/{return}/approve":       {body: `{}`, answers: map[auth.Role]int{"service": 404, auth.Support: 404}},
	"POST /api/v1/returns/{return}/reject":        {body: `{"note":"no"}`, answers: map[auth.Role]int{"service": 404, auth.Support: 404}},
	"POST /api/v1/returns/{return}/receive":       {body: `{"restock":true}`, answers: map[auth.Role]int{"service": 404, auth.Support: 404}},
	"POST /api/v1/returns/{return}/refund":        {body: `{}`, answers: map[auth.Role]int{"service": 404, auth.Support: 404}},
	// A system says whose order it asks for: another's is not found either.
	"GET /api/v1/orders/{order}":           {query: "?customer_id=2", answers: map[auth.Role]int{"service": 404, auth.Customer: 400}},
	"POST /api/v1/orders/{order}/extend":   {answers: map[auth.Role]int{auth.Customer: 404}},
	"POST /api/v1/orders/{order}/payments": {body: `{"method":"succeed"}`, answers: map[auth.Role]int{auth.Customer: 404}},
	"POST /api/v1/cancel":                  {body: `{"order":{order},"reason":"mine"}`, answers: map[auth.Role]int{auth.Customer: 404, auth.Support: 0}},
	// A cart can't be named: it is the caller's, who has none here. A customer's token decides, whatever guest they claim to be.
	"GET /api/v1/cart":         {query: "?store=milano", header: []string{"Freshet-Cart", "{guest}"}, answers: map[auth.Role]int{"guest": 0, auth.Customer: 200}},
	"POST /api/v1/cart/accept": {body: `{"store":"milano","version":1}`, answers: map[auth.Role]int{"guest": 404, auth.Customer: 404}},
	"POST /api/v1/cart/merge":  {answers: map[auth.Role]int{auth.Customer: 400}},
	"POST /api/v1/cart/{product}": {
		body: `{"store":"milano","sku":"A-1","quantity":1,"version":1}`, answers: map[auth.Role]int{"guest": 409, auth.Customer: 409},
	},
	"PUT /api/v1/cart/{product}": {
		body: `{"store":"milano","sku":"A-1","quantity":9,"version":1}`, answers: map[auth.Role]int{"guest": 404, auth.Customer: 404},
	},
	"DELETE /api/v1/cart/{product}": {query: "?store=milano&version=1", answers: map[auth.Role]int{"guest": 404, auth.Customer: 404}},
	"POST /api/v1/checkout":         {body: body(1, twoBootsTotal, "succeed"), answers: map[auth.Role]int{auth.Customer: 409}},
	"POST /api/v1/checkout/quote": {
		body: `{"store":"milano","country":"IT","shipping":"standard"}`, answers: map[auth.Role]int{"guest": 409, auth.Customer: 409},
	},
	"POST /api/v1/payments/{provider}/events": {body: `{"id":"e","state":"captured","reference":"r","amount":1,"currency":"EUR"}`, answers: map[auth.Role]int{"guest": 401}},
	"POST /api/v1/accounts":                   {body: `{"email":"anna@example.org","password":"correct horse"}`, answers: map[auth.Role]int{"guest": 409, "service": 409}},
	"POST /api/v1/sessions":                   {body: `{"email":"anna@example.org","password":"correct horse"}`, answers: map[auth.Role]int{"guest": 401}},
	"POST /api/v1/sessions/refresh":           {body: refreshBody(strings.Repeat("a", 43)), answers: map[auth.Role]int{"guest": 401}},
	"POST /api/v1/sessions/end":               {body: refreshBody(strings.Repeat("a", 43)), answers: map[auth.Role]int{"guest": 204}},
}

// TestNobodyReachesWhatIsAnothers tries each route as each role on what is Anna's, and wants nothing of hers to be told or
// changed.
func TestNobodyReachesWhatIsAnothers(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "late")
	s.cart("POST", "/api/v1/cart/1", `{"store":"milano","sku":"A-1","quantity":7}`, s.anna()...)
	guest := s.want(s.request("POST", "/api/v1/cart/1", `{"store":"milano","sku":"A-1","quantity":7}`, anyone...), 200).header.Get("Freshet-Cart")
	fill := strings.NewReplacer("{order}", fmt.Sprint(o.ID), "{guest}", guest, "{product}", "1", "{store}", "milano", "{provider}", "sandbox",
		"{shipment}", "99", "{return}", "99", "{queued}", "99")
	before := s.state()
	for _, route := range s.server.Routes() {
		if !strings.HasPrefix(route.Href, "/api/") {
			continue
		}
		name := route.Method + " " + route.Href
		row, ok := foreign[name]
		if !ok {
			t.Errorf("%s has no row: how does one reach by it for what is another's?", name)
			continue
		}
		for _, role := range everyone {
			want, let := row.answers[role]
			if let && want == 0 {
				continue // it is their right
			}
			header := append(s.stranger(role), "Idempotency-Key", "k")
			for _, h := range row.header {
				header = append(header, fill.Replace(h))
			}
			r := s.request(route.Method, fill.Replace(route.Href+row.query), fill.Replace(row.body), header...)
			switch {
			case !let && r.status != http.StatusForbidden && (role != "guest" || r.status != http.StatusUnauthorized):
				t.Errorf("%s lets %s in: %d %s", name, role, r.status, r.body)
			case let && r.status != want:
				t.Errorf("%s answers %s %d, want %d: %s", name, role, r.status, want, r.body)
			case strings.Contains(string(r.body), "A-1") && !strings.Contains(row.body, "A-1") || strings.Contains(string(r.body), fmt.Sprintf(`"id":%d`, o.ID)):
				t.Errorf("%s tells %s of what is Anna's: %s", name, role, r.body)
			}
		}
	}
	if after := s.state(); after != before {
		t.Errorf("somebody changed something:\n%s\n%s", before, after)
	}
}

// stranger is somebody of the role who isn't Anna.
func (s *shop) stranger(role auth.Role) []string {
	if slices.Contains([]auth.Role{"guest", "service"}, role) {
		return s.role(role)
	}
	return s.as(role, 2)
}

// TestForeignRowsAreRoutes keeps the table from speaking of routes that are gone.
func TestForeignRowsAreRoutes(t *testing.T) {
	s := newShop(t)
	for name := range foreign {
		if !slices.ContainsFunc(s.server.Routes(), func(r api.Link) bool { return r.Method+" "+r.Href == name }) {
			t.Errorf("%s has a row and is no route", name)
		}
	}
}

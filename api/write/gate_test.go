package write_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"freshet/api/auth"
)

// everyone are the kinds of caller: guests, the shop's own systems, and the roles of accounts.
var everyone = []auth.Role{"guest", "service", auth.Customer, auth.Seller, auth.Support, auth.Data}

// allowed says for each route who may call it. A route that isn't here fails the test: who adds one decides.
var allowed = map[string][]auth.Role{
	"POST /api/v1/products":                       {"service", auth.Seller},
	"PUT /api/v1/products":                        {"service", auth.Seller},
	"GET /api/v1/products/{product}":              {"service", auth.Seller, auth.Support, auth.Data},
	"PUT /api/v1/products/{product}":              {"service", auth.Seller},
	"PUT /api/v1/stores/{store}/prices":           {"service", auth.Seller},
	"POST /api/v1/stores/{store}/stock":           {"service", auth.Seller},
	"GET /api/v1/stores/{store}/stock":            {"service", auth.Seller, auth.Support, auth.Data},
	"PUT /api/v1/stores/{store}/stock/thresholds": {"service", auth.Seller},
	"POST /api/v1/stock/transfers":                {"service", auth.Seller},
	"GET /api/v1/staff/actions":                   {"service", auth.Support},
	"POST /api/v1/orders":                         {"service"},
	"GET /api/v1/orders/{order}":                  {"service", auth.Customer},
	"POST /api/v1/orders/{order}/extend":          {auth.Customer},
	"POST /api/v1/orders/{order}/payments":        {auth.Customer},
	"POST /api/v1/cancel":                         {auth.Customer, auth.Support},
	"GET /api/v1/cart":                            {"guest", auth.Customer},
	"POST /api/v1/cart/accept":                    {"guest", auth.Customer},
	"POST /api/v1/cart/merge":                     {auth.Customer},
	"POST /api/v1/cart/{product}":                 {"guest", auth.Customer},
	"PUT /api/v1/cart/{product}":                  {"guest", auth.Customer},
	"DELETE /api/v1/cart/{product}":               {"guest", auth.Customer},
	"POST /api/v1/checkout":                       {auth.Customer},
	"GET /api/v1/queued/{queued}":                 {"service", auth.Customer},
	"POST /api/v1/checkout/quote":                 {"guest", auth.Customer},
	"POST /api/v1/orders/{order}/shipments":       {"service", auth.Support},
	"POST /api/v1/shipments/{shipment}/events":    {"service", auth.Support},
	"POST /api/v1/orders/{order}/returns":         {auth.Customer, auth.Support},
	"POST /api/v1/returns/{return}/approve":       {"service", auth.Support},
	"POST /api/v1/returns/{return}/reject":        {"service", auth.Support},
	"POST /api/v1/returns/{return}/receive":       {"service", auth.Support},
	"POST /api/v1/returns/{return}/refund":        {"service", auth.Support},
	"POST /api/v1/payments/{provider}/events":     {"guest"},
	"POST /api/v1/accounts":                       {"guest", "service"},
	"POST /api/v1/sessions":                       {"guest"},
	"POST /api/v1/sessions/refresh":               {"guest"},
	"POST /api/v1/sessions/end":                   {"guest"},
}

func (s *shop) role(role auth.Role) []string {
	switch role {
	case "guest":
		return slices.Clone(anyone)
	case "service":
		return []string{"Authorization", "Bearer " + token}
	}
	return s.as(role, 1)
}

// TestWhoMayCallWhat knocks at every route as everyone. Whom it doesn't name is turned away before anything is read; those
// it names are not (what they send is nonsense, which is another answer).
func TestWhoMayCallWhat(t *testing.T) {
	s := newShop(t)
	seen := map[string]bool{}
	before := s.state()
	for _, route := range s.server.Routes() {
		if !strings.HasPrefix(route.Href, "/api/") {
			continue
		}
		name := route.Method + " " + route.Href
		roles, ok := allowed[name]
		if !ok {
			t.Errorf("%s has no row: who may call it?", name)
			continue
		}
		seen[name] = true
		path := strings.NewReplacer("{product}", "99", "{order}", "99", "{store}", "milano", "{provider}", "sandbox",
			"{shipment}", "99", "{return}", "99", "{queued}", "99").Replace(route.Href)
		for _, role := range everyone {
			r := s.request(route.Method, path, "{}", append(s.role(role), "Idempotency-Key", "k")...)
			// The door of events is opened by a signature, which nobody here has: guests get as far as that.
			turned := r.status == 403 || r.status == 401 && !strings.HasPrefix(path, "/api/v1/payments/")
			if slices.Contains(roles, role) == turned {
				t.Errorf("%s as %s: %d %s", name, role, r.status, r.body)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("%s has a row and is no route", name)
		}
	}
	if after := s.state(); after != before {
		t.Error("knocking changed something")
	}
}

// TestWhatIsNotYoursIsNotFound asks for another's order in every way there is, and for one that there isn't: the answers
// are the same but for the number, so that nobody learns which orders exist.
func TestWhatIsNotYoursIsNotFound(t *testing.T) {
	s := newShop(t)
	o := s.buy(s.anna(), "k", "late")
	before := s.state()
	for name, call := range map[string]func(id int64) (method, path, body string){
		"read": func(id int64) (string, string, string) { return "GET", fmt.Sprintf("/api/v1/orders/%d", id), "" },
		"extend": func(id int64) (string, string, string) {
			return "POST", fmt.Sprintf("/api/v1/orders/%d/extend", id), ""
		},
		"pay": func(id int64) (string, string, string) {
			return "POST", fmt.Sprintf("/api/v1/orders/%d/payments", id), `{"method":"succeed"}`
		},
		"send back": func(id int64) (string, string, string) {
			return "POST", fmt.Sprintf("/api/v1/orders/%d/returns", id), `{"line":1,"quantity":1,"reason":"too small"}`
		},
		"cancel": func(id int64) (string, string, string) { return "POST", "/api/v1/cancel", cancelBody(id, "") },
	} {
		var details []string
		for _, id := range []int64{o.ID, 424242} {
			method, path, body := call(id)
			r := s.want(s.request(method, path, body, append(s.bruno(), "Idempotency-Key", "foreign")...), 404)
			var p struct{ Detail string }
			r.decode(t, &p)
			details = append(details, strings.Replace(p.Detail, fmt.Sprint(id), "N", 1))
		}
		if details[0] != details[1] {
			t.Errorf("%s tells another's from none: %q", name, details)
		}
	}
	if after := s.state(); after != before {
		t.Error("asking changed something")
	}
}

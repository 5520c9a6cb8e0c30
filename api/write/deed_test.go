package write_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"freshet/api/auth"
	"freshet/api/write"
)

// deed is a change that staff can make: how it is asked for, as what it is noted, and what the note must tell.
type deed struct {
	role                     auth.Role
	method, path, body       string
	action, subject          string
	beforeHolds, beforeLacks string
	afterHolds               string
}

// deeds has one for each route that changes something and is open to others than customers. Orders that a system places are
// their customers'. sent is an order whose lines are sent and come back.
func deeds(order, sent int64) map[string]deed {
	coat := `{"offers":[{"store":"milano","prices":[{"sku":"Z-1","amount":%d}]}]}`
	return map[string]deed{
		"POST /api/v1/products": {
			auth.Seller, "POST", "/api/v1/products", `{"type":"coat","status":"draft","texts":{"it":{"title":"Nuovo"}},"variants":[{"sku":"N-1"}]}`,
			"product.create", "product/3", "", "Nuovo", "Nuovo",
		},
		"PUT /api/v1/products": {
			auth.Seller, "PUT", "/api/v1/products", bulkLine("BULK", 100, 1), "product.create", "product/4", "", "BULK", "BULK",
		},
		"PUT /api/v1/products/{product}": {
			auth.Seller, "PUT", "/api/v1/products/2", fmt.Sprintf(coat, 1234), "product.put", "product/2", `"amount": 9900`, "1234", `"amount": 1234`,
		},
		"PUT /api/v1/stores/{store}/prices": {
			"service", "PUT", "/api/v1/stores/milano/prices", `{"prices":[{"sku":"A-1","amount":777},{"sku":"A-2","amount":1500}]}`,
			"prices.put", "store/1", `"amount": 1500`, "A-2", `"amount": 777`,
		},
		"POST /api/v1/stores/{store}/stock": {
			auth.Seller, "POST", "/api/v1/stores/milano/stock", `{"movements":[{"sku":"Z-1","kind":"receipt","quantity":4}]}`,
			"stock.move", "store/1", `"on_hand": 3`, `"on_hand": 7`, `"on_hand": 7`,
		},
		"POST /api/v1/stock/transfers": {
			"service", "POST", "/api/v1/stock/transfers", `{"actor":"w","from":"paris","to":"milano","lines":[{"sku":"A-1","quantity":2}]}`,
			"stock.transfer", "store/2", `"on_hand": 5`, `"on_hand": 3`, `"on_hand": 3`,
		},
		"PUT /api/v1/stores/{store}/stock/thresholds": {
			auth.Seller, "PUT", "/api/v1/stores/milano/stock/thresholds", `{"thresholds":[{"sku":"Z-1","low_stock_at":9}]}`,
			"stock.thresholds", "store/1", `"low_stock_at": 0`, "9", `"low_stock_at": 9`,
		},
		"POST /api/v1/cancel": {
			auth.Support, "POST", "/api/v1/cancel", cancelBody(order, ""), "order.cancel", fmt.Sprintf("order/%d", order),
			`"status": "placed"`, "cancelled", `"status": "cancelled"`,
		},
		"POST /api/v1/accounts": {
			"service", "POST", "/api/v1/accounts", `{"email":"help@example.org","password":"correct horse","role":"support"}`,
			"account.create", "account/3", "", "support", `"role": "support"`,
		},
		"POST /api/v1/orders/{order}/shipments": {
			"service", "POST", fmt.Sprintf("/api/v1/orders/%d/shipments", sent), `{"carrier":"rapido"}`,
			"order.ship", fmt.Sprintf("order/%d", sent), "", "rapido", "rapido",
		},
		"POST /api/v1/shipments/{shipment}/events": {
			"service", "POST", "/api/v1/shipments/1/events", scanned("in_transit", 9, ""), "shipment.event", "shipment/1", "", "in_transit", "in_transit",
		},
		"POST /api/v1/orders/{order}/returns": {
			auth.Support, "POST", fmt.Sprintf("/api/v1/orders/%d/returns", sent), `{"line":1,"quantity":1,"reason":"too small"}`,
			"return.request", "return/1", "", "requested", `"state": "requested"`,
		},
		"POST /api/v1/returns/{return}/approve": {
			auth.Support, "POST", "/api/v1/returns/1/approve", `{}`, "return.approve", "return/1", `"state": "requested"`, "approved", `"state": "approved"`,
		},
		"POST /api/v1/returns/{return}/receive": {
			"service", "POST", "/api/v1/returns/1/receive", `{"restock":true}`, "return.receive", "return/1", `"state": "approved"`, "received", `"state": "received"`,
		},
		"POST /api/v1/returns/{return}/refund": {
			auth.Support, "POST", "/api/v1/returns/1/refund", `{"amount":1}`, "return.refund", "return/1", `"state": "received"`, "refunds", `"state": "re`,
		},
		"POST /api/v1/returns/{return}/reject": {
			auth.Support, "POST", "/api/v1/returns/2/reject", `{"note":"worn"}`, "return.reject", "return/2", `"state": "requested"`, "worn", "worn",
		},
	}
}

// TestEveryDeedIsNoted makes a change by each route, wants exactly one note that tells it, and none when it is refused.
func TestEveryDeedIsNoted(t *testing.T) {
	s, _, _ := twoSellers(t)
	sent := s.twoLines().ID
	all := deeds(s.buy(s.anna(), "k", "late").ID, sent)
	for name, roles := range allowed {
		staff := slices.ContainsFunc(roles, func(r auth.Role) bool { return r != "guest" && r != auth.Customer })
		if _, ok := all[name]; staff && !ok && !strings.HasPrefix(name, "GET ") && name != "POST /api/v1/orders" {
			t.Errorf("%s has no deed: what does it leave in staff_actions?", name)
		}
	}
	if n := s.number(`select count(*) from staff_actions`); n != 0 {
		t.Errorf("%d notes of what a customer did", n)
	}
	for i, name := range []string{
		"POST /api/v1/products", "PUT /api/v1/products", "PUT /api/v1/products/{product}", "PUT /api/v1/stores/{store}/prices",
		"POST /api/v1/stores/{store}/stock", "POST /api/v1/stock/transfers", "PUT /api/v1/stores/{store}/stock/thresholds",
		"POST /api/v1/cancel", "POST /api/v1/accounts", "POST /api/v1/orders/{order}/shipments", "POST /api/v1/shipments/{shipment}/events",
		"POST /api/v1/orders/{order}/returns", "POST /api/v1/returns/{return}/approve", "POST /api/v1/returns/{return}/receive",
		"POST /api/v1/returns/{return}/refund", "POST /api/v1/returns/{return}/reject",
	} {
		d := all[name]
		if strings.HasSuffix(name, "/reject") {
			s.sendBack(2, 1, sent)
		}
		who, request := s.role(d.role), fmt.Sprintf("request-%d", i)
		if d.role == auth.Seller {
			who = s.as(auth.Seller, 2)
		}
		header := append(slices.Clone(who), "X-Request-Id", request, "Idempotency-Key", request)
		if strings.Contains(d.body, "external_id") {
			header = append(header, "Content-Type", "application/x-ndjson")
		}
		if r := s.request(d.method, d.path, d.body, header...); r.status > 299 {
			t.Fatalf("%s: %d %s", name, r.status, r.body)
		}
		var action, subject, role, before, after string
		var account int64
		if err := s.pool.QueryRow(t.Context(), `select action, subject, role, coalesce(account_id, 0), coalesce(before::text, ''), coalesce(after::text, '')
			from staff_actions where request_id = $1`, request).Scan(&action, &subject, &role, &account, &before, &after); err != nil {
			t.Fatalf("%s left no note: %v", name, err)
		}
		want := map[auth.Role]int64{"service": 0, auth.Seller: 902, auth.Support: 1}[d.role]
		if action != d.action || subject != d.subject || role != string(d.role) || account != want {
			t.Errorf("%s is noted as %s of %s by %s/%d", name, action, subject, role, account)
		}
		if !strings.Contains(before, d.beforeHolds) || strings.Contains(before, d.beforeLacks) || !strings.Contains(after, d.afterHolds) {
			t.Errorf("%s: before %s, after %s", name, before, after)
		}
		var told write.StaffActions
		s.want(s.request("GET", "/api/v1/staff/actions?subject="+d.subject, "", s.as(auth.Support, 1)...), 200).decode(t, &told)
		if !slices.ContainsFunc(told.Actions, func(a write.StaffAction) bool { return a.RequestID == request }) {
			t.Errorf("%s can't be found by %s", name, d.subject)
		}
		if n := s.number(`select count(*) from staff_actions`); n != int64(i+1) {
			t.Errorf("%s left %d notes", name, n-int64(i))
		}
	}
	s.refusedDeeds()
}

// refusedDeeds changes nothing, in ways that fail and in one that finds all as it should be.
func (s *shop) refusedDeeds() {
	s.t.Helper()
	before := s.state()
	second := s.as(auth.Seller, 2)
	s.want(s.request("PUT", "/api/v1/products/1", `{"offers":[{"store":"milano"}]}`, second...), 404)
	s.want(s.request("POST", "/api/v1/stores/milano/stock", `{"movements":[{"sku":"Z-1","kind":"adjustment","quantity":-900}]}`, second...), 409)
	s.want(s.request("PUT", "/api/v1/stores/milano/prices", `{"prices":[{"sku":"A-1","amount":777}]}`), 200)
	if s.state() != before {
		s.t.Error("what changed nothing was noted")
	}
	for _, sql := range []string{`update staff_actions set role = 'data'`, `delete from staff_actions`, `truncate staff_actions`} {
		if _, err := s.pool.Exec(s.t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			s.t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestSupportReadsWhatWasDone(t *testing.T) {
	s, _, second := twoSellers(t)
	for i := range 5 {
		s.want(s.request("PUT", "/api/v1/stores/milano/stock/thresholds", fmt.Sprintf(`{"thresholds":[{"sku":"Z-1","low_stock_at":%d}]}`, i+1), second...), 200)
	}
	s.want(s.request("PUT", "/api/v1/products/2", `{"offers":[{"store":"milano","status":"paused"}]}`), 200)
	ids := func(query string) (ids []int64, next int64) {
		var page write.StaffActions
		s.want(s.request("GET", "/api/v1/staff/actions"+query, "", s.as(auth.Support, 1)...), 200).decode(t, &page)
		for _, a := range page.Actions {
			ids = append(ids, a.ID)
		}
		return ids, page.Next
	}
	for query, want := range map[string][]int64{
		"": {6, 5, 4, 3, 2, 1}, "?subject=store/1&limit=2": {5, 4}, "?subject=store/1&limit=2&before=4": {3, 2}, "?account=902&before=3": {2, 1},
		"?subject=product/2": {6}, "?subject=product/1": nil, "?account=7": nil,
	} {
		if got, _ := ids(query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	if _, next := ids("?limit=2"); next != 5 {
		t.Errorf("the next page is before %d", next)
	}
	if _, next := ids("?limit=6"); next != 0 {
		t.Errorf("after the last page comes %d", next)
	}
	for _, query := range []string{
		"?limit=0", "?limit=101", "?account=x", "?before=-1", "?actor=1", "?subject=", "?subject=%00", "?subject=foo", "?subject=order",
		"?subject=order/", "?subject=order/0", "?subject=order/-1", "?subject=order/+1", "?subject=order/01", "?subject=cart/1", "?subject=order/1/2",
	} {
		r := s.want(s.request("GET", "/api/v1/staff/actions"+query, "", s.as(auth.Support, 1)...), 400)
		if name, _, _ := strings.Cut(query[1:], "="); !slices.Equal(r.fields(t), []string{name}) {
			t.Errorf("%s: the answer names %v", query, r.fields(t))
		}
	}
}

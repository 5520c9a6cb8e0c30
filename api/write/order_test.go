package write_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"freshet/api/apitest"
	"freshet/api/write"
)

const orderOne = `{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":1}]}`

func TestRoutesAndFileAgree(t *testing.T) {
	s := newShop(t)
	difference, err := apitest.Difference("write", s.server.Routes())
	if err != nil {
		t.Fatal(err)
	}
	if difference != "" {
		t.Error(difference)
	}
	for _, path := range []string{"/", "/openapi.yaml", "/healthz", "/readyz"} {
		s.want(s.request("GET", path, ""), 200)
	}
}

func TestEveryRouteNeedsTheToken(t *testing.T) {
	s := newShop(t)
	for _, r := range s.server.Routes() {
		if strings.HasPrefix(r.Href, "/api/") {
			s.want(s.request(r.Method, r.Href, "{}", "Authorization", "Bearer a-wrong-one-but-long"), 401)
		}
	}
}

func TestOrder(t *testing.T) {
	s := newShop(t)
	body := `{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":2},{"sku":"A-1","quantity":3}]}`
	placed := s.want(s.request("POST", "/api/v1/orders", body, "Idempotency-Key", "k1"), 201)
	var o write.Order
	placed.decode(t, &o)
	if o.Total != 7500 || o.Currency != "EUR" || len(o.Lines) != 1 || o.Lines[0].Quantity != 5 || o.Lines[0].UnitAmount != 1500 {
		t.Errorf("order %+v: lines of one SKU must be merged, at 15.00 each", o)
	}
	if position := placed.header.Get("Freshet-Position"); !strings.Contains(position, "/") {
		t.Errorf("Freshet-Position %q", position)
	}
	if got := s.number(`select on_hand from inventory where store_id = 1 and sku = 'A-1'`); got != 15 {
		t.Errorf("on hand %d, want 15", got)
	}
	if got := s.number(`select quantity from stock_movements where kind = 'sale' and order_id = $1`, o.ID); got != -5 {
		t.Errorf("the ledger says %d, want -5", got)
	}
	s.audit()
	read := s.want(s.request("GET", placed.header.Get("Location"), ""), 200)
	if string(read.body) != string(placed.body) {
		t.Errorf("read back %s, placed %s", read.body, placed.body)
	}
	path := fmt.Sprintf("/api/v1/orders/%d", o.ID)
	s.want(s.request("GET", path+"?customer_id=2", ""), 404)
	s.want(s.request("GET", path, ""), 400)
	s.want(s.request("GET", path+"?customer_id=1&customer_id=2", ""), 400)
	s.want(s.request("GET", "/api/v1/orders/999999?customer_id=1", ""), 404)
}

func TestOrderIsPlacedOncePerKey(t *testing.T) {
	s := newShop(t)
	first := s.want(s.request("POST", "/api/v1/orders", orderOne, "Idempotency-Key", "k"), 201)
	spaced := strings.ReplaceAll(orderOne, ",", " ,\n ")
	again := s.want(s.request("POST", "/api/v1/orders", spaced, "Idempotency-Key", "k"), 201)
	if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("replay %s %v, first %s", again.body, again.header, first.body)
	}
	other := strings.Replace(orderOne, `"quantity":1`, `"quantity":2`, 1)
	s.want(s.request("POST", "/api/v1/orders", other, "Idempotency-Key", "k"), 422)
	// The same key of another customer is another key.
	s.want(s.request("POST", "/api/v1/orders", strings.Replace(orderOne, `"customer_id":1`, `"customer_id":2`, 1), "Idempotency-Key", "k"), 201)
	s.want(s.request("POST", "/api/v1/orders", orderOne), 400)
	if n := s.number(`select count(*) from orders`); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
}

func TestAFailedOrderLeavesNoKey(t *testing.T) {
	s := newShop(t)
	before := s.state()
	body := `{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":1},{"sku":"A-2","quantity":1}]}`
	r := s.want(s.request("POST", "/api/v1/orders", body, "Idempotency-Key", "k"), 409)
	if got := r.fields(t); !slices.Equal(got, []string{"lines[1].sku"}) || !strings.Contains(string(r.body), "A-2") {
		t.Errorf("the answer names %v: %s", got, r.body)
	}
	if after := s.state(); after != before {
		t.Errorf("a refused order changed something:\n%s\n%s", before, after)
	}
	s.want(s.request("POST", "/api/v1/stores/milano/stock", `{"actor":"t","movements":[{"sku":"A-2","kind":"receipt","quantity":1}]}`), 200)
	s.want(s.request("POST", "/api/v1/orders", body, "Idempotency-Key", "k"), 201)
	s.audit()
}

func TestOrderRefusals(t *testing.T) {
	s := newShop(t)
	if _, err := s.pool.Exec(t.Context(), `update prices set valid_to = now() - interval '1 hour' where store_id = 1 and sku = 'A-1'`); err != nil {
		t.Fatal(err)
	}
	before := s.state()
	for name, tt := range map[string]struct {
		body   string
		status int
		field  string
	}{
		"unknown store":     {`{"customer_id":1,"store":"roma","lines":[{"sku":"A-1","quantity":1}]}`, 422, "store"},
		"closed store":      {`{"customer_id":1,"store":"paris","lines":[{"sku":"A-1","quantity":1}]}`, 409, "store"},
		"unknown SKU":       {`{"customer_id":1,"store":"milano","lines":[{"sku":"A-2","quantity":1},{"sku":"Z","quantity":1}]}`, 422, "lines[1].sku"},
		"price ran out":     {orderOne, 422, "lines[0].sku"},
		"out of stock":      {`{"customer_id":99,"store":"milano","lines":[{"sku":"A-2","quantity":1}]}`, 409, "lines[0].sku"},
		"no lines":          {`{"customer_id":1,"store":"milano","lines":[]}`, 422, "lines"},
		"nothing of it":     {`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":0}]}`, 422, "lines[0].quantity"},
		"less than nothing": {`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":-5}]}`, 422, "lines[0].quantity"},
		"merged too much":   {`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":600},{"sku":"A-1","quantity":600}]}`, 422, "lines[1].quantity"},
		"its own price":     {`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":1,"unit_amount":1}]}`, 400, "unit_amount"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.want(s.request("POST", "/api/v1/orders", tt.body, "Idempotency-Key", "k"), tt.status)
			if got := r.fields(t); !slices.Contains(got, tt.field) {
				t.Errorf("the answer names %v, want %s: %s", got, tt.field, r.body)
			}
		})
	}
	if after := s.state(); after != before {
		t.Errorf("refused orders changed something:\n%s\n%s", before, after)
	}
	// Past its date a price with a list price falls back to that.
	if _, err := s.pool.Exec(t.Context(), `update prices set list_amount = 2000 where store_id = 1 and sku = 'A-1'`); err != nil {
		t.Fatal(err)
	}
	expecting := func(amount string) string {
		return strings.Replace(orderOne, `"quantity":1`, `"quantity":1,"expected_amount":`+amount, 1)
	}
	for amount, status := range map[string]int{"1999": 409, "-1": 422, `"2000"`: 400} {
		if r := s.want(s.request("POST", "/api/v1/orders", expecting(amount), "Idempotency-Key", "k"), status); !slices.Contains(r.fields(t), "lines[0].expected_amount") && status != 400 {
			t.Errorf("an expected amount of %s: %s", amount, r.body)
		}
	}
	var o write.Order
	s.want(s.request("POST", "/api/v1/orders", expecting("2000"), "Idempotency-Key", "k"), 201).decode(t, &o)
	if o.Total != 2000 {
		t.Errorf("total %d, want the list price 2000", o.Total)
	}
	s.want(s.request("POST", "/api/v1/orders", strings.Replace(orderOne, `"customer_id":1`, `"customer_id":99`, 1), "Idempotency-Key", "k"), 422)
}

// TestNobodyOversells is the promise: whatever callers do at once, what is sold was there.
func TestNobodyOversells(t *testing.T) {
	s := newShop(t)
	statuses := s.crowd(200, func(i int) string { return fmt.Sprintf("buyer-%d", i) })
	if statuses[201] != 20 || statuses[409] != 180 {
		t.Errorf("200 buyers of the last 20: %v, want 20 times 201 and 180 times 409", statuses)
	}
	if got := s.number(`select on_hand from inventory where store_id = 1 and sku = 'A-1'`); got != 0 {
		t.Errorf("%d left", got)
	}
	if got := s.number(`select sum(quantity) from order_items`); got != 20 {
		t.Errorf("%d sold", got)
	}
	s.audit()
}

func TestOneKeyAtOnceIsOneOrder(t *testing.T) {
	s := newShop(t)
	statuses := s.crowd(50, func(int) string { return "the-same" })
	if statuses[201] != 50 {
		t.Errorf("50 requests with one key: %v, want 201 for each", statuses)
	}
	if n := s.number(`select count(*) from orders`); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
	if got := s.number(`select on_hand from inventory where store_id = 1 and sku = 'A-1'`); got != 19 {
		t.Errorf("on hand %d, want 19", got)
	}
	s.audit()
}

// TestOppositeOrdersDontDeadlock buys two SKUs in opposite orders of the lines.
func TestOppositeOrdersDontDeadlock(t *testing.T) {
	s := newShop(t)
	s.want(s.request("POST", "/api/v1/stores/1/stock", `{"actor":"t","movements":[{"sku":"A-2","kind":"receipt","quantity":100},{"sku":"A-1","kind":"receipt","quantity":80}]}`), 200)
	bodies := []string{
		`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":1},{"sku":"A-2","quantity":1}]}`,
		`{"customer_id":2,"store":"milano","lines":[{"sku":"A-2","quantity":1},{"sku":"A-1","quantity":1}]}`,
	}
	before := s.number(`select deadlocks from pg_stat_database where datname = current_database()`)
	statuses := s.gather(100, func(i int) (reply, error) {
		return s.try("POST", "/api/v1/orders", bodies[i%2], "Idempotency-Key", fmt.Sprint(i))
	})
	if statuses[201] != 100 {
		t.Errorf("%v, want 100 times 201", statuses)
	}
	if after := s.number(`select deadlocks from pg_stat_database where datname = current_database()`); after != before {
		t.Errorf("%d deadlocks", after-before)
	}
	s.audit()
}

// crowd places the one order n times at once.
func (s *shop) crowd(n int, key func(int) string) map[int]int {
	s.t.Helper()
	return s.gather(n, func(i int) (reply, error) {
		return s.try("POST", "/api/v1/orders", orderOne, "Idempotency-Key", key(i))
	})
}

// gather makes n requests at once and counts the answers' statuses.
func (s *shop) gather(n int, f func(int) (reply, error)) map[int]int {
	s.t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for i := range n {
		wg.Go(func() {
			r, err := f(i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				s.t.Error(err)
				return
			}
			statuses[r.status]++
		})
	}
	wg.Wait()
	return statuses
}

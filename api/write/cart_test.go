package write_test

import (
	"fmt"
	"slices"
	"testing"

	"freshet/api/write"
)

// cart sends a request about a cart and returns the cart that is answered.
func (s *shop) cart(method, path, body string, header ...string) write.Cart {
	s.t.Helper()
	var k write.Cart
	s.want(s.request(method, path, body, header...), 200).decode(s.t, &k)
	return k
}

func (s *shop) exec(query string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), query, args...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
}

const (
	oneBoot  = `{"store":"milano","sku":"A-1","quantity":1}`
	twoBoots = `{"store":"milano","sku":"A-1","quantity":2}`
	theCart  = "/api/v1/cart?store=milano"
)

func TestCart(t *testing.T) {
	s := newShop(t)
	if k := s.cart("GET", theCart, "", s.anna()...); k.Version != 0 || len(k.Lines) != 0 || k.ExpiresAt != nil {
		t.Errorf("a cart that nothing was put into: %+v", k)
	}
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	k := s.cart("POST", "/api/v1/cart/1", oneBoot, s.anna()...)
	if k.Version != 2 || len(k.Lines) != 1 || k.Lines[0].Quantity != 3 || k.Subtotal != 4500 || len(k.Changes) != 0 || k.ExpiresAt == nil {
		t.Errorf("two and one: %+v", k)
	}
	if k := s.cart("GET", theCart, "", s.bruno()...); len(k.Lines) != 0 {
		t.Errorf("another customer sees %+v", k)
	}
	k = s.cart("PUT", "/api/v1/cart/1", `{"store":"milano","sku":"A-1","quantity":5,"version":2}`, s.anna()...)
	if k.Version != 3 || k.Lines[0].Quantity != 5 {
		t.Errorf("set to five: %+v", k)
	}
	k = s.cart("DELETE", "/api/v1/cart/1?store=milano&version=3", "", s.anna()...)
	if k.Version != 4 || len(k.Lines) != 0 || k.Subtotal != 0 {
		t.Errorf("emptied: %+v", k)
	}
	if n := s.number(`select sum(reserved) from inventory`); n != 0 {
		t.Errorf("a cart holds %d units", n)
	}
}

// TestARepetitionLeavesNothing: what a change begins with is sent together with its key, and undone when the key is known.
func TestARepetitionLeavesNothing(t *testing.T) {
	s := newShop(t)
	keyed := append(s.anna(), "Idempotency-Key", "k")
	first := s.want(s.request("POST", "/api/v1/cart/1", twoBoots, keyed...), 200)
	s.want(s.request("POST", "/api/v1/checkout", body(1, twoBootsTotal, "succeed"), keyed...), 201)
	again := s.want(s.request("POST", "/api/v1/cart/1", twoBoots, keyed...), 200)
	if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("answered %s first and %s again", first.body, again.body)
	}
	if n := s.number(`select count(*) from carts`); n != 1 {
		t.Errorf("%d carts, want the one that was bought", n)
	}
	s.audit()
}

// TestCartIsTheSameOnAllDevices: who decides on an old state is told so, and overwrites nothing.
func TestCartIsTheSameOnAllDevices(t *testing.T) {
	s := newShop(t)
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	phone := `{"store":"milano","sku":"A-1","quantity":7,"version":1}`
	laptop := `{"store":"milano","sku":"A-1","quantity":9,"version":1}`
	statuses := s.gather(10, func(i int) (reply, error) {
		return s.try("PUT", "/api/v1/cart/1", []string{phone, laptop}[i%2], s.anna()...)
	})
	if statuses[200] != 1 || statuses[409] != 9 {
		t.Errorf("ten changes of version 1: %v, want one to be made", statuses)
	}
	if r := s.want(s.request("DELETE", "/api/v1/cart/1?store=milano&version=1", "", s.anna()...), 409); !slices.Contains(r.fields(t), "version") {
		t.Errorf("the conflict doesn't name the version: %s", r.body)
	}
	s.want(s.request("PUT", "/api/v1/cart/1", `{"store":"milano","sku":"A-1","quantity":7}`, s.anna()...), 422)
	statuses = s.gather(20, func(int) (reply, error) { return s.try("POST", "/api/v1/cart/1", oneBoot, s.bruno()...) })
	if k := s.cart("GET", theCart, "", s.bruno()...); statuses[200] != 20 || k.Version != 20 || k.Lines[0].Quantity != 20 {
		t.Errorf("twenty times one more: %v, %+v", statuses, k)
	}
	if n := s.number(`select count(*) from carts`); n != 2 {
		t.Errorf("%d carts of two customers", n)
	}
}

func TestCartItemIsAddedOncePerKey(t *testing.T) {
	s := newShop(t)
	statuses := s.gather(10, func(int) (reply, error) {
		return s.try("POST", "/api/v1/cart/1", twoBoots, append(s.anna(), "Idempotency-Key", "k")...)
	})
	if k := s.cart("GET", theCart, "", s.anna()...); statuses[200] != 10 || k.Lines[0].Quantity != 2 {
		t.Errorf("one key ten times: %v, %+v", statuses, k)
	}
	s.want(s.request("POST", "/api/v1/cart/1", oneBoot, append(s.anna(), "Idempotency-Key", "k")...), 422)
	s.cart("POST", "/api/v1/cart/1", oneBoot, append(s.bruno(), "Idempotency-Key", "k")...)
}

func TestOptionsChooseTheVariant(t *testing.T) {
	s := newShop(t)
	s.exec(`update variants set options = '{"size": "42", "colour": "nero"}' where sku = 'A-1'`)
	s.exec(`update variants set options = '{"size": "43", "colour": "nero"}' where sku = 'A-2'`)
	k := s.cart("POST", "/api/v1/cart/1", `{"store":"milano","options":{"size":"42"},"quantity":1}`, s.anna()...)
	if len(k.Lines) != 1 || k.Lines[0].SKU != "A-1" || k.Lines[0].Options["colour"] != "nero" {
		t.Errorf("size 42 is %+v", k.Lines)
	}
	for name, tt := range map[string]struct {
		path, body string
		status     int
	}{
		"several":            {"/api/v1/cart/1", `{"store":"milano","options":{"colour":"nero"},"quantity":1}`, 422},
		"no choice":          {"/api/v1/cart/1", `{"store":"milano","quantity":1}`, 422},
		"none":               {"/api/v1/cart/1", `{"store":"milano","options":{"size":"50"},"quantity":1}`, 422},
		"another's SKU":      {"/api/v1/cart/1", `{"store":"milano","sku":"B-1","quantity":1}`, 422},
		"no product":         {"/api/v1/cart/99", oneBoot, 404},
		"out of stock":       {"/api/v1/cart/1", `{"store":"milano","sku":"A-2","quantity":1}`, 409},
		"more than there is": {"/api/v1/cart/1", `{"store":"milano","sku":"A-1","quantity":20}`, 409},
		"closed store":       {"/api/v1/cart/1", `{"store":"paris","sku":"A-1","quantity":1}`, 409},
		"no store":           {"/api/v1/cart/1", `{"store":"roma","sku":"A-1","quantity":1}`, 422},
	} {
		if r := s.request("POST", tt.path, tt.body, s.anna()...); r.status != tt.status {
			t.Errorf("%s: %d %s, want %d", name, r.status, r.body, tt.status)
		}
	}
}

// TestCartSaysWhatChanged changes everything that can change under a cart.
func TestCartSaysWhatChanged(t *testing.T) {
	s := newShop(t)
	s.exec(`update inventory set on_hand = 20 where sku = 'A-2' and store_id = 1`)
	s.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-2', 1, 'receipt', 20, 'test')`)
	s.cart("POST", "/api/v1/cart/1", `{"store":"milano","sku":"A-1","quantity":4}`, s.anna()...)
	s.cart("POST", "/api/v1/cart/1", `{"store":"milano","sku":"A-2","quantity":4}`, s.anna()...)
	for _, step := range []struct {
		sql, kind string
		was, now  int64
	}{
		{`update prices set amount = 1700 where sku = 'A-1' and store_id = 1`, "price", 1500, 1700},
		{`update prices set amount = 1200 where sku = 'A-1' and store_id = 1`, "price", 1500, 1200},
		{`update inventory set reserved = 17 where sku = 'A-1' and store_id = 1`, "quantity", 4, 3},
		{`update inventory set reserved = 20 where sku = 'A-1' and store_id = 1`, "quantity", 4, 0},
		{`update prices set valid_to = now() - interval '1 day' where sku = 'A-1' and store_id = 1`, "gone", 4, 0},
	} {
		s.exec(step.sql)
		k := s.cart("GET", theCart, "", s.anna()...)
		if len(k.Changes) != 1 || k.Changes[0].SKU != "A-1" || k.Changes[0].Kind != step.kind || k.Changes[0].Was != step.was ||
			k.Changes[0].Now != step.now || k.Changes[0].Detail == "" {
			t.Errorf("after %s the changes are %+v", step.sql, k.Changes)
		}
	}
	s.exec(`update offers set status = 'paused' where store_id = 1`)
	k := s.cart("GET", theCart, "", s.anna()...)
	if len(k.Changes) != 2 || k.Subtotal != 0 {
		t.Errorf("of a paused offer: %+v", k)
	}
	s.exec(`update offers set status = 'active'`)
	s.exec(`update prices set valid_to = null`)
	s.exec(`update inventory set reserved = 17 where sku = 'A-1' and store_id = 1`)
	s.want(s.request("POST", "/api/v1/cart/accept", `{"store":"milano","version":1}`, s.anna()...), 409)
	k = s.cart("POST", "/api/v1/cart/accept", `{"store":"milano","version":2}`, s.anna()...)
	if len(k.Changes) != 0 || k.Lines[0].Quantity != 3 || k.Lines[0].UnitAmount != 1200 || k.Subtotal != 3*1200+4*1500 {
		t.Errorf("accepted: %+v", k)
	}
	// A hold whose time has run out holds nothing, swept or not.
	s.exec(`insert into reservations (sku, store_id, product_id, quantity, expires_at) values ('A-1', 1, 1, 17, now() - interval '1 second')`)
	s.cart("PUT", "/api/v1/cart/1", `{"store":"milano","sku":"A-1","quantity":20,"version":3}`, s.anna()...)
}

func TestGuestsCart(t *testing.T) {
	s := newShop(t)
	first := s.want(s.request("POST", "/api/v1/cart/1", twoBoots, anyone...), 200)
	secretToken := first.header.Get("Freshet-Cart")
	if len(secretToken) != 32 {
		t.Fatalf("the guest's token is %q", secretToken)
	}
	guest := append(slices.Clone(anyone), "Freshet-Cart", secretToken)
	if k := s.cart("POST", "/api/v1/cart/1", oneBoot, guest...); k.Lines[0].Quantity != 3 {
		t.Errorf("the guest's cart: %+v", k)
	}
	if k := s.cart("GET", theCart, "", anyone...); len(k.Lines) != 0 {
		t.Errorf("without the token: %+v", k)
	}
	other := s.want(s.request("POST", "/api/v1/cart/1", oneBoot, anyone...), 200)
	if other.header.Get("Freshet-Cart") == secretToken {
		t.Error("two guests have one token")
	}
	s.want(s.request("GET", theCart, "", append(slices.Clone(anyone), "Freshet-Cart", "guessed")...), 400)
	if n := s.number(`select count(*) from carts where position($1::bytea in guest) > 0`, []byte(secretToken)); n != 0 {
		t.Error("the token itself is kept")
	}
}

// TestMergeOnSignIn: the larger quantity stays, and a repetition adds nothing.
func TestMergeOnSignIn(t *testing.T) {
	s := newShop(t)
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	guest := s.want(s.request("POST", "/api/v1/cart/1", `{"store":"milano","sku":"A-1","quantity":5}`, anyone...), 200).header.Get("Freshet-Cart")
	s.want(s.request("POST", "/api/v1/cart/merge", "", append(slices.Clone(anyone), "Freshet-Cart", guest)...), 401)
	statuses := s.gather(8, func(int) (reply, error) {
		return s.try("POST", "/api/v1/cart/merge", "", append(s.anna(), "Freshet-Cart", guest)...)
	})
	k := s.cart("GET", theCart, "", s.anna()...)
	if statuses[200] != 8 || k.Lines[0].Quantity != 5 || k.Version != 2 {
		t.Errorf("merged eight times: %v, %+v", statuses, k)
	}
	if k := s.cart("GET", theCart, "", append(slices.Clone(anyone), "Freshet-Cart", guest)...); len(k.Lines) != 0 {
		t.Errorf("the guest still has %+v", k)
	}
	var merged write.CartsMerged
	s.want(s.request("POST", "/api/v1/cart/merge", "", append(s.bruno(), "Freshet-Cart", guest)...), 200).decode(t, &merged)
	if len(merged.Carts) != 0 {
		t.Errorf("another customer gets %+v", merged)
	}
}

func TestCartExpires(t *testing.T) {
	s := newShop(t)
	s.cart("POST", "/api/v1/cart/1", twoBoots, s.anna()...)
	s.exec(`update carts set expires_at = now() - interval '1 second'`)
	if k := s.cart("GET", theCart, "", s.anna()...); len(k.Lines) != 0 {
		t.Errorf("an expired cart shows %+v", k)
	}
	s.want(s.request("DELETE", "/api/v1/cart/1?store=milano&version=1", "", s.anna()...), 404)
	if k := s.cart("POST", "/api/v1/cart/1", oneBoot, s.anna()...); k.Lines[0].Quantity != 1 || k.Version != 1 {
		t.Errorf("begun again: %+v", k)
	}
}

func TestCartTakesSoMuch(t *testing.T) {
	s := newShop(t)
	s.exec(`insert into variants (sku, product_id) select 'M-' || i, 1 from generate_series(1, 101) i`)
	s.exec(`insert into prices (store_id, sku, product_id, amount) select 1, 'M-' || i, 1, 100 from generate_series(1, 101) i`)
	s.exec(`insert into inventory (store_id, sku, product_id, on_hand) select 1, 'M-' || i, 1, 2000 from generate_series(1, 101) i`)
	for i := range 100 {
		s.cart("POST", "/api/v1/cart/1", fmt.Sprintf(`{"store":"milano","sku":"M-%d","quantity":1}`, i+1), s.anna()...)
	}
	s.want(s.request("POST", "/api/v1/cart/1", `{"store":"milano","sku":"M-101","quantity":1}`, s.anna()...), 422)
	s.want(s.request("POST", "/api/v1/cart/1", `{"store":"milano","sku":"M-1","quantity":1000}`, s.anna()...), 422)
	s.cart("POST", "/api/v1/cart/1", `{"store":"milano","sku":"M-1","quantity":999}`, s.anna()...)
}

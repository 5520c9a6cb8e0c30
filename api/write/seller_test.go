package write_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"freshet/api/auth"
	"freshet/api/write"
)

// twoSellers is a shop with a second seller, whose product 2 with the SKU Z-1 is offered beside the first one's.
func twoSellers(t *testing.T) (s *shop, first, second []string) {
	s = newShop(t)
	s.exec(`insert into sellers (name, slug) values ('Sarto', 'sarto');
		insert into products (seller_id, type, status) values (2, 'coat', 'active');
		insert into product_texts (product_id, lang, title, slug) values (2, 'it', 'Cappotto', 'cappotto');
		insert into variants (sku, product_id) values ('Z-1', 2);
		insert into offers (store_id, product_id) values (1, 2);
		insert into prices (store_id, sku, product_id, amount) values (1, 'Z-1', 2, 9900);
		insert into inventory (store_id, sku, product_id, on_hand) values (1, 'Z-1', 2, 3);
		insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'Z-1', 2, 'receipt', 3, 'seed')`)
	return s, s.as(auth.Seller, 1), s.as(auth.Seller, 2)
}

// sellersBoots is what a seller sends: neither whose it is nor how much it is lifted.
func sellersBoots(t *testing.T) string {
	var p write.Product
	if err := json.Unmarshal([]byte(boots), &p); err != nil {
		t.Fatal(err)
	}
	p.SellerID, p.Offers[0].Boost = 0, nil
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestASellerKeepsTheirOwnProducts(t *testing.T) {
	s, first, second := twoSellers(t)
	body := sellersBoots(t)
	r := s.want(s.request("POST", "/api/v1/products", body, append(first, "Idempotency-Key", "k")...), 201)
	path := r.header.Get("Location")
	if n := s.number(`select count(*) from products where seller_id = 1 and external_id = 'B7'`); n != 1 {
		t.Errorf("%d products of the seller", n)
	}
	// The same key from another seller is another request, and the same external id another product.
	s.want(s.request("POST", "/api/v1/products", edited(t, body, map[string]any{"variants": []any{map[string]any{"sku": "S-1"}}, "offers": nil}),
		append(second, "Idempotency-Key", "k")...), 201)
	// What the shop lifts stays lifted when the seller writes, and the seller isn't told.
	s.exec(`update offers set boost = 7 where product_id = (select id from products where seller_id = 1 and external_id = 'B7')`)
	var state struct {
		Version int64
		Product json.RawMessage
	}
	s.want(s.request("GET", path, "", first...), 200).decode(t, &state)
	before := s.state()
	var put write.ProductWritten
	s.want(s.request("PUT", path, string(state.Product), first...), 200).decode(t, &put)
	if put.Changed != 0 || s.state() != before {
		t.Errorf("what GET answers isn't what is so already: %d rows written for %s", put.Changed, state.Product)
	}
	s.want(s.request("PUT", path, body, first...), 200)
	if n := s.number(`select count(*) from offers where boost = 7`); n != 1 {
		t.Error("a seller's PUT took the boost away")
	}
	if n := s.number(`select count(*) from stock_movements where actor = 'seller/901'`); n != 2 {
		t.Errorf("%d movements name the seller's account", n)
	}
	s.audit()
}

// TestAnothersProductIsNotFound asks for another seller's product in every way, and for one that there isn't.
func TestAnothersProductIsNotFound(t *testing.T) {
	s, _, second := twoSellers(t)
	before := s.state()
	whole := `{"type":"boot","status":"active","texts":{"it":{"title":"Mio"}},"variants":[{"sku":"A-1"},{"sku":"A-2"}]}`
	for _, id := range []int64{1, 424242} {
		path := fmt.Sprintf("/api/v1/products/%d", id)
		s.want(s.request("GET", path, "", second...), 404)
		s.want(s.request("PUT", path, whole, second...), 404)
		s.want(s.request("PUT", path, `{"offers":[{"store":"milano","stock":[{"sku":"A-1","on_hand":0}]}]}`, second...), 404)
	}
	for _, sku := range []string{"A-1", "NO-SUCH"} {
		for method, at := range map[string][2]string{
			"PUT":  {"/api/v1/stores/milano/prices", fmt.Sprintf(`{"prices":[{"sku":"Z-1","amount":1},{"sku":%q,"amount":1}]}`, sku)},
			"POST": {"/api/v1/stores/milano/stock", fmt.Sprintf(`{"movements":[{"sku":"Z-1","kind":"receipt","quantity":1},{"sku":%q,"kind":"receipt","quantity":1}]}`, sku)},
		} {
			r := s.want(s.request(method, at[0], at[1], second...), 422)
			if got := r.fields(t); len(got) != 1 {
				t.Errorf("%s %s: the answer names %v", method, sku, got)
			}
		}
	}
	s.want(s.request("POST", "/api/v1/products", edited(t, whole, map[string]any{"seller_id": 1}), second...), 422)
	s.want(s.request("POST", "/api/v1/products", whole, second...), 409) // its SKUs are taken
	boost := `{"offers":[{"store":"milano","boost":100}]}`
	if r := s.want(s.request("PUT", "/api/v1/products/2", boost, second...), 422); !slices.Equal(r.fields(t), []string{"offers[0].boost"}) {
		t.Errorf("the answer names %v", r.fields(t))
	}
	s.want(s.request("POST", "/api/v1/stores/milano/stock", `{"actor":"me","movements":[{"sku":"Z-1","kind":"receipt","quantity":1}]}`, second...), 422)
	if after := s.state(); after != before {
		t.Error("asking changed something")
	}
}

// TestPriceAndQuantityInOneCall changes both and nothing else of a product.
func TestPriceAndQuantityInOneCall(t *testing.T) {
	s, _, second := twoSellers(t)
	const path = "/api/v1/products/2"
	body := `{"offers":[{"store":"milano","prices":[{"sku":"Z-1","amount":8900,"list_amount":9900,"valid_to":"2126-01-01T00:00:00Z"}],
		"stock":[{"sku":"Z-1","on_hand":11,"low_stock_at":2}]}]}`
	var put write.ProductWritten
	s.want(s.request("PUT", path, body, second...), 200).decode(t, &put)
	if put.Changed != 3 { // the price, the count and the mark
		t.Errorf("%d rows written", put.Changed)
	}
	if n := s.number(`select count(*) from prices p join inventory i using (store_id, sku) where sku = 'Z-1'
		and amount = 8900 and list_amount = 9900 and on_hand = 11 and low_stock_at = 2`); n != 1 {
		t.Error("price and stock aren't what the call said")
	}
	if n := s.number(`select count(*) from product_texts join variants using (product_id) where product_id = 2`); n != 1 {
		t.Error("the call touched the rest of the product")
	}
	before := s.state()
	s.want(s.request("PUT", path, body, second...), 200).decode(t, &put)
	for bad, field := range map[string]string{
		`{"offers":[{"store":"milano","prices":[{"sku":"A-1","amount":1}]}]}`: "offers[0].prices[0].sku",
		`{"offers":[{"store":"milano","stock":[{"sku":"A-1","on_hand":1}]}]}`: "offers[0].stock[0].sku",
		`{"offers":[{"store":"roma"}]}`:                                       "offers[0].store",
		`{"offers":[{"store":"milano"}],"status":"active"}`:                   "type",
	} {
		if r := s.want(s.request("PUT", path, bad, second...), 422); !slices.Contains(r.fields(t), field) {
			t.Errorf("%s: the answer names %v", bad, r.fields(t))
		}
	}
	if put.Changed != 0 || s.state() != before {
		t.Errorf("the same again wrote %d rows", put.Changed)
	}
	s.audit()
}

// TestOffersAloneKeepWhatTheyDontName: a price or a count that is sent alone takes nothing off sale and puts nothing on it.
func TestOffersAloneKeepWhatTheyDontName(t *testing.T) {
	s := newShop(t)
	const path, whole = "/api/v1/products/1", `"type":"boot","status":"active","texts":{"it":{"title":"Stivale"}},"variants":[{"sku":"A-1"},{"sku":"A-2"}],`
	s.exec(`update offers set status = 'paused', boost = 3 where store_id = 1`)
	s.exec(`update inventory set low_stock_at = 4 where store_id = 1`)
	kept := func(query string) int64 { return s.number(`select count(*) from ` + query + ` and store_id = 1`) }
	s.want(s.request("PUT", path, `{"offers":[{"store":"milano","prices":[{"sku":"A-1","amount":1400}],"stock":[{"sku":"A-1","on_hand":7}]}]}`), 200)
	if kept(`prices where (sku, amount) in (('A-1', 1400), ('A-2', 1500))`) != 2 {
		t.Error("the SKU that wasn't named lost its price")
	}
	if kept(`offers where status = 'paused' and boost = 3`) != 1 {
		t.Error("a price alone put the offer on sale")
	}
	if kept(`inventory where low_stock_at = 4`) != 2 {
		t.Error("a count alone took the threshold away")
	}
	s.want(s.request("PUT", path, `{"offers":[{"store":"milano","status":"active","boost":2,"prices":[],"stock":[{"sku":"A-1","on_hand":7,"low_stock_at":0}]}]}`), 200)
	if kept(`prices where true`) != 2 || kept(`offers where status = 'active' and boost = 2`) != 1 || kept(`inventory where sku = 'A-1' and low_stock_at = 0`) != 1 {
		t.Error("what is named isn't so")
	}
	s.want(s.request("PUT", path, `{"seller_id":1,`+whole+`"offers":[{"store":"milano","prices":[{"sku":"A-1","amount":1400}],"stock":[{"sku":"A-2","on_hand":0}]}]}`), 200)
	if kept(`prices where true`) != 1 || kept(`offers where status = 'active' and boost = 1`) != 1 || kept(`inventory where low_stock_at > 0`) != 0 {
		t.Error("a whole product isn't all there is")
	}
	s.audit()
}

// TestASellersTokenSaysWhose signs in with an account whose number isn't the seller's.
func TestASellersTokenSaysWhose(t *testing.T) {
	s, _, _ := twoSellers(t)
	s.want(s.request("POST", "/api/v1/accounts", `{"email":"sarto@example.org","password":"correct horse","role":"seller","seller_id":2}`), 201)
	var session write.Session
	s.want(s.signIn("sarto@example.org", "correct horse"), 200).decode(t, &session)
	s.want(s.request("POST", "/api/v1/sessions/refresh", refreshBody(session.Refresh), anyone...), 200).decode(t, &session)
	who := []string{"Authorization", "Bearer " + session.Access}
	if session.Account.SellerID == nil || *session.Account.SellerID != 2 {
		t.Errorf("the session is of %+v", session.Account)
	}
	s.want(s.request("GET", "/api/v1/products/2", "", who...), 200)
	s.want(s.request("GET", "/api/v1/products/1", "", who...), 404)
}

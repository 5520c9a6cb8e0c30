package write_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"freshet/api/write"
)

const boots = `{
  "seller_id": 1, "brand_id": 1, "type": "boot", "status": "active", "gtin": "8001234567890", "external_id": "B7",
  "attributes": {"colour": ["nero", "rosso"], "weight": 1.25, "vegan": false},
  "images": [{"url": "https://img.example.org/b7.jpg", "alt": "Stivale"}],
  "texts": {"it": {"title": "Stivale d'inverno", "description": "Caldo."}, "en": {"title": "Winter boot", "slug": "boot-of-winter"}},
  "categories": [{"id": 2}, {"id": 1, "position": 3}],
  "variants": [{"sku": "B7-42", "options": {"size": "42"}}, {"sku": "B7-43", "options": {"size": "43"}, "gtin": "8001234567891"}],
  "offers": [{"store": "milano", "boost": 1.5,
    "prices": [{"sku": "B7-42", "amount": 12900, "list_amount": 15900, "valid_from": "2026-01-01T00:00:00Z", "valid_to": "2126-01-01T00:00:00+01:00"},
               {"sku": "B7-43", "amount": 13900}],
    "stock": [{"sku": "B7-43", "on_hand": 3, "low_stock_at": 1}, {"sku": "B7-42", "on_hand": 7}]}]
}`

// edited returns the body with members of the top level replaced, or left out where nil.
func edited(t *testing.T, body string, edits map[string]any) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	for name, value := range edits {
		m[name] = value
		if value == nil {
			delete(m, name)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProductIsMadeAndPutOnlyWhereItDiffers(t *testing.T) {
	s := newShop(t)
	var made write.ProductWritten
	r := s.want(s.request("POST", "/api/v1/products", boots, "Idempotency-Key", "k"), 201)
	r.decode(t, &made)
	again := s.want(s.request("POST", "/api/v1/products", boots, "Idempotency-Key", "k"), 201)
	if string(again.body) != string(r.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replayed %s, first %s", again.body, r.body)
	}
	path := r.header.Get("Location")
	if path != fmt.Sprintf("/api/v1/products/%d", made.ID) {
		t.Errorf("Location %q of product %d", path, made.ID)
	}
	s.audit()
	if n := s.number(`select count(*) from product_texts where product_id = $1 and slug in ('stivale-d-inverno', 'boot-of-winter')`, made.ID); n != 2 {
		t.Errorf("%d texts with the expected slugs", n)
	}
	before := s.state()
	var put write.ProductWritten
	s.want(s.request("PUT", path, boots), 200).decode(t, &put)
	if put.Changed != 0 || s.state() != before {
		t.Errorf("a PUT of what is so already wrote %d rows", put.Changed)
	}
	for name, tt := range map[string]struct {
		edits map[string]any
		rows  int64
	}{
		"status":                {map[string]any{"status": "archived"}, 1},
		"brand left out":        {map[string]any{"brand_id": nil}, 1},
		"one text":              {map[string]any{"texts": map[string]any{"it": map[string]any{"title": "Stivale d'inverno", "description": "Caldo."}}}, 1},
		"a place in a category": {map[string]any{"categories": []any{map[string]any{"id": 2}, map[string]any{"id": 1, "position": 4}}}, 1},
		"no offers":             {map[string]any{"offers": nil}, 0},
		"a count":               {map[string]any{"offers": []any{map[string]any{"store": "1", "boost": 1.5, "stock": []any{map[string]any{"sku": "B7-42", "on_hand": 8}}}}}, 1},
		"a paused offer":        {map[string]any{"offers": []any{map[string]any{"store": "milano", "status": "paused", "boost": 1.5}}}, 1},
	} {
		s.want(s.request("PUT", path, edited(t, boots, tt.edits)), 200).decode(t, &put)
		if put.Changed != tt.rows {
			t.Errorf("%s: %d rows written, want %d", name, put.Changed, tt.rows)
		}
		s.want(s.request("PUT", path, boots), 200)
	}
	s.audit()
	if after := s.number(`select count(*) from stock_movements where sku = 'B7-42'`); after != 3 {
		t.Errorf("%d movements of B7-42, want the first, one up and one down", after)
	}
}

func TestARemovedVariantLeavesTheLedgerRight(t *testing.T) {
	s := newShop(t)
	r := s.want(s.request("POST", "/api/v1/products", boots), 201)
	path := r.header.Get("Location")
	less := edited(t, boots, map[string]any{"variants": []any{map[string]any{"sku": "B7-43", "gtin": "8001234567891", "options": map[string]any{"size": "43"}}}, "offers": nil})
	if _, err := s.pool.Exec(t.Context(), `update inventory set reserved = 1 where sku = 'B7-42'`); err != nil {
		t.Fatal(err)
	}
	s.want(s.request("PUT", path, less), 409)
	if _, err := s.pool.Exec(t.Context(), `update inventory set reserved = 0 where sku = 'B7-42'`); err != nil {
		t.Fatal(err)
	}
	s.want(s.request("PUT", path, less), 200)
	if n := s.number(`select count(*) from variants where sku = 'B7-42'`); n != 0 {
		t.Error("the variant is still there")
	}
	s.audit()
	s.want(s.request("PUT", path, boots), 200)
	s.audit()
}

func TestProductRefusals(t *testing.T) {
	s := newShop(t)
	s.want(s.request("POST", "/api/v1/products", boots), 201)
	before := s.state()
	long := strings.Repeat("x", 301)
	for name, tt := range map[string]struct {
		edits  map[string]any
		status int
		field  string
	}{
		"unknown seller":         {map[string]any{"seller_id": 9, "external_id": "new"}, 422, "seller_id"},
		"unknown brand":          {map[string]any{"brand_id": 9, "external_id": "new"}, 422, "brand_id"},
		"external id of another": {map[string]any{}, 409, "external_id"},
		"SKU of another":         {map[string]any{"external_id": "new", "offers": nil}, 409, "variants[0].sku"},
		"unknown category":       {map[string]any{"external_id": "new", "categories": []any{map[string]any{"id": 77}}}, 422, "categories[0].id"},
		"unknown store":          {map[string]any{"external_id": "new", "variants": []any{map[string]any{"sku": "N"}}, "offers": []any{map[string]any{"store": "roma"}}}, 422, "offers[0].store"},
		"unknown attribute":      {map[string]any{"attributes": map[string]any{"smell": "good"}}, 422, "attributes.smell"},
		"attribute of a kind":    {map[string]any{"attributes": map[string]any{"weight": "heavy"}}, 422, "attributes.weight"},
		"attribute null":         {map[string]any{"attributes": map[string]any{"colour": nil}}, 422, "attributes.colour"},
		"no title":               {map[string]any{"texts": map[string]any{"it": map[string]any{"title": "  "}}}, 422, "texts.it.title"},
		"long title":             {map[string]any{"texts": map[string]any{"it": map[string]any{"title": long}}}, 422, "texts.it.title"},
		"unknown language":       {map[string]any{"texts": map[string]any{"pt": map[string]any{"title": "Bota"}}}, 422, "texts.pt"},
		"no variants":            {map[string]any{"variants": []any{}, "offers": nil}, 422, "variants"},
		"script address":         {map[string]any{"images": []any{map[string]any{"url": "javascript:alert(1)"}}}, 422, "images[0].url"},
		"negative price":         {offer("prices", map[string]any{"sku": "B7-42", "amount": -1}), 422, "offers[0].prices[0].amount"},
		"price past the limit":   {offer("prices", map[string]any{"sku": "B7-42", "amount": 100_000_000_001}), 422, "offers[0].prices[0].amount"},
		"price past int64":       {offer("prices", map[string]any{"sku": "B7-42", "amount": json.Number("9223372036854775808")}), 400, "offers[0].prices[0].amount"},
		"price with a fraction":  {offer("prices", map[string]any{"sku": "B7-42", "amount": 12.5}), 400, "offers[0].prices[0].amount"},
		"no price":               {offer("prices", map[string]any{"sku": "B7-42"}), 422, "offers[0].prices[0].amount"},
		"list price below":       {offer("prices", map[string]any{"sku": "B7-42", "amount": 100, "list_amount": 99}), 422, "offers[0].prices[0].list_amount"},
		"dates backwards":        {offer("prices", map[string]any{"sku": "B7-42", "amount": 1, "valid_from": "2026-02-01T00:00:00Z", "valid_to": "2026-01-01T00:00:00Z"}), 422, "offers[0].prices[0].valid_to"},
		"no date":                {offer("prices", map[string]any{"sku": "B7-42", "amount": 1, "valid_from": "tomorrow"}), 422, "offers[0].prices[0].valid_from"},
		"negative count":         {offer("stock", map[string]any{"sku": "B7-42", "on_hand": -1}), 422, "offers[0].stock[0].on_hand"},
		"foreign SKU's price":    {offer("prices", map[string]any{"sku": "A-1", "amount": 1}), 422, "offers[0].prices[0].sku"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.want(s.request("POST", "/api/v1/products", edited(t, boots, tt.edits)), tt.status)
			if got := r.fields(t); !slices.Contains(got, tt.field) {
				t.Errorf("the answer names %v, want %s: %s", got, tt.field, r.body)
			}
		})
	}
	s.want(s.request("PUT", "/api/v1/products/4711", boots), 404)
	s.want(s.request("PUT", "/api/v1/products/boots", boots), 404)
	if after := s.state(); after != before {
		t.Errorf("refused products changed something:\n%s\n%s", before, after)
	}
}

func offer(part string, row map[string]any) map[string]any {
	return map[string]any{"offers": []any{map[string]any{"store": "milano", part: []any{row}}}}
}

func TestPricesAndStock(t *testing.T) {
	s := newShop(t)
	put := func(body string, status int) reply {
		return s.want(s.request("PUT", "/api/v1/stores/milano/prices", body), status)
	}
	var changed write.Changed
	put(`{"prices":[{"sku":"A-1","amount":1400},{"sku":"A-2","amount":1500}]}`, 200).decode(t, &changed)
	if changed.Changed != 1 {
		t.Errorf("%d rows written, want only the one that differs", changed.Changed)
	}
	put(`{"prices":[{"sku":"A-1","amount":1400},{"sku":"A-1","amount":1500}]}`, 422)
	put(`{"prices":[{"sku":"B-1","amount":1400}]}`, 422)
	if got := put(`{"prices":[{"sku":"A-1","amount":1400},{"sku":"A-2","amount":100,"list_amount":50}]}`, 422).fields(t); !slices.Equal(got, []string{"prices[1].list_amount"}) {
		t.Errorf("a list price below the price: the answer names %v", got)
	}
	put(`{"prices":[{"sku":"A-1","amount":1400,"list_amount":1400},{"sku":"A-2","amount":1500,"list_amount":0}]}`, 200) // no discount
	s.want(s.request("PUT", "/api/v1/stores/roma/prices", `{"prices":[{"sku":"A-1","amount":1400}]}`), 404)

	move := func(body string, status int, header ...string) reply {
		return s.want(s.request("POST", "/api/v1/stores/1/stock", body, header...), status)
	}
	up := `{"actor":"warehouse","movements":[{"sku":"A-2","kind":"receipt","quantity":4},{"sku":"A-1","kind":"adjustment","quantity":-20,"reason":"fire"}]}`
	first := move(up, 200, "Idempotency-Key", "m1")
	if second := move(up, 200, "Idempotency-Key", "m1"); string(second.body) != string(first.body) {
		t.Errorf("replayed %s, first %s", second.body, first.body)
	}
	var levels write.StockLevels
	first.decode(t, &levels)
	if !slices.Equal(levels.Stock, []write.StockLevel{{SKU: "A-1"}, {SKU: "A-2", OnHand: 4}}) {
		t.Errorf("levels %+v", levels.Stock)
	}
	before := s.state()
	move(`{"actor":"w","movements":[{"sku":"A-2","kind":"receipt","quantity":1},{"sku":"A-1","kind":"adjustment","quantity":-1}]}`, 409)
	move(`{"actor":"w","movements":[{"sku":"A-2","kind":"sale","quantity":-1}]}`, 422)
	move(`{"actor":"w","movements":[{"sku":"A-2","kind":"receipt","quantity":-1}]}`, 422)
	move(`{"actor":"w","movements":[{"sku":"A-2","kind":"adjustment","quantity":0}]}`, 422)
	move(`{"actor":"","movements":[{"sku":"A-2","kind":"adjustment","quantity":1}]}`, 422)
	if after := s.state(); after != before {
		t.Error("refused movements changed something")
	}
	s.audit()
}

func TestStockOfAVariantThatWasNeverThere(t *testing.T) {
	s := newShop(t)
	if _, err := s.pool.Exec(t.Context(), `insert into variants (sku, product_id) values ('A-3', 1)`); err != nil {
		t.Fatal(err)
	}
	s.want(s.request("POST", "/api/v1/stores/1/stock", `{"actor":"w","movements":[{"sku":"A-3","kind":"receipt","quantity":2}]}`), 200)
	s.audit()
}

func TestMixedWritersKeepTheLedgerRight(t *testing.T) {
	s := newShop(t)
	requests := map[string][3]string{
		"order":  {"POST", "/api/v1/orders", orderOne},
		"up":     {"POST", "/api/v1/stores/1/stock", `{"actor":"w","movements":[{"sku":"A-1","kind":"receipt","quantity":2},{"sku":"A-2","kind":"receipt","quantity":1}]}`},
		"down":   {"POST", "/api/v1/stores/1/stock", `{"actor":"w","movements":[{"sku":"A-2","kind":"adjustment","quantity":-1},{"sku":"A-1","kind":"adjustment","quantity":-1}]}`},
		"count":  {"PUT", "/api/v1/products/1", `{"seller_id":1,"brand_id":1,"type":"boot","status":"active","attributes":{"colour":"nero"},"texts":{"it":{"title":"Stivale nero","slug":"stivale-nero"}},"categories":[{"id":2}],"variants":[{"sku":"A-1"},{"sku":"A-2"}],"offers":[{"store":"milano","stock":[{"sku":"A-2","on_hand":5},{"sku":"A-1","on_hand":9}]}]}`},
		"prices": {"PUT", "/api/v1/stores/1/prices", `{"prices":[{"sku":"A-2","amount":1400},{"sku":"A-1","amount":1300}]}`},
	}
	names := slices.Sorted(maps.Keys(requests))
	statuses := s.gather(100, func(i int) (reply, error) {
		r := requests[names[i%len(names)]]
		return s.try(r[0], r[1], r[2], "Idempotency-Key", fmt.Sprint(i))
	})
	// Receipts, counts and prices always go; orders and corrections only while there is stock.
	if statuses[200] < 60 || statuses[200]+statuses[201]+statuses[409] != 100 {
		t.Errorf("statuses %v, want at least 60 times 200 and nothing but 200, 201 and 409", statuses)
	}
	s.audit()
}

package read_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"freshet/api/read"
	"freshet/search"
)

// TestWalk goes through all pages of real searches by their cursors.
func TestWalk(t *testing.T) {
	address, _ := widgetServer(t)
	for _, path := range []string{"/api/v1/stores/widgets/search?q=pentola&", "/api/v1/products?store=widgets&category=1&"} {
		seen := map[int64]bool{}
		pages := 0
		for cursor := "*"; cursor != ""; pages++ {
			var page read.SearchPage
			fetch(t, address+path+"limit=7&cursor="+url.QueryEscape(cursor), &page)
			for _, c := range page.Products {
				if seen[c.Product] {
					t.Errorf("%s: product %d is on two pages", path, c.Product)
				}
				seen[c.Product] = true
			}
			cursor = page.Next
		}
		if len(seen) != 20 || pages != 3 {
			t.Errorf("%s: %d products on %d pages, want 20 on 3", path, len(seen), pages)
		}
	}
}

func TestCursorsAreSigned(t *testing.T) {
	s := newShop(t)
	const find = "/api/v1/stores/milano/search?q=stivale&limit=1&cursor="
	next := func(r reply) string {
		var page read.SearchPage
		r.want(t, 200).decode(t, &page)
		return page.Next
	}
	first := next(s.get(find + "*"))
	if second := next(s.get(find + first)); second == first || first == "" {
		t.Errorf("cursors %q and %q", first, second)
	}
	for name, path := range map[string]string{
		"of another text":     "/api/v1/stores/milano/search?q=scarpa&limit=1&cursor=" + first,
		"of another limit":    "/api/v1/stores/milano/search?q=stivale&limit=2&cursor=" + first,
		"of another language": "/api/v1/stores/milano/search?q=stivale&limit=1&lang=en&cursor=" + first,
		"of another route":    "/api/v1/products?store=milano&limit=1&cursor=" + first,
		"a bit off":           find + strings.Replace(first, first[20:21], string(first[20]^1), 1),
		"cut":                 find + first[:len(first)-2],
		"short":               find + "abcd",
		"garbage":             find + "%25",
		"empty":               find,
		"with an offset":      find + first + "&offset=1",
		"without hits":        "/api/v1/stores/milano/search?limit=0&cursor=*",
	} {
		if r := s.get(path); r.status != 400 || !strings.Contains(string(r.body), `"field":"cursor"`) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := newShop(t).get(find + first); r.status != 400 {
		t.Errorf("a cursor of another server's: %d", r.status)
	}
	s.fault = &search.Expired{Reason: "the server forgot"}
	if r := s.get(find+first).want(t, 410); !strings.Contains(string(r.body), "cursor=*") {
		t.Errorf("an expired cursor: %s", r.body)
	}
}

// fetch decodes what an address answers.
func fetch(t *testing.T, address string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", address, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

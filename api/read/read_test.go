package read_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet/api"
	"freshet/api/apitest"
	"freshet/ingest/change"
	"freshet/search"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestRoutesAndFileAgree(t *testing.T) {
	s := newShop(t)
	difference, err := apitest.Difference("read", s.server.Routes())
	if err != nil {
		t.Fatal(err)
	}
	if difference != "" {
		t.Error(difference)
	}
	for _, path := range []string{"/", "/openapi.yaml", "/healthz", "/readyz"} {
		s.get(path).want(t, 200)
	}
}

// TestAnswers compares each kind of answer with a golden file.
func TestAnswers(t *testing.T) {
	s := newShop(t)
	for name, path := range map[string]string{
		"stores":   "/api/v1/stores",
		"home":     "/api/v1/stores/milano/home",
		"category": "/api/v1/stores/1/categories/stivali",
		"product":  "/api/v1/stores/milano/products/7",
		"english":  "/api/v1/stores/milano/products/7?lang=en",
		"search":   "/api/v1/stores/milano/search?q=stivale",
		"list":     "/api/v1/products?store=milano&category=2",
		"suggest":  "/api/v1/stores/milano/suggest?q=sti",
	} {
		t.Run(name, func(t *testing.T) {
			r := s.get(path).want(t, 200)
			var document any
			r.decode(t, &document)
			got, err := json.MarshalIndent(document, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got)+"\n" != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if r.header.Get("Freshet-As-Of") != "0/64" && name != "stores" && name != "product" && name != "english" {
				t.Errorf("Freshet-As-Of %q, want 0/64", r.header.Get("Freshet-As-Of"))
			}
		})
	}
}

func TestWhatIsNotThere(t *testing.T) {
	s := newShop(t)
	s.products[8] = s.products[7]
	paused := *s.offers["1:7"]
	paused.Product, paused.Row.Status = 8, "paused"
	s.offers["1:8"] = &paused
	for _, path := range []string{
		"/api/v1/stores/roma/home", "/api/v1/stores/paris/home", "/api/v1/stores/2/home", "/api/v1/stores/99/home",
		"/api/v1/stores/milano/home?lang=de", "/api/v1/stores/milano/categories/altrove", "/api/v1/stores/milano/categories/nascosta",
		"/api/v1/stores/milano/categories/99", "/api/v1/stores/milano/categories/-1", "/api/v1/stores/milano/products/8",
		"/api/v1/stores/milano/products/99", "/api/v1/stores/milano/products/x", "/api/v1/stores/milano/products/9223372036854775808",
		"/api/v1/products/7", "/api/v2/stores",
	} {
		if r := s.get(path); r.status != 404 || r.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if r := request(t, s.server, method, "/api/v1/stores", "{}"); r.status != 405 {
			t.Errorf("%s: %d %s", method, r.status, r.body)
		}
	}
}

func TestLanguage(t *testing.T) {
	s := newShop(t)
	for _, tt := range []struct{ query, accept, want string }{
		{"", "", "it"},
		{"", "en", "en"},
		{"", "en-GB,en;q=0.9", "en"},
		{"", "fr-FR, en;q=0.3, it;q=0.2", "en"},
		{"", "ja", "it"},
		{"", "*", "it"},
		{"", "not a header ;;;", "it"},
		{"", strings.Repeat("en,", 200), "it"},
		{"?lang=en", "it", "en"},
	} {
		r := s.get("/api/v1/stores/milano/home"+tt.query, "Accept-Language", tt.accept).want(t, 200)
		if got := r.header.Get("Content-Language"); got != tt.want {
			t.Errorf("lang%s, Accept-Language %q: %q, want %q", tt.query, tt.accept, got, tt.want)
		}
		if r.header.Get("Vary") != "Accept-Language" {
			t.Errorf("Vary %q", r.header.Get("Vary"))
		}
	}
	s.get("/api/v1/stores/milano/home?lang=fr").want(t, 400)
	s.get("/api/v1/stores/milano/home?lang=").want(t, 400)
}

func TestETag(t *testing.T) {
	s := newShop(t)
	const path = "/api/v1/stores/milano/products/7"
	tag := s.get(path).want(t, 200).header.Get("ETag")
	for header, status := range map[string]int{tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, `"other"`: 200, "": 200} {
		r := s.get(path, "If-None-Match", header).want(t, status)
		if r.header.Get("ETag") != tag || (status == 304) != (len(r.body) == 0) || r.header.Get("Freshet-As-Of") == "" {
			t.Errorf("If-None-Match %s: %v with %d bytes", header, r.header, len(r.body))
		}
	}
	s.get(path+"?lang=en", "If-None-Match", tag).want(t, 200)
	s.offers["1:7"].Prices[0].Amount++
	s.get(path, "If-None-Match", tag).want(t, 200)
}

func TestReadYourWrites(t *testing.T) {
	s := newShop(t)
	const path = "/api/v1/stores/milano/home"
	s.get("/readyz").want(t, 200)
	s.refreshed, s.position = 0, 101
	if r := s.get(path, "Freshet-Position", "0/65").want(t, 200); r.header.Get("Freshet-Behind") != "" || s.refreshed != 1 {
		t.Errorf("behind %q, dimensions refreshed %d times: want them refreshed once", r.header.Get("Freshet-Behind"), s.refreshed)
	}
	start := time.Now()
	if r := s.get(path, "Freshet-Position", "0/66").want(t, 200); r.header.Get("Freshet-Behind") != "true" || time.Since(start) < 50*time.Millisecond {
		t.Errorf("a position not reached: behind %q after %s", r.header.Get("Freshet-Behind"), time.Since(start))
	}
	for _, bad := range []string{"x", "0/", "0/G", "100", "-1/0", "0/64/1", "123456789/0", "0/64\tx"} {
		if r := s.get(path, "Freshet-Position", bad); r.status != 400 {
			t.Errorf("Freshet-Position %q: %d", bad, r.status)
		}
	}
	s.position = 0
	if r := s.get(path).want(t, 200); r.header.Get("Freshet-As-Of") != change.LSN(0).String() {
		t.Errorf("As-Of of an unknown position: %q", r.header.Get("Freshet-As-Of"))
	}
}

// TestAsOfNeverClaimsMoreThanTheDimensions: the product page resolves names from dimensions that are loaded now and then.
func TestAsOfNeverClaimsMoreThanTheDimensions(t *testing.T) {
	s := newShop(t)
	s.get("/readyz").want(t, 200) // loads the dimensions at 0/64
	s.position = 200
	if got := s.get("/api/v1/stores/milano/products/7").want(t, 200).header.Get("Freshet-As-Of"); got != "0/64" {
		t.Errorf("As-Of %q, but the dimensions are as of 0/64", got)
	}
}

func TestSearchParameters(t *testing.T) {
	s := newShop(t)
	amount := func(n int64) *int64 { return &n }
	number := func(n float64) *float64 { return &n }
	facets := []string{"category", "brand", "price", "in_stock", "colour", "weight"}
	for _, tt := range []struct {
		query string
		want  search.Query
	}{
		{"", search.Query{Store: 1, Lang: "it", Limit: 24, Facets: facets}},
		{"q=stivale+nero&lang=en&offset=48&limit=48&sort=price_asc", search.Query{Store: 1, Lang: "en", Text: "stivale nero", Offset: 48, Limit: 48, Sort: "price_asc", Facets: facets}},
		{"category=stivali&brand=5&brand=6&in_stock=true", search.Query{Store: 1, Lang: "it", Category: 2, Brands: []int64{5, 6}, InStock: true, Limit: 24, Facets: facets}},
		{"price_min=100&price_max=20000", search.Query{Store: 1, Lang: "it", PriceMin: amount(100), PriceMax: amount(20000), Limit: 24, Facets: facets}},
		{"attr.colour=nero&attr.colour=rosso&attr.weight.min=1.5&attr.weight.max=3&attr.vegan=true", search.Query{
			Store: 1, Lang: "it", Limit: 24, Facets: facets, Keywords: map[string][]string{"colour": {"nero", "rosso"}},
			Numbers: map[string]search.Range{"weight": {Min: number(1.5), Max: number(3)}}, Booleans: map[string]bool{"vegan": true},
		}},
	} {
		s.get("/api/v1/stores/milano/search?"+tt.query).want(t, 200)
		if !reflect.DeepEqual(s.asked, tt.want) {
			t.Errorf("%s asked\n%+v\nwant\n%+v", tt.query, s.asked, tt.want)
		}
	}
}

// TestFacetsWithoutValuesAreLeftOut: what no hit has is nothing to choose from, but for what is chosen; a number has its bounds.
func TestFacetsWithoutValuesAreLeftOut(t *testing.T) {
	s := newShop(t)
	low, high := 0.0, 2.5
	s.result.Facets = []search.Facet{
		{Code: "brand", Kind: search.KindBrand},
		{Code: "colour", Kind: search.KindKeyword, Values: []search.Value{{Value: "nero", Selected: true}}},
		{Code: "price", Kind: search.KindPrice},
		{Code: "weight", Kind: search.KindNumber, Min: &low, Max: &high},
	}
	var page struct{ Facets []struct{ Code string } }
	s.get("/api/v1/stores/milano/search?attr.colour=nero").want(t, 200).decode(t, &page)
	var codes []string
	for _, f := range page.Facets {
		codes = append(codes, f.Code)
	}
	if got := strings.Join(codes, " "); got != "colour weight" {
		t.Errorf("facets %s", got)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	s := newShop(t)
	const find, list = "/api/v1/stores/milano/search?", "/api/v1/products?store=milano&"
	for path, field := range map[string]string{
		find + "querry=x":                           "querry",
		find + "q=" + strings.Repeat("x", 201):      "q",
		find + "q=a&q=b":                            "q",
		find + "offset=-1":                          "offset",
		find + "offset=10001":                       "offset",
		find + "offset=9990&limit=24":               "offset",
		find + "offset=9223372036854775808":         "offset",
		find + "limit=101":                          "limit",
		find + "limit=1.5":                          "limit",
		find + "limit=":                             "limit",
		find + "price_min=-1":                       "price_min",
		find + "price_min=12.50":                    "price_min",
		find + "price_max=9223372036854775808":      "price_max",
		find + "price_min=5&price_max=4":            "price_min",
		find + "in_stock=yes":                       "in_stock",
		find + "sort=cheapest":                      "sort",
		find + "brand=lupo":                         "brand",
		find + "category=altrove":                   "category",
		find + "category=3":                         "category",
		find + "category=99":                        "category",
		find + "lang=pt":                            "lang",
		find + "attr.smell=good":                    "attr.smell",
		find + "attr.weight=3":                      "attr.weight",
		find + "attr.weight.min=NaN":                "attr.weight.min",
		find + "attr.weight.min=1e999":              "attr.weight.min",
		find + "attr.weight.mid=1":                  "attr.weight.mid",
		find + "attr.colour.min=1":                  "attr.colour.min",
		find + "attr.colour=":                       "colour",
		find + "attr.vegan=maybe":                   "attr.vegan",
		find + "attr.=1":                            "attr.",
		find + "store=milano":                       "store",
		list + "q=x":                                "q",
		list + "sort=newest":                        "sort",
		"/api/v1/products":                          "store",
		"/api/v1/stores?lang=it":                    "lang",
		"/api/v1/stores/milano/home?page=2":         "page",
		"/api/v1/stores/milano/products/7?cache=no": "cache",
	} {
		r := s.get(path).want(t, 400)
		var p api.Problem
		r.decode(t, &p)
		if !slices.ContainsFunc(p.Errors, func(f api.Field) bool { return f.Field == field }) {
			t.Errorf("%s names %v, want %s", path, p.Errors, field)
		}
	}
	if r := s.get(find + "sort=cheapest"); !strings.Contains(string(r.body), "relevance, price_asc, price_desc, popularity or newest") {
		t.Errorf("an order that there isn't: %s", r.body)
	}
	for _, raw := range []string{"%zz", "q=%ff", "q=%00", "a;b", "q=" + strings.Repeat("x", 5000), strings.Repeat("brand=1&", 600)} {
		if r := s.get(find + raw); r.status != 400 {
			t.Errorf("%.40s: %d %s", raw, r.status, r.body)
		}
	}
}

// TestRandomInputIsNeverAFault sends random bytes to every route, in every place that takes some.
func TestRandomInputIsNeverAFault(t *testing.T) {
	s := newShop(t)
	rng := rand.New(rand.NewPCG(7, 7))
	for range 10 {
		noise := make([]byte, 1000)
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		for _, route := range s.server.Routes() {
			path := strings.NewReplacer("{store}", "milano", "{category}", "stivali", "{product}", "7").Replace(route.Href)
			for _, p := range []string{
				path + "?" + url.QueryEscape(string(noise[:200])), path + "?q=" + url.QueryEscape(string(noise)),
				path + "/" + url.PathEscape(string(noise[:100])), strings.Replace(path, "milano", url.PathEscape(string(noise[:80])), 1),
			} {
				if r := s.get(p, "Accept-Language", fmt.Sprintf("%x", noise[:20])); r.status >= 500 || (r.status >= 300 && len(r.body) == 0) {
					t.Fatalf("%s: %d %s", p, r.status, r.body)
				}
			}
			for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "NOISE"} {
				if r := request(t, s.server, method, path, string(noise)); r.status < 400 || r.status >= 500 {
					t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
				}
			}
		}
	}
}

func TestStoresThatAreAway(t *testing.T) {
	s := newShop(t)
	s.fault = errors.New("no answer")
	s.get("/api/v1/stores/milano/home").want(t, 503) // not a 404: nothing was ever loaded
	s.fault = nil
	s.get("/readyz").want(t, 200)
	s.fault = &search.Unavailable{RetryAfter: 3 * time.Second, Err: errors.New("connection refused to a secret address")}
	r := s.get("/api/v1/stores/milano/search").want(t, 503)
	if r.header.Get("Retry-After") != "3" || strings.Contains(string(r.body), "secret") {
		t.Errorf("Retry-After %q: %s", r.header.Get("Retry-After"), r.body)
	}
	s.fault = errors.New("a document that can't be decoded")
	s.get("/api/v1/stores/milano/products/7").want(t, 500)
}

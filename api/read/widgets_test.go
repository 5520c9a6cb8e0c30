package read_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freshet/api/read"
	"freshet/deploy/stack/stacktest"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
	"freshet/search"
)

// widgetShop is the store that examples/instantsearch is tested with.
func widgetShop() *dimension.Set {
	home := int64(1)
	number := func(code string, slot int64) dimension.Attribute {
		return dimension.Attribute{Code: code, Kind: "number", Facet: true, NumericSlot: &slot, Labels: "{}"}
	}
	category := func(id int64, parent *int64) dimension.Category {
		return dimension.Category{ID: id, TreeID: 1, ParentID: parent, Position: id, Slug: fmt.Sprint("c", id), Active: true}
	}
	return dimension.NewSet(1, dimension.Rows{
		Stores:     []dimension.Store{{ID: 1, Code: "widgets", Market: "it", Currency: "EUR", Languages: []string{"it"}, TreeID: 1, Active: true}},
		Categories: []dimension.Category{category(1, nil), category(2, &home), category(3, &home), category(4, nil)},
		Texts: []dimension.CategoryText{
			{CategoryID: 1, Lang: "it", Name: "Casa"},
			{CategoryID: 2, Lang: "it", Name: "Cucina"},
			{CategoryID: 3, Lang: "it", Name: "Bagno"},
			{CategoryID: 4, Lang: "it", Name: "Sport"},
		},
		Brands: []dimension.Brand{{ID: 1, Name: "Alba"}, {ID: 2, Name: "Brenta"}, {ID: 3, Name: "Cima"}, {ID: 4, Name: "Dora"}},
		Attributes: []dimension.Attribute{
			{Code: "colour", Kind: "keyword", Facet: true, Labels: "{}"},
			{Code: "material", Kind: "keyword", Facet: true, Labels: "{}"},
			number("weight_g", 0),
		},
	})
}

// widgetOffers are forty offers whose properties follow from their number.
func widgetOffers(t *testing.T) []*view.Offer {
	t.Helper()
	offers := make([]*view.Offer, 40)
	for i := range offers {
		n := int64(i)
		attributes := map[string]any{"weight_g": 100 * (n % 10), "colour": [][]string{{"red", "blue"}, {"blue"}, {"red"}, {}}[n%4]}
		if n%8 == 0 {
			attributes["material"] = "wool"
		}
		raw, err := json.Marshal(attributes)
		if err != nil {
			t.Fatal(err)
		}
		title, category := fmt.Sprint("Pentola numero ", n), 2+n/10
		if n >= 20 {
			title, category = fmt.Sprint("Scarpe numero ", n), 4
		}
		offers[i] = &view.Offer{
			Version: 1, Store: 1, Product: n + 1, Visible: true, Boost: 1, CreatedAt: "2026-01-02T03:04:05Z", Price: 100 * (n + 1),
			Available: []int64{5, 5, 5, 0}[n%4], Brand: 1 + n%4, BrandName: []string{"Alba", "Brenta", "Cima", "Dora"}[n%4],
			Texts:      []view.Text{{Lang: "it", Title: title, Slug: fmt.Sprint("p", n)}},
			Categories: []view.Category{{ID: category}}, Attributes: raw, Images: picture(n),
		}
	}
	return offers
}

// picture is one of a colour of its own; of five offers one has none, and one has one that can't be loaded.
func picture(n int64) json.RawMessage {
	switch n % 5 {
	case 3:
		return json.RawMessage(`[{"url":"data:image/png;base64,AAAA"}]`)
	case 4:
		return nil
	}
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><rect width="4" height="3" fill="hsl(%d 45%% 75%%)"/></svg>`
	return fmt.Appendf(nil, `[{"url":"data:image/svg+xml,%s"}]`, url.PathEscape(fmt.Sprintf(svg, 36*n%360)))
}

// widgetServer serves the offers at an address; asked counts the requests that Elasticsearch gets.
func widgetServer(t *testing.T) (address string, asked *atomic.Int64) {
	t.Helper()
	elastic, prefix := stacktest.Elastic(t)
	target, err := url.Parse(elastic)
	if err != nil {
		t.Fatal(err)
	}
	asked = new(atomic.Int64)
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	client, err := search.Open([]string{front.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&search.Indices{Client: client, Prefix: prefix}).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	dims := widgetShop()
	var ops []search.Op
	for _, v := range widgetOffers(t) {
		doc := search.FromView(v, dims)
		op, err := doc.Op(search.Alias(prefix))
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, op)
	}
	if _, err := search.NewWriter(client, search.WriterConfig{}).Publish(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.dims = dims
	searcher := search.NewSearcher(client, search.SearcherConfig{Prefix: prefix, Timeout: 30 * time.Second})
	server := serve(t, read.Config{Pages: w, Products: w, Searcher: searcher, Dimensions: w, Progress: w})
	return listen(t, server), asked
}

// TestWidgets has a browser use the pages of examples/instantsearch, unmodified packages of npm, on the API.
func TestWidgets(t *testing.T) {
	example, err := filepath.Abs("../../examples/instantsearch")
	if err != nil {
		t.Fatal(err)
	}
	node := needs(t, example)
	address, asked := widgetServer(t)
	counter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, asked.Load()) // a test that can't read it fails
	}))
	t.Cleanup(counter.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--test", "--test-concurrency=1", "--test-reporter=tap")
	cmd.Dir, cmd.Env = example, append(os.Environ(), "FRESHET_API="+address, "FRESHET_ASKED="+counter.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// needs finds what the pages are tested with; without it the test is skipped, on CI it fails.
func needs(t *testing.T, example string) (node string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(example, "node_modules", "playwright-core"))
	}
	if err == nil {
		_, err = os.Stat(cmp.Or(os.Getenv("CHROMIUM"), "/usr/bin/chromium"))
	}
	if err != nil {
		missing := fmt.Sprintf("%v: install node and chromium (or name one in CHROMIUM), and run npm ci in examples/instantsearch", err)
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return node
}

// TestPageOfWidgetsIsOneSearch sends what a page sends that has menus refined: a query for the hits and one for each menu.
func TestPageOfWidgetsIsOneSearch(t *testing.T) {
	address, asked := widgetServer(t)
	const filters = `"facetFilters":[["brand:Alba","brand:Brenta"],["categories.lvl1:Casa > Cucina"],["colour:blue"]]`
	body := `{"requests":[
		{"indexName":"widgets_it","query":"","facets":["brand","colour","categories.lvl0","categories.lvl1"],` + filters + `},
		{"indexName":"widgets_it","hitsPerPage":0,"facets":"brand","facetFilters":[["categories.lvl1:Casa > Cucina"],["colour:blue"]]},
		{"indexName":"widgets_it","hitsPerPage":0,"facets":["categories.lvl0"],"facetFilters":[["brand:Alba","brand:Brenta"],["colour:blue"]]},
		{"indexName":"widgets_it","hitsPerPage":0,"params":"facets=%5B%22price%22%5D&numericFilters=%5B%22price%3C%3D10%22%5D"}]}`
	before := asked.Load()
	var answer struct {
		Results []struct {
			Total  int64                         `json:"nbHits"`
			Facets map[string]map[string]int64   `json:"facets"`
			Stats  map[string]map[string]float64 `json:"facets_stats"`
		} `json:"results"`
	}
	post(t, address+"/1/indexes/*/queries?x-algolia-agent=test", body, &answer)
	if n := asked.Load() - before; n != 1 {
		t.Errorf("%d searches", n)
	}
	r := answer.Results
	if len(r) != 4 || r[0].Total != 6 || r[1].Total != 6 || r[2].Total != 20 || r[3].Total != 10 {
		t.Fatalf("%+v", r)
	}
	if got := fmt.Sprint(r[1].Facets, r[2].Facets, r[3].Stats); got != "map[brand:map[Alba:3 Brenta:3]] map[categories.lvl0:map[Casa:10 Sport:10]] map[price:map[max:10 min:1]]" {
		t.Error(got)
	}
	var facet struct {
		Hits []struct{ Value, Highlighted string } `json:"facetHits"`
	}
	post(t, address+"/1/indexes/widgets_it/facets/brand/query", `{"facetQuery":"br"}`, &facet)
	if fmt.Sprint(facet.Hits) != "[{Brenta <em>Brenta</em>}]" {
		t.Errorf("%+v", facet)
	}
}

// post sends a body as the clients do, as text, so that browsers ask no leave for it.
func post(t *testing.T, address, body string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s: %s, %v", address, resp.Status, resp.Header)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// listen serves until the test ends.
func listen(t *testing.T, server interface {
	Serve(ctx context.Context, ln net.Listener) error
},
) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

package search

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// counted is a client of the real server that counts its requests.
func counted(t *testing.T) (c *Client, prefix string, requests *[]string) {
	t.Helper()
	address, prefix := stacktest.Elastic(t)
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	requests = new([]string)
	proxy := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests = append(*requests, r.URL.Path)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	if c, err = Open([]string{s.URL}); err != nil {
		t.Fatal(err)
	}
	if err := (&Indices{Client: c, Prefix: prefix}).ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, prefix, requests
}

// drawWhere draws conditions of which the test knows what they mean.
func drawWhere(rt *rapid.T) [][]Condition {
	condition := rapid.Custom(func(rt *rapid.T) Condition {
		c := rapid.SampledFrom([]Condition{
			{Facet: FacetBrand, Values: []string{"1"}},
			{Facet: FacetBrand, Values: []string{"2", "3"}},
			{Facet: FacetBrand, Values: []string{}},
			{Facet: FacetStock, Values: []string{"true"}},
			{Facet: FacetPrice, Op: "<=", Number: 1500},
			{Facet: FacetPrice, Op: ">", Number: 700},
			{Facet: FacetPrice, Op: "!=", Number: 1000},
			{Facet: "colour", Values: []string{"rosso"}},
			{Facet: "colour", Values: []string{"nero", "blu"}},
			{Facet: "weight", Op: ">=", Number: 2},
			{Facet: "weight", Values: []string{"1", "2.5"}},
			{Facet: "organic", Values: []string{"false"}},
			{Facet: Level(0), Values: []string{"1"}},
			{Facet: Level(1), Values: []string{"11"}},
			{Facet: FacetCategory, Values: []string{"12"}},
		}).Draw(rt, "condition")
		c.Not = rapid.IntRange(0, 3).Draw(rt, "not") == 0
		return c
	})
	return rapid.SliceOfN(rapid.SliceOfN(condition, 1, 3), 0, 3).Draw(rt, "where")
}

// holds says whether a condition is so of an item, by looking at it.
func holds(it *item, c Condition, dims *dimension.Set) bool {
	compare := func(n float64) bool {
		switch c.Op {
		case "<=":
			return n <= c.Number
		case ">":
			return n > c.Number
		case ">=":
			return n >= c.Number
		case "!=":
			return n != c.Number
		}
		return slices.Contains(c.Values, fmt.Sprint(n))
	}
	var is bool
	switch c.Facet {
	case FacetBrand:
		is = slices.Contains(c.Values, key(it.brand))
	case FacetStock:
		is = slices.Contains(c.Values, boolean(it.stock))
	case FacetPrice:
		return compare(float64(it.price)) != c.Not
	case "colour":
		is = slices.ContainsFunc(it.colours, func(s string) bool { return slices.Contains(c.Values, s) })
	case "weight":
		is = it.weight != nil && compare(*it.weight)
	case "organic":
		is = it.organic != nil && slices.Contains(c.Values, boolean(*it.organic))
	default:
		var id int64
		_, _ = fmt.Sscan(c.Values[0], &id)
		is = within(it, id, dims)
	}
	return is != c.Not
}

func matchesAll(it *item, where [][]Condition, dims *dimension.Set) bool {
	return !it.deleted && it.store == 7 && !slices.ContainsFunc(where, func(group []Condition) bool {
		return !slices.ContainsFunc(group, func(c Condition) bool { return holds(it, c, dims) })
	})
}

// However the queries of a page differ in their conditions, each is answered as if it were alone, and all by one request.
func TestBatchEqualsBruteForce(t *testing.T) {
	client, prefix, requests := counted(t)
	searchers, dims := narrowAndWide(client, prefix), shop(1)
	var items []*item
	var views []*view.Offer
	for product := range int64(40) {
		it := rapid.Custom(func(rt *rapid.T) *item { return drawItem(rt, product+1) }).Example(int(product))
		items = append(items, it)
		views = append(views, it.view(1))
	}
	index(t, client, prefix, dims, views...)
	rapid.Check(t, func(rt *rapid.T) {
		for range 3 {
			queries := make([]Query, rapid.IntRange(1, 5).Draw(rt, "queries"))
			for i := range queries {
				queries[i] = query(func(q *Query) {
					q.Where, q.StrictText = drawWhere(rt), true
					q.Limit = rapid.SampledFrom([]int{0, 0, 50}).Draw(rt, "limit")
					q.Facets = someOf(rt, "facets", []string{FacetBrand, "colour", FacetStock, "organic", Level(0)}, 0, 4)
				})
			}
			*requests = nil
			results, err := searchers[b2i(rapid.Bool().Draw(rt, "wide"))].SearchAll(t.Context(), queries, dims)
			if err != nil {
				rt.Fatal(err)
			}
			if len(*requests) != 1 {
				rt.Fatalf("%d requests: %v", len(*requests), *requests)
			}
			for i := range results {
				checkResult(rt, &queries[i], &results[i], items, dims)
			}
		}
	})
}

func checkResult(rt *rapid.T, q *Query, r *Result, items []*item, dims *dimension.Set) {
	var want, got []int64
	counts := map[string]map[string]int64{}
	for _, it := range items {
		if !matchesAll(it, q.Where, dims) {
			continue
		}
		want = append(want, it.product)
		for _, code := range q.Facets {
			if counts[code] == nil {
				counts[code] = map[string]int64{}
			}
			for _, v := range valuesOf(it, code, dims) {
				counts[code][v]++
			}
		}
	}
	for _, h := range r.Hits {
		got = append(got, h.Product)
	}
	slices.Sort(got)
	if r.Total != int64(len(want)) || q.Limit > 0 && !slices.Equal(got, want) {
		rt.Fatalf("%+v: %d hits %v, want %v", q.Where, r.Total, got, want)
	}
	for _, f := range r.Facets {
		if f.Code == Level(0) && len(q.categories()) > 0 {
			continue // other branches are left out then
		}
		for _, v := range f.Values {
			if v.Count != counts[f.Code][v.Value] {
				rt.Fatalf("%+v: %s %s is %d, want %d", q.Where, f.Code, v.Value, v.Count, counts[f.Code][v.Value])
			}
			delete(counts[f.Code], v.Value)
		}
		if len(counts[f.Code]) > 0 {
			rt.Fatalf("%+v: %s lacks %v", q.Where, f.Code, counts[f.Code])
		}
	}
}

func valuesOf(it *item, code string, dims *dimension.Set) []string {
	switch code {
	case FacetBrand:
		if it.brand != 0 {
			return []string{key(it.brand)}
		}
		return nil
	case FacetStock:
		return []string{boolean(it.stock)}
	case "colour":
		return it.colours
	case "organic":
		if it.organic == nil {
			return nil
		}
		return []string{boolean(*it.organic)}
	}
	var tops []string
	for _, c := range []int64{1, 2} {
		if within(it, c, dims) {
			tops = append(tops, key(c))
		}
	}
	return tops
}

func TestBatchOfSeveralPagesIsOneRequest(t *testing.T) {
	client, prefix, requests := counted(t)
	index(t, client, prefix, shop(1), offerView(1, 1, "Pane"), offerView(2, 1, "Vino"))
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	*requests = nil
	results, err := s.SearchAll(t.Context(), []Query{
		query(func(q *Query) { q.Text = "pane" }), query(func(q *Query) { q.Text = "vino" }), query(),
		query(func(q *Query) { q.Text = "vinno" }),
	}, shop(1))
	if err != nil {
		t.Fatal(err)
	}
	if len(*requests) != 2 || (*requests)[0] != "/_msearch" { // the second is the pass that allows for misspellings
		t.Errorf("requests %v", *requests)
	}
	for i, want := range []string{"[1]", "[2]", "[1 2]", "[2]"} {
		var got []int64
		for _, h := range results[i].Hits {
			got = append(got, h.Product)
		}
		if fmt.Sprint(got) != want || results[i].Fuzzy != (i == 3) {
			t.Errorf("%d: %v (fuzzy %v), want %s", i, got, results[i].Fuzzy, want)
		}
	}
	if results[3].DidYouMean != "vino" {
		t.Errorf("did you mean %q", results[3].DidYouMean)
	}
}

// TestSelectionsOfABatchAllowNoMisspellings: two menus, each with a selection of its own, leave little of a text that finds
// enough. That is no reason to look for misspellings, which neither menu has counted.
func TestSelectionsOfABatchAllowNoMisspellings(t *testing.T) {
	client, prefix, requests := counted(t)
	index(t, client, prefix, shop(1), offerView(1, 1, "Pane"), offerView(2, 1, "Pane"), offerView(3, 1, "Pane"), offerView(4, 1, "Pana"))
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	*requests = nil
	cheap, none := []Condition{{Facet: "price", Op: "<", Number: 0}}, []Condition{{Facet: "price", Op: ">", Number: 1e9}}
	selected := func(limit int, where ...[]Condition) Query {
		return query(func(q *Query) { q.Text, q.Limit, q.Where = "pane", limit, where })
	}
	results, err := s.SearchAll(t.Context(), []Query{selected(20, cheap, none), selected(0, cheap), selected(0, none)}, shop(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Total != 0 || r.Fuzzy {
			t.Errorf("query %d: %d hits, fuzzy %v", i, r.Total, r.Fuzzy)
		}
	}
	if len(*requests) != 1 {
		t.Errorf("requests %v", *requests)
	}
}

func TestBatchLimits(t *testing.T) {
	s := NewSearcher(nil, SearcherConfig{Prefix: "p"})
	many := slices.Repeat([]Condition{{Facet: "colour", Values: []string{"x"}}}, MaxConditions+1)
	for name, queries := range map[string][]Query{
		"none":       {},
		"too many":   slices.Repeat([]Query{query()}, MaxBatch+1),
		"conditions": {query(func(q *Query) { q.Where = [][]Condition{many} })},
		"operator":   {query(func(q *Query) { q.Where = [][]Condition{{{Facet: "price", Op: "~"}}} })},
		"facet":      {query(func(q *Query) { q.Where = [][]Condition{{{Facet: "_id", Op: "="}}} })},
		"attribute":  {query(func(q *Query) { q.Where = [][]Condition{{{Facet: "shape", Values: []string{"x"}}}} })},
		"empty":      {query(func(q *Query) { q.Where = [][]Condition{{}} })},
		"selections": {query(func(q *Query) { q.Brands, q.Facets = []int64{1}, []string{"brand"} })},
	} {
		if _, err := s.SearchAll(t.Context(), queries, shop(1)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFacetValues(t *testing.T) {
	client, prefix := server(t)
	var views []*view.Offer
	for i, colour := range []string{"Rosso scuro", "Rosso chiaro", "Verde", "Rosa", "Rosa"} {
		raw, err := json.Marshal(map[string]string{"colour": colour})
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, offerView(int64(i+1), 1, "Pane", func(v *view.Offer) { v.Attributes, v.Brand = raw, int64(1+i%2) }))
	}
	index(t, client, prefix, shop(1), views...)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	for _, tt := range []struct{ code, text, want string }{
		{"colour", "ro", "Rosa 2 Rosso chiaro 1 Rosso scuro 1"},
		{"colour", "SCUR ross", "Rosso scuro 1"},
		{"colour", "blu", ""},
		{"colour", "", "Rosa 2 Rosso chiaro 1 Rosso scuro 1 Verde 1"},
		{"brand", "bre", "Brenta 2"},
	} {
		values, err := s.FacetValues(t.Context(), query(), tt.code, tt.text, 10, shop(1))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range values {
			name := v.Label
			if name == "" {
				name = v.Value
			}
			got = append(got, fmt.Sprint(name, " ", v.Count))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s %q: %v, want %q", tt.code, tt.text, got, tt.want)
		}
	}
}

func TestHighlight(t *testing.T) {
	for _, tt := range []struct{ text, query, want string }{
		{"Scarpe da corsa", "scarpa", "<Scarpe> da corsa"},
		{"Caffè d'orzo", "caffe or", "<Caffè> d'<orzo>"},
		{"Pane", "pane", "<Pane>"},
		{"Pane", "", "Pane"},
		{"<b>Pane</b>", "b", "<<b>>Pane</<b>>"},
		{"", "x", ""},
	} {
		if got := Highlight(tt.text, tt.query, "it", "<", ">"); got.Value != tt.want || got.Whole != (tt.text == "Pane" && tt.query != "") {
			t.Errorf("%q for %q: %+v, want %q", tt.text, tt.query, got, tt.want)
		}
	}
}

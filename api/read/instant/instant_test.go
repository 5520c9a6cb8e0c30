package instant

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"freshet/api"
	"freshet/projectors/dimension"
	"freshet/search"
)

func shop() *dimension.Set {
	parent, slot := int64(1), int64(0)
	return dimension.NewSet(1, dimension.Rows{
		Stores: []dimension.Store{
			{ID: 1, Code: "milano", Currency: "EUR", Languages: []string{"it", "en"}, TreeID: 1, Active: true},
			{ID: 2, Code: "tokyo", Currency: "JPY", Languages: []string{"en"}, TreeID: 1, Active: true},
			{ID: 3, Code: "chiuso", Languages: []string{"it"}, TreeID: 1},
		},
		Categories: []dimension.Category{{ID: 1, TreeID: 1, Active: true}, {ID: 2, TreeID: 1, ParentID: &parent, Active: true}},
		Texts:      []dimension.CategoryText{{CategoryID: 1, Lang: "it", Name: "Casa"}, {CategoryID: 2, Lang: "it", Name: "Cucina"}},
		Brands:     []dimension.Brand{{ID: 5, Name: "Lupo"}, {ID: 6, Name: "Lupo"}, {ID: 7, Name: "-Alba"}},
		Attributes: []dimension.Attribute{
			{Code: "colour", Kind: "keyword", Facet: true}, {Code: "weight", Kind: "number", Facet: true, NumericSlot: &slot}, {Code: "secret", Kind: "keyword"},
		},
	})
}

func prepare(t *testing.T, body string) (Query, error) {
	t.Helper()
	requests, err := Decode(fmt.Appendf(nil, `{"requests":[%s]}`, body))
	if err != nil {
		return Query{}, err
	}
	return requests[0].Prepare(shop())
}

func TestConditions(t *testing.T) {
	equal := func(facet string, values ...string) search.Condition {
		return search.Condition{Facet: facet, Values: append([]string{}, values...)}
	}
	not := func(c search.Condition) search.Condition { c.Not = true; return c }
	compare := func(facet, op string, n float64) search.Condition {
		return search.Condition{Facet: facet, Op: op, Number: n}
	}
	type groups = [][]search.Condition
	for params, want := range map[string]groups{
		`{"facetFilters":[["brand:Lupo","brand:Other"],"in_stock:true"]}`: {{equal("brand", "5", "6"), equal("brand")}, {equal("in_stock", "true")}},
		`{"facetFilters":"colour:-rosso: scuro"}`:                         {{not(equal("colour", "rosso: scuro"))}},
		`{"facetFilters":["brand:\\-Alba"]}`:                              {{equal("brand", "7")}},
		`{"facetFilters":[["categories.lvl1:Casa > Cucina"]]}`:            {{equal(search.Level(1), "2")}},
		`{"facetFilters":[["categories.lvl1:Casa > Nulla"]]}`:             {{equal(search.Level(1))}},
		`{"facetFilters":["weight:2.5"]}`:                                 {{compare("weight", "=", 2.5)}},
		`{"numericFilters":["price>=10.5",["weight<2","weight!=3"]]}`:     {{compare("price", ">=", 1050)}, {compare("weight", "<", 2), compare("weight", "!=", 3)}},
		`"facetFilters=%5B%22colour%3Anero%22%5D&query=x"`:                {{equal("colour", "nero")}},
		`{"filters":"brand:Lupo AND (colour:nero OR NOT colour:\"rosso scuro\") AND price < 3"}`: {
			{equal("brand", "5", "6")}, {equal("colour", "nero"), not(equal("colour", "rosso scuro"))}, {compare("price", "<", 300)},
		},
		`{"filters":"weight:1 TO 2.5"}`:     {{compare("weight", ">=", 1)}, {compare("weight", "<=", 2.5)}},
		`{"filters":"NOT weight:1 TO 2.5"}`: {{not(compare("weight", ">=", 1)), not(compare("weight", "<=", 2.5))}},
		`{"filters":"","tagFilters":[]}`:    nil,
	} {
		q, err := prepare(t, `{"indexName":"milano_it","params":`+params+`}`)
		if err != nil {
			t.Errorf("%s: %v", params, err)
		} else if !reflect.DeepEqual(q.Where, want) {
			t.Errorf("%s:\n%+v, want\n%+v", params, q.Where, want)
		}
	}
	q, err := prepare(t, `{"indexName":"tokyo","numericFilters":["price<=500"]}`)
	if err != nil || q.Where[0][0].Number != 500 || q.Lang != "en" {
		t.Errorf("yen have no decimals: %+v, %v", q.Where, err)
	}
}

func TestRefused(t *testing.T) {
	for _, body := range []string{
		`{}`, `{"indexName":"roma_it"}`, `{"indexName":"milano_fr"}`, `{"indexName":"milano_it_price"}`, `{"indexName":"chiuso_it"}`, `{"indexName":7}`,
		`{"indexName":"milano_it","facetFilters":["colour"]}`, `{"indexName":"milano_it","facetFilters":{"a":1}}`, `{"indexName":"milano_it","facetFilters":[[["a:b"]]]}`,
		`{"indexName":"milano_it","numericFilters":["colour>1"]}`, `{"indexName":"milano_it","numericFilters":["price>x"]}`, `{"indexName":"milano_it","numericFilters":["price!1"]}`,
		`{"indexName":"milano_it","filters":"brand:Lupo AND"}`, `{"indexName":"milano_it","filters":"(brand:Lupo"}`, `{"indexName":"milano_it","filters":"brand:Lupo OR brand:x"}`,
		`{"indexName":"milano_it","filters":"(weight:1 TO 2 OR brand:x)"}`, `{"indexName":"milano_it","filters":"AND"}`,
		`{"indexName":"milano_it","tagFilters":["x"]}`, `{"indexName":"milano_it","hitsPerPage":101}`, `{"indexName":"milano_it","page":-1}`,
		`{"indexName":"milano_it","hitsPerPage":"many"}`, `{"indexName":"milano_it","query":7}`, `{"indexName":"milano_it","params":7}`, `{"indexName":"milano_it","params":"%"}`,
		`{"indexName":"milano_it","highlightPreTag":"` + strings.Repeat("x", 101) + `"}`,
	} {
		if _, err := prepare(t, body); api.KindOf(err) != api.Invalid && api.KindOf(err) != api.NotFound {
			t.Errorf("%s: %v", body, err)
		}
	}
	// What is refused is told so that it can be put right: with the attribute, and with an index that there is.
	for body, want := range map[string]string{
		`{"indexName":"milano_it","numericFilters":["heft<=5"]}`:   `no number attribute "heft"`,
		`{"indexName":"milano_it","filters":"colour > 1"}`:         `no number attribute "colour"`,
		`{"indexName":"milano_it","numericFilters":["weight!<5"]}`: `"weight!<5" is no comparison`,
		`{"indexName":"roma_it"}`:                                  `like milano_it_price_asc.`,
	} {
		if _, err := prepare(t, body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", body, err, want)
		}
	}
	if got := example(dimension.NewSet(1, dimension.Rows{Stores: []dimension.Store{{ID: 3, Code: "chiuso", Languages: []string{"it"}}}})); got != "" {
		t.Errorf("a shop without an open store has the index %q", got)
	}
	for _, body := range []string{``, `[]`, `{"requests":[]}`, `{"requests":[` + strings.Repeat(`{},`, MaxRequests) + `{}]}`} {
		if _, err := Decode([]byte(body)); api.KindOf(err) != api.Invalid {
			t.Errorf("%.40s: %v", body, err)
		}
	}
}

// TestRefusedFiltersNameTheirParameter: the same comparison may stand in three parameters, and the answer says in which.
func TestRefusedFiltersNameTheirParameter(t *testing.T) {
	for body, field := range map[string]string{
		`"filters":"colour > 1"`: "filters", `"filters":"price:x TO 2"`: "filters", `"filters":"weight:x"`: "filters", `"filters":"AND"`: "filters",
		`"facetFilters":["weight:x"]`: "facetFilters", `"facetFilters":["colour"]`: "facetFilters", `"numericFilters":["price>x"]`: "numericFilters",
	} {
		_, err := prepare(t, `{"indexName":"milano_it",`+body+`}`)
		if e := new(api.Error); !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Field != field || e.Fields[0].Detail == "" {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// No filter makes reading it fail in another way than by an error, and one that is read says something.
func TestFiltersOfAnything(t *testing.T) {
	pieces := []string{"brand", ":", "Lupo", "AND", "OR", "NOT", "(", ")", "price", "<", ">=", "10", "TO", `"a b"`, `'`, "-", "weight", "=", "!="}
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(rt, "pieces"), rapid.SampledFrom([]string{" ", ""}).Draw(rt, "between"))
		params, err := json.Marshal(url.Values{"filters": {text}, "query": {rapid.String().Draw(rt, "query")}}.Encode())
		if err != nil {
			rt.Fatal(err)
		}
		q, err := prepare(t, `{"indexName":"milano_it","params":`+string(params)+`}`)
		if err == nil && (len(q.Where) == 0) != (text == "") {
			rt.Fatalf("%q: %+v", text, q.Where)
		}
	})
}

func TestAnswer(t *testing.T) {
	low, high := 100.0, 12950.0
	q, err := prepare(t, `{"indexName":"milano_it","query":"stivali","hitsPerPage":2,"page":1,"facets":["brand","price","categories.lvl0","secret","none"],"highlightPreTag":"<b>","highlightPostTag":"</b>"}`)
	if err != nil {
		t.Fatal(err)
	}
	if q.Offset != 2 || q.Query.Limit != 2 || fmt.Sprint(q.Facets) != "[brand price category_level_0]" {
		t.Fatalf("%+v", q.Query)
	}
	a := q.Answer(&search.Result{
		Total: 5, Hits: []search.Hit{{Card: search.Card{Product: 7, Title: "Stivale <nero>", Price: 12950, Brand: "Lupo"}}},
		Facets: []search.Facet{
			{Code: "brand", Kind: search.KindBrand, Values: []search.Value{{Value: "5", Label: "Lupo", Count: 3}, {Value: "6", Label: "Lupo", Count: 2}, {Value: "7", Label: "-Alba"}}},
			{Code: "price", Kind: search.KindPrice, Min: &low, Max: &high, Count: 5},
			{Code: search.Level(0), Kind: search.KindCategory, Values: []search.Value{{Value: "1", Count: 4}}},
		},
	})
	if a.Pages != 3 || a.Page != 1 || a.Hits[0].Price != 129.5 || a.Hits[0].Highlight["title"].Value != "<b>Stivale</b> <nero>" || a.Hits[0].Highlight["title"].Level != "full" {
		t.Errorf("%+v", a)
	}
	if fmt.Sprint(a.Facets) != "map[brand:map[Lupo:5] categories.lvl0:map[Casa:4] price:map[]]" || a.Stats["price"] != (Stats{1, 129.5}) {
		t.Errorf("facets %v, stats %v", a.Facets, a.Stats)
	}
	if got := fmt.Sprint(a.Content.Ordering.Facets.Order); got != "[brand price categories.lvl0]" {
		t.Errorf("order %s", got)
	}
}

package search

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func query(change ...func(*Query)) Query {
	q := Query{Store: 7, Lang: "it", Limit: 20}
	for _, f := range change {
		f(&q)
	}
	return q
}

func TestValidate(t *testing.T) {
	many := func(n int) []string { return strings.Split(strings.Repeat("x", n), "") }
	tests := []struct {
		field string // of the error, "" for none
		q     Query
	}{
		{"", query()},
		{"", query(func(q *Query) { q.Text = strings.Repeat("è", MaxText); q.Offset = 9980 })},
		{"", query(func(q *Query) { q.Limit, q.Facets = 0, []string{"brand", "colour"} })},
		{"store", query(func(q *Query) { q.Store = 0 })},
		{"lang", query(func(q *Query) { q.Lang = "pt" })},
		{"lang", query(func(q *Query) { q.Lang = "" })},
		{"text", query(func(q *Query) { q.Text = strings.Repeat("x", MaxText+1) })},
		{"text", query(func(q *Query) { q.Text = "\xff" })},
		{"category", query(func(q *Query) { q.Category = -1 })},
		{"sort", query(func(q *Query) { q.Sort = "price" })},
		{"offset", query(func(q *Query) { q.Offset = -1 })},
		{"offset", query(func(q *Query) { q.Offset = 9981 })},
		{"offset", query(func(q *Query) { q.Offset = math.MaxInt })},
		{"limit", query(func(q *Query) { q.Limit = 101 })},
		{"limit", query(func(q *Query) { q.Limit = -1 })},
		{"price", query(func(q *Query) { q.PriceMin = ptr[int64](-1) })},
		{"price", query(func(q *Query) { q.PriceMin, q.PriceMax = ptr[int64](2), ptr[int64](1) })},
		{"brand", query(func(q *Query) { q.Brands = make([]int64, 51) })},
		{"colour", query(func(q *Query) { q.Keywords = map[string][]string{"colour": many(51)} })},
		{"colour", query(func(q *Query) { q.Keywords = map[string][]string{"colour": {}} })},
		{"colour", query(func(q *Query) { q.Keywords = map[string][]string{"colour": {""}} })},
		{"colour", query(func(q *Query) { q.Keywords = map[string][]string{"colour": {strings.Repeat("x", 257)}} })},
		{"attributes", query(func(q *Query) { q.Keywords = map[string][]string{"a.b": {"x"}} })},
		{"attributes", query(func(q *Query) { q.Booleans = map[string]bool{"_id": true} })},
		{"attributes", query(func(q *Query) { q.Numbers = map[string]Range{"": {Min: ptr(1.0)}} })},
		{"weight", query(func(q *Query) { q.Numbers = map[string]Range{"weight": {}} })},
		{"weight", query(func(q *Query) { q.Numbers = map[string]Range{"weight": {Min: ptr(math.NaN())}} })},
		{"weight", query(func(q *Query) { q.Numbers = map[string]Range{"weight": {Max: ptr(math.Inf(1))}} })},
		{"weight", query(func(q *Query) { q.Numbers = map[string]Range{"weight": {ptr(2.0), ptr(1.0)}} })},
		{"facets", query(func(q *Query) { q.Facets = slices.Repeat([]string{"a"}, 21) })},
		{"facets", query(func(q *Query) { q.Facets = []string{"brand", "brand"} })},
		{"facets", query(func(q *Query) { q.Facets = []string{"*"} })},
		{"attributes", query(func(q *Query) {
			q.Booleans = map[string]bool{}
			for _, c := range "abcdefghijklmnopqrstu" {
				q.Booleans[string(c)] = true
			}
		})},
	}
	for i, tt := range tests {
		err := tt.q.Validate()
		var bad *Invalid
		switch {
		case tt.field == "" && err != nil:
			t.Errorf("%d: %v", i, err)
		case tt.field != "" && (!errors.As(err, &bad) || bad.Field != tt.field):
			t.Errorf("%d: error %v, want one of %s", i, err, tt.field)
		}
	}
}

func TestPlanRefusesWhatIsNotThere(t *testing.T) {
	tests := map[string]Query{
		"store":    query(func(q *Query) { q.Store = 99 }),
		"lang":     query(func(q *Query) { q.Store, q.Lang = 8, "de" }),
		"category": query(func(q *Query) { q.Category = 999 }),
		"facets":   query(func(q *Query) { q.Facets = []string{"material"} }), // an attribute, but no facet
		"material": query(func(q *Query) { q.Numbers = map[string]Range{"material": {Min: ptr(1.0)}} }),
		"shape":    query(func(q *Query) { q.Keywords = map[string][]string{"shape": {"x"}} }),
		"brand":    query(func(q *Query) { q.Keywords = map[string][]string{"brand": {"x"}} }),
	}
	for field, q := range tests {
		var bad *Invalid
		if _, err := makePlan(&q, shop(1), newLexicon(shop(1), q.Lang)); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for name, id := range map[string]int64{"of another tree": 90, "inactive": 3, "below an inactive one": 31} {
		q := query(func(q *Query) { q.Category = id })
		if _, err := makePlan(&q, shop(1), newLexicon(shop(1), q.Lang)); err == nil {
			t.Errorf("a category %s is accepted", name)
		}
	}
}

func TestRequests(t *testing.T) {
	everything := []string{"category", "brand", "price", "in_stock", "colour", "size", "weight", "organic"}
	for name, q := range map[string]Query{
		"browse": query(),
		"text":   query(func(q *Query) { q.Text = "scarpe da corsa" }),
		"facets": query(func(q *Query) { q.Facets = everything }),
		"refined": query(func(q *Query) {
			q.Text, q.Category, q.Facets, q.Sort, q.Offset = `l'acqua "OR" *:*`, 1, everything, SortPriceAsc, 40
			q.Brands, q.PriceMin, q.PriceMax, q.InStock = []int64{1, 2}, ptr[int64](100), ptr[int64](5000), true
			q.Keywords = map[string][]string{"colour": {"rosso", "nero"}, "material": {"steel"}}
			q.Numbers = map[string]Range{"weight": {Min: ptr(0.5)}}
			q.Booleans = map[string]bool{"organic": true}
		}),
	} {
		p, err := makePlan(&q, shop(1), newLexicon(shop(1), q.Lang))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		golden(t, "request-"+name, p.request(false, 80, time.Second))
		if name == "text" {
			golden(t, "request-fuzzy", p.request(true, 80, time.Second))
		}
	}
}

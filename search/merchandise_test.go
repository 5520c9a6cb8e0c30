package search

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

func pin(product, place int64, change ...func(*dimension.Rule)) dimension.Rule {
	return ruled(dimension.Rule{ProductID: product, Action: dimension.ActionPin, Place: &place, Active: true}, change)
}

func hide(product int64, change ...func(*dimension.Rule)) dimension.Rule {
	return ruled(dimension.Rule{ProductID: product, Action: dimension.ActionHide, Active: true}, change)
}

func boost(product int64, factor float64, change ...func(*dimension.Rule)) dimension.Rule {
	return ruled(dimension.Rule{ProductID: product, Action: dimension.ActionBoost, Factor: &factor, Active: true}, change)
}

func ruled(r dimension.Rule, change []func(*dimension.Rule)) dimension.Rule {
	for _, f := range change {
		f(&r)
	}
	return r
}

func forQuery(q string) func(*dimension.Rule) { return func(r *dimension.Rule) { r.Query = &q } }
func forCategory(id int64) func(*dimension.Rule) {
	return func(r *dimension.Rule) { r.CategoryID = &id }
}
func forStore(id int64) func(*dimension.Rule) { return func(r *dimension.Rule) { r.StoreID = &id } }
func inactive(r *dimension.Rule)              { r.Active = false }

// merchant is the store of shop with rules.
func merchant(rules ...dimension.Rule) *dimension.Set {
	for i := range rules {
		rules[i].ID = int64(i + 1)
	}
	category := dimension.Category{ID: 1, TreeID: 1, Slug: "casa", Active: true}
	return dimension.NewSet(1, dimension.Rows{
		Stores:     []dimension.Store{{ID: 7, Languages: []string{"it"}, TreeID: 1, Active: true}},
		Categories: []dimension.Category{category}, Rules: rules,
	})
}

// TestRules: twelve offers "pane 1" to "pane 12", the first the most popular; 12 is called "vino".
func TestRules(t *testing.T) {
	client, prefix := server(t)
	var views []*view.Offer
	for i := range int64(12) {
		title := "Pane"
		if i == 11 {
			title = "Vino"
		}
		views = append(views, offerView(i+1, 1, title, func(v *view.Offer) {
			v.Popularity, v.Categories = float64(50-i), []view.Category{{ID: 1}}
			v.Price = 100 + i
		}))
	}
	index(t, client, prefix, merchant(), views...)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	text := func(q *Query) { q.Text, q.Limit = "pane", 5 }
	browse := func(q *Query) { q.Category, q.Limit = 1, 5 }
	for name, tt := range map[string]struct {
		rules []dimension.Rule
		query func(*Query)
		want  string
	}{
		"none":                         {nil, text, "1 2 3 4 5"},
		"pin of a query":               {[]dimension.Rule{pin(9, 1, forQuery("pane")), pin(8, 3, forQuery("pane"))}, text, "9 1 8 2 3"},
		"another form of the query":    {[]dimension.Rule{pin(9, 1, forQuery("pani"))}, text, "9 1 2 3 4"},
		"pin that the text is not in":  {[]dimension.Rule{pin(12, 2, forQuery("pane"))}, text, "1 12 2 3 4"},
		"pin of every query":           {[]dimension.Rule{pin(12, 1), pin(9, 1)}, text, "9 1 2 3 4"},
		"pin of another query":         {[]dimension.Rule{pin(9, 1, forQuery("vino"))}, text, "1 2 3 4 5"},
		"pin of another store":         {[]dimension.Rule{pin(9, 1, forStore(8))}, text, "1 2 3 4 5"},
		"inactive":                     {[]dimension.Rule{pin(9, 1, inactive), hide(1, inactive)}, text, "1 2 3 4 5"},
		"pin of what is not there":     {[]dimension.Rule{pin(99, 1), pin(9, 2)}, text, "1 9 2 3 4"},
		"hide":                         {[]dimension.Rule{hide(2), hide(3, forQuery("pane")), hide(4, forQuery("vino"))}, text, "1 4 5 6 7"},
		"hide beats pin":               {[]dimension.Rule{hide(9), pin(9, 1)}, text, "1 2 3 4 5"},
		"boost":                        {[]dimension.Rule{boost(9, 10), boost(1, 0.01)}, text, "9 2 3 4 5"},
		"pin of a category":            {[]dimension.Rule{pin(9, 2, forCategory(1))}, browse, "1 9 2 3 4"},
		"not of the category":          {[]dimension.Rule{pin(9, 1, forCategory(1))}, text, "1 2 3 4 5"},
		"boost in a category":          {[]dimension.Rule{boost(9, 50, forCategory(1))}, browse, "9 1 2 3 4"},
		"second page":                  {[]dimension.Rule{pin(9, 1), pin(10, 7)}, func(q *Query) { text(q); q.Offset = 5 }, "5 10 6 7 8"},
		"page after the last place":    {[]dimension.Rule{pin(9, 1), pin(10, 2)}, func(q *Query) { text(q); q.Offset = 5 }, "4 5 6 7 8"},
		"sorted by price":              {[]dimension.Rule{pin(9, 1), boost(9, 9), hide(2)}, func(q *Query) { text(q); q.Sort = SortPriceAsc }, "1 3 4 5 6"},
		"filters hold for pins":        {[]dimension.Rule{pin(9, 1)}, func(q *Query) { text(q); q.PriceMax = ptr[int64](103) }, "1 2 3 4"},
		"category by its conditions":   {[]dimension.Rule{pin(9, 1, forCategory(1))}, func(q *Query) { q.Limit, q.Where = 3, [][]Condition{{{Facet: Level(0), Values: []string{"1"}}}} }, "9 1 2"},
		"place beyond the last result": {[]dimension.Rule{pin(3, 90)}, func(q *Query) { text(q); q.Limit = 20 }, "1 2 4 5 6 7 8 9 10 11 3"},
	} {
		r, err := s.Search(t.Context(), query(tt.query), merchant(tt.rules...))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := products(r.Hits); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func products(hits []Hit) string {
	var ids []int64
	for _, h := range hits {
		ids = append(ids, h.Product)
	}
	text := fmt.Sprint(ids)
	return text[1 : len(text)-1]
}

// However the pins are placed, the pages together are the results, each once, and each pin that fits is in its place.
func TestPagesOfPins(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		total := rapid.IntRange(1, 30).Draw(rt, "results")
		var rules []dimension.Rule
		for _, product := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 40), 0, 6, rapid.ID).Draw(rt, "pins") {
			rules = append(rules, pin(product, rapid.Int64Range(1, 9).Draw(rt, "place")))
		}
		q := query(func(q *Query) { q.Limit = rapid.IntRange(1, 12).Draw(rt, "limit") })
		rules = merchandiseOf(&q, merchant(rules...)).pins
		order := served(total, rules)
		var got []int64
		for ; q.Offset < total; q.Offset += q.Limit {
			p := &plan{q: &q, rules: merchandise{pins: rules}}
			from, size := p.window()
			hits := p.place(order[min(from, total):min(from+size, total)])
			for _, h := range hits {
				got = append(got, h.Product)
			}
		}
		if slices.Sort(got); len(slices.Compact(got)) != total {
			rt.Fatalf("%d results on all pages, want %d: %v", len(got), total, got)
		}
	})
}

// served is products 1 to n in the order the server has them: pins first.
func served(n int, pins []dimension.Rule) []Hit {
	var first, others []Hit
	for _, r := range pins {
		if r.ProductID <= int64(n) {
			first = append(first, Hit{Card: Card{Product: r.ProductID}})
		}
	}
	for product := range int64(n) {
		h := Hit{Card: Card{Product: product + 1}}
		if !slices.ContainsFunc(first, func(f Hit) bool { return f.Product == h.Product }) {
			others = append(others, h)
		}
	}
	return append(first, others...)
}

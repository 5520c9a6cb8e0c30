package search

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// explained asks and explains.
func explained(t *testing.T, s *Searcher, dims *dimension.Set, q Query) (Result, []Explanation) {
	t.Helper()
	r, err := s.Search(t.Context(), q, dims)
	if err != nil {
		t.Fatal(err)
	}
	why, err := s.Explain(t.Context(), q, &r, dims)
	if err != nil {
		t.Fatal(err)
	}
	if len(why) != len(r.Hits) {
		t.Fatalf("%d explanations of %d hits", len(why), len(r.Hits))
	}
	return r, why
}

// The factors that an explanation names make the score that the server gave: what it says is all there is, and true.
func TestExplanationsAreTheWholeTruth(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix, Timeout: time.Minute})
	dims := merchant(boost(3, 2.5), boost(4, 0.3, forQuery("pane nero")), pin(5, 2, forQuery("vino")))
	now := popularityAt(time.Now())
	var views []*view.Offer
	for i := range int64(24) {
		title := []string{"Pane nero", "Pane bianco di segale nera", "Pani neri", "Vino nero"}[i%4]
		views = append(views, offerView(i+1, 1, title, func(v *view.Offer) {
			v.Popularity, v.Boost, v.Available = now-15+float64(2*i), 1+float64(i%3)/2, i%5
			v.Brand, v.BrandName, v.Categories = 1+i%3, "Marca", []view.Category{{ID: 1}}
		}))
	}
	index(t, client, prefix, dims, views...)
	for _, q := range []Query{
		query(func(q *Query) { q.Text = "pane" }),
		query(func(q *Query) { q.Text = "pane nero" }),
		query(func(q *Query) { q.Text = "pnae nreo" }),
		query(func(q *Query) {
			q.Text, q.Affinity = "pane nero", Affinity{Brands: map[int64]float64{2: 0.7, 9: 0.3}, Categories: map[int64]float64{1: 0.4}}
		}),
	} {
		r, why := explained(t, s, dims, q)
		if r.Total < 6 {
			t.Errorf("%q finds %d", q.Text, r.Total)
		}
		for i, e := range why {
			score := 1.0
			for _, reason := range e.Reasons {
				score *= reason.Factor
			}
			if math.Abs(score/r.Hits[i].Score-1) > 1e-3 {
				t.Errorf("%q: the reasons of product %d make %g of a score of %g: %+v", q.Text, e.Product, score, r.Hits[i].Score, e.Reasons)
			}
		}
	}
}

func TestExplanationsInWords(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix, Timeout: time.Minute})
	dims := dimension.NewSet(1, dimension.Rows{
		Stores:     []dimension.Store{{ID: 7, Languages: []string{"it"}, TreeID: 1, Active: true}},
		Categories: []dimension.Category{{ID: 1, TreeID: 1, Slug: "scarpe", Active: true}},
		Texts:      []dimension.CategoryText{{CategoryID: 1, Lang: "it", Name: "Scarpe"}},
		Brands:     []dimension.Brand{{ID: 1, Name: "Lupo"}},
		Synonyms:   []dimension.Synonyms{{ID: 1, Lang: "it", Terms: []string{"stivale", "anfibio"}, Active: true}},
		Rules:      []dimension.Rule{pin(1, 1, forQuery("lupo"))},
	})
	index(t, client, prefix, dims, offerView(1, 1, "Anfibi neri stringati 500 g", func(v *view.Offer) {
		v.Brand, v.BrandName, v.Categories, v.Variants = 1, "Lupo", []view.Category{{ID: 1}}, []view.Variant{{SKU: "ANF-250"}}
		v.Texts[0].Description, v.Available, v.Boost = "Suola di gomma.", 0, 2
	}))
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"neri", []string{"“neri” is in the title."}},
		{"stringata", []string{"“stringata” is in the title in another form.", "The offer's own boost is 2.", "It is sold out", "this sells little"}},
		{"lupo", []string{"“lupo” is the brand", "Rule 0 pins it to place 1."}},
		{"scarpe", []string{"“scarpe” names its category"}},
		{"stivale", []string{"a synonym of “stivale” is in the title"}},
		{"0,5 kg", []string{"“0,5 kg” is a measure in the title"}},
		{"anf250", []string{"“anf250” is in a SKU or GTIN"}},
		{"gomma", []string{"“gomma” is in the description"}},
		{"anfbii", []string{"“anfbii” is nearly a word of the title"}},
		{"", []string{"It is sold out; what is in stock comes first.", "times its boost 2"}},
	} {
		_, why := explained(t, s, dims, query(func(q *Query) { q.Text = tt.text }))
		var said []string
		for _, e := range why {
			for _, reason := range e.Reasons {
				said = append(said, reason.Text)
			}
		}
		for _, want := range tt.want {
			if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("%q: %q, want %q in it", tt.text, said, want)
			}
		}
	}
	_, why := explained(t, s, dims, query(func(q *Query) { q.Sort = SortPriceAsc }))
	if len(why) != 1 || why[0].Reasons[0].Kind != ReasonOrder {
		t.Errorf("by price: %+v", why)
	}
}

// Of equal matches a customer's own brand comes first; a better match is still better, and a page without text is everybody's.
func TestPersonalOrder(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix, Timeout: time.Minute})
	branded := func(id int64) func(*view.Offer) {
		return func(v *view.Offer) { v.Brand, v.BrandName = id, "Marca" }
	}
	index(t, client, prefix, merchant(), offerView(1, 1, "Pane", branded(1)), offerView(2, 1, "Pane", branded(2)),
		offerView(3, 1, "Vino da servire con un pane casereccio di segale e farro integrale", branded(2)))
	lover := Affinity{Brands: map[int64]float64{2: 1}}
	for _, tt := range []struct {
		text string
		sort Sort
		a    Affinity
		want string
	}{
		{"pane", "", Affinity{}, "1 2 3"},
		{"pane", "", lover, "2 1 3"},
		{"pane", SortPriceAsc, lover, "1 2 3"},
		{"", "", lover, "1 2 3"},
	} {
		r, err := s.Search(t.Context(), query(func(q *Query) { q.Text, q.Sort, q.Affinity = tt.text, tt.sort, tt.a }), merchant())
		if err != nil {
			t.Fatal(err)
		}
		if got := products(r.Hits); got != tt.want {
			t.Errorf("%q by %q with %v: %s, want %s", tt.text, tt.sort, tt.a, got, tt.want)
		}
	}
}

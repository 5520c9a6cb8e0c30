package search

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"freshet/projectors/view"
)

// found searches and returns the products in order.
func found(t testing.TB, s *Searcher, q Query) []int64 {
	t.Helper()
	r, err := s.Search(t.Context(), q, shop(1))
	if err != nil {
		t.Fatal(err)
	}
	products := []int64{}
	for _, h := range r.Hits {
		products = append(products, h.Product)
	}
	return products
}

// Each language's index finds goods by their plural and singular, with and without accents, elided articles and parts of
// compounds, and does not find what only looks alike.
func TestLanguages(t *testing.T) {
	tests := map[string]struct {
		titles  []string // products 1, 2, …
		queries map[string][]int64
	}{
		"it": {
			titles: []string{"Scarpe da corsa", "Bicchiere d'acqua", "Macchina per il caffè", "Olio extravergine d’oliva", "Scarpiera in legno"},
			queries: map[string][]int64{
				"scarpa da corsa": {1}, "scarpe": {1}, "bicchieri": {2}, "dell'acqua": {2}, "caffe": {3}, "macchine caffè": {3},
				"L'OLIO": {4}, "oliva": {4}, "corsa con scarpe": {1},
			},
		},
		"fr": {
			titles: []string{"Chaussures de sport", "Bouteille d'eau", "Crème brûlée", "Machine à café", "Cheval de bois"},
			queries: map[string][]int64{
				"chaussure": {1}, "l'eau": {2}, "bouteilles d’eau": {2}, "creme brulee": {3}, "crèmes": {3}, "cafés": {4}, "chevaux": {5},
			},
		},
		"de": {
			titles: []string{"Kaffeemaschinen mit Mühle", "Waschmaschine", "Weingläser aus Kristall", "Straßenschuhe für Herren", "Bügeleisen"},
			queries: map[string][]int64{
				"Kaffeemaschine": {1}, "Kaffee": {1}, "Maschine": {2, 1}, "Glas": {3}, "weinglas": {3}, "Schuh": {4}, "Strassenschuhe": {4},
				"Buegeleisen": {5}, "bugeleisen": {5}, "Waschmaschinen": {2}, "Schuhe Herren": {4},
			},
		},
		"es": {
			titles: []string{"Zapatos de niño", "Cafetera eléctrica", "Lápices de colores", "Camión de juguete"},
			queries: map[string][]int64{
				"zapato": {1}, "nino": {1}, "cafeteras electricas": {2}, "lápiz": {3}, "color": {3}, "camiones": {4},
			},
		},
		"en": {
			titles: []string{"Running shoes", "Men's knives", "Tomato soup", "The Battery Box"},
			queries: map[string][]int64{
				"running shoe": {1}, "knife": {2}, "man": {2}, "men": {2}, "tomatoes": {3}, "batteries": {4}, "a box of the battery": {4},
			},
		},
	}
	for lang, tt := range tests {
		t.Run(lang, func(t *testing.T) {
			client, prefix := server(t)
			s := NewSearcher(client, SearcherConfig{Prefix: prefix})
			var views []*view.Offer
			for i, title := range tt.titles {
				views = append(views, offerView(int64(i+1), 1, title))
			}
			index(t, client, prefix, shop(1), views...)
			for text, want := range tt.queries {
				got := found(t, s, query(func(q *Query) { q.Lang, q.Text, q.StrictText = lang, text, true }))
				if !slices.Equal(got, want) {
					t.Errorf("%q finds %v, want %v", text, got, want)
				}
			}
		})
	}
}

func TestReferencesBrandsAndTypos(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	sku := func(sku, gtin string) func(*view.Offer) {
		return func(v *view.Offer) { v.Variants = []view.Variant{{SKU: sku, GTIN: gtin}} }
	}
	brand := func(v *view.Offer) { v.Brand, v.BrandName = 1, "Lavazza" }
	index(t, client, prefix, shop(1),
		offerView(1, 1, "Caffè macinato", brand, sku("CM-001/R", "4006381333931")),
		offerView(2, 1, "Tazzina CM"),
		offerView(3, 1, "Caffè in grani"),
		offerView(4, 1, "Borraccia", func(v *view.Offer) { v.Texts[0].Description = "per portare il caffè in viaggio" }),
	)
	tests := []struct {
		text  string
		want  []int64
		fuzzy bool
	}{
		{"cm001r", []int64{1}, false},
		{"CM-001/R", []int64{1}, false},
		{"4006381333931", []int64{1}, false},
		{"4006 3813 33931", []int64{1}, false},
		{"lavazza caffè", []int64{1}, false},
		{"caffè", []int64{1, 3, 4}, false},
		{"lavaza", []int64{1}, true},
		{"borracia", []int64{4}, true},
		{"maccinato", []int64{1}, true},
		{"zzzzzz", []int64{}, false},
		{`") OR (*:*`, []int64{}, false},
		{"title:caffè OR", []int64{}, false},
		{"**", []int64{}, false},
		{"...", []int64{}, false},
	}
	for _, tt := range tests {
		r, err := s.Search(t.Context(), query(func(q *Query) { q.Text = tt.text }), shop(1))
		if err != nil {
			t.Fatal(err)
		}
		got := []int64{}
		for _, h := range r.Hits {
			got = append(got, h.Product)
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || r.Fuzzy != tt.fuzzy {
			t.Errorf("%q finds %v (fuzzy %v), want %v (%v)", tt.text, got, r.Fuzzy, tt.want, tt.fuzzy)
		}
	}
	if got := found(t, s, query(func(q *Query) { q.Text, q.StrictText = "lavaza", true })); len(got) != 0 {
		t.Errorf("a strict search finds %v", got)
	}
}

// TestASelectionAllowsNoMisspellings: a text that finds enough is meant as it is typed, however few a facet's value leaves of it.
// The facet counted those few, by both ways to ask.
func TestASelectionAllowsNoMisspellings(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	coloured := func(colour string) func(*view.Offer) {
		return func(v *view.Offer) { v.Attributes = json.RawMessage(`{"colour":"` + colour + `"}`) }
	}
	index(t, client, prefix, shop(1),
		offerView(1, 1, "Pomodori rossi", coloured("nero")), offerView(2, 1, "Peperoni rossi", coloured("nero")),
		offerView(3, 1, "Fagioli rossi", coloured("nero")), offerView(4, 1, "Ravanelli rossi", coloured("verde")),
		offerView(5, 1, "Cetrioli russi", coloured("verde")),
	)
	refined := query(func(q *Query) {
		q.Text, q.Facets, q.Keywords = "rossi", []string{"colour"}, map[string][]string{"colour": {"verde"}}
	})
	r, err := s.Search(t.Context(), refined, shop(1))
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := s.Page(t.Context(), refined, nil, shop(1))
	if err != nil {
		t.Fatal(err)
	}
	conditions := query(func(q *Query) {
		q.Text, q.Where = "rossi", [][]Condition{{{Facet: "colour", Values: []string{"verde"}}}}
	})
	both, err := s.SearchAll(t.Context(), []Query{conditions, query(func(q *Query) { q.Text, q.Limit, q.Facets = "rossi", 0, []string{"colour"} })}, shop(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]Result{"a search": r, "a page of a walk": page, "a batch": both[0]} {
		if len(got.Hits) != 1 || got.Hits[0].Product != 4 || got.Fuzzy {
			t.Errorf("%s finds %+v (fuzzy %t)", name, got.Hits, got.Fuzzy)
		}
	}
}

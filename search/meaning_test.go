package search

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// speaking is a store's dimensions with names worth recognising.
func speaking() *dimension.Set {
	parent := int64(1)
	return dimension.NewSet(1, dimension.Rows{
		Stores:     []dimension.Store{{ID: 7, Languages: Languages(), TreeID: 1}, {ID: 8, Languages: Languages(), TreeID: 2}},
		Categories: []dimension.Category{{ID: 1, TreeID: 1, Active: true}, {ID: 2, TreeID: 1, ParentID: &parent, Active: true}, {ID: 3, TreeID: 2, Active: true}, {ID: 4, TreeID: 1}},
		Texts: []dimension.CategoryText{
			{CategoryID: 1, Lang: "it", Name: "Scarpe"},
			{CategoryID: 2, Lang: "it", Name: "Borse e zaini da viaggio"},
			{CategoryID: 3, Lang: "it", Name: "Scarpe"},
			{CategoryID: 4, Lang: "it", Name: "Nascoste"},
			{CategoryID: 1, Lang: "en", Name: "Running shoes"},
		},
		Brands: []dimension.Brand{{ID: 5, Name: "De'Longhi"}, {ID: 6, Name: "San Benedetto"}, {ID: 9, Name: "Sale"}},
		Synonyms: []dimension.Synonyms{
			{ID: 1, Lang: "it", Terms: []string{"calzature", "scarpe"}, Active: true},
			{ID: 2, Lang: "it", Terms: []string{"frigo", "frigorifero"}, StoreID: ptr[int64](8), Active: true},
			{ID: 3, Lang: "it", Terms: []string{"tv", "televisore"}},
		},
	})
}

// described writes what a text was taken for.
func described(text, lang string) string {
	dims := speaking()
	store, _ := dims.Store(7)
	var out []string
	for _, t := range meaning(text, store, newLexicon(dims, lang)) {
		s := strings.Join(t.words, "_")
		for _, part := range [][]string{t.brands, t.categories, t.synonyms} {
			if len(part) > 0 {
				s += fmt.Sprint(part)
			}
		}
		if t.measure != "" {
			s += "=" + t.measure
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestMeaning(t *testing.T) {
	for _, tt := range []struct{ lang, text, want string }{
		{"it", "scarpa delonghi", "scarpa[1 2][calzature] delonghi[5]"},
		{"it", "de longhi", "de_longhi[5]"},
		{"it", "acqua San  Benedetto 1,5 l", "acqua San_Benedetto[6] 1,5_l=1500ml"},
		{"it", "zaino da viaggio", "zaino_da_viaggio[2]"},
		{"it", "calzature", "calzature[1 2][scarpe]"},
		{"it", "frigo", "frigo"}, // another store's synonym
		{"it", "tv", "tv"},       // an inactive one
		{"it", "nascoste", "nascoste"},
		{"it", "scarpe da corsa", "scarpe[1 2][calzature] corsa"},
		{"en", "running shoe", "running_shoe[1 2]"},
		{"it", "Uno", "Uno"},
		{"fr", "l'eau - de  Cologne !", "l'eau Cologne"},
		{"de", "*** :", ""},
		{"it", "sale 500g", "sale[9] 500g=500g"},
	} {
		if got := described(tt.text, tt.lang); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
	store, _ := speaking().Store(7)
	if n := len(meaning(strings.Repeat("ab cd ", 50), store, newLexicon(speaking(), "de"))); n != maxWords {
		t.Errorf("%d things", n)
	}
}

// No text makes reading it fail, or makes more of it than its words.
func TestMeaningOfAnything(t *testing.T) {
	dims := speaking()
	store, _ := dims.Store(7)
	rapid.Check(t, func(rt *rapid.T) {
		text, lang := rapid.String().Draw(rt, "text"), rapid.SampledFrom(Languages()).Draw(rt, "lang")
		words := 0
		for _, thing := range meaning(text, store, newLexicon(dims, lang)) {
			words += len(thing.words)
			thing.clause(fieldsOf(lang, defaultSettings().of(lang)), true)
		}
		if words > maxWords || words > len(strings.Fields(text)) {
			rt.Fatalf("%d words", words)
		}
	})
}

func TestMeasures(t *testing.T) {
	for title, want := range map[string]string{
		"Acqua 1,5 l": "[1500ml]", "Acqua 1.5L": "[1500ml]", "Acqua 150cl (vetro)": "[1500ml]", "Pasta 0,5 kg": "[500g]", "Pasta 500 Gr.": "[500g]",
		"6 x 330 ml": "[330ml]", `TV 55"`: "[55in]", "TV 55 pollici": "[55in]", "LED 10 W 230V": "[10w 230v]", "64 Go": "[64gb]",
		"Taglia M 42": "[]", "n. 5": "[]", "": "[]", "0 g": "[]", "1..5 l": "[]", ", l": "[]", "5 g 5 g": "[5g]",
		"Latte ½ l": "[500ml]", "1/2 litro": "[500ml]", "mezzo litro": "[500ml]", "demi kg": "[500g]", "ein halber Liter": "[500ml]", "medio kilo": "[500g]",
		"half pound": "[226.8g]", "1/0 l": "[]", "1/2": "[]", "24/7 l/m": "[]", "1 Pfund Brot": "[500g]", "8 oz": "[226.8g]", "deux livres": "[]",
	} {
		if got := fmt.Sprint(measures(title)); got != want {
			t.Errorf("%q: %s, want %s", title, got, want)
		}
	}
}

func TestReferences(t *testing.T) {
	v := &view.Offer{GTIN: "00012345678905", Variants: []view.Variant{{SKU: "CM-001/R-xyz9", GTIN: "12345678905"}, {SKU: "A"}}}
	if got, want := references(v), []string{"001rxyz9", "12345678905", "a", "cm001rxyz9", "rxyz9", "xyz9"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for text, want := range map[string]string{
		"cm-001": "cm001", "CM001": "cm001", "caffè": "", "abc": "", "a-b": "", "t-shirt": "tshirt", "0012345678905": "12345678905", "1,5l": "", "55\"": "",
	} {
		if got := asReference(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestCompound(t *testing.T) {
	for word, want := range map[string]string{"Kaffeemaschine": "[kaffee maschine]", "Damenschuhe": "[damen schuhe]", "Maschine": "[]", "xx": "[]"} {
		if got := fmt.Sprint(compound([]string{word}, "de")); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

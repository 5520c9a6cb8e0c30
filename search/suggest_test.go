package search

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"freshet/projectors/view"
)

func TestSuggest(t *testing.T) {
	client, prefix := server(t)
	with := func(brand int64, name string, category int64) func(*view.Offer) {
		return func(v *view.Offer) {
			v.Brand, v.BrandName, v.Categories = brand, name, []view.Category{{ID: category}}
			v.Variants = []view.Variant{{SKU: fmt.Sprint("SKU-", v.Product, "-X")}}
		}
	}
	index(t, client, prefix, shop(1),
		offerView(1, 1, "Pentola a pressione", with(1, "Alba", 11)), offerView(2, 1, "Pennello", with(2, "Brenta", 2)),
		offerView(3, 1, "Caffettiera", with(1, "Alba", 11)), offerView(4, 1, "Macchina per il caff\u00e8", with(2, "Brenta", 11)),
	)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	for text, want := range map[string]string{
		"pen":         "1 2 | |",
		"pentola pre": "1 | |",
		"caff":        "3 4 | |",
		"CAFF\u00c8":  "4 3 | |",
		"alba pent":   "1 | |",
		"alb":         "1 3 | | Alba:2",
		"cuc":         "| Cucina:3 |",
		"ca":          "3 4 | Casa:3 |",
		"sku-3":       "3 | |",
		"cim":         "| |", // a brand that the store has nothing of
		"pentolla":    "1 | | fuzzy",
		"brneta":      "2 4 | | Brenta:2 fuzzy",
		"cuccina":     "| Cucina:3 | fuzzy",
		"zzzz":        "| |",
	} {
		r, err := s.Suggest(t.Context(), 7, "it", text, 5, shop(1))
		if err != nil {
			t.Fatal(err)
		}
		if got := suggested(&r); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for _, bad := range []string{"", "...", strings.Repeat("x", MaxText+1), "\xff"} {
		var fault *Invalid
		if _, err := s.Suggest(t.Context(), 7, "it", bad, 5, shop(1)); !errors.As(err, &fault) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
}

func suggested(r *Suggestions) string {
	parts := []string{products(r.Products)}
	for _, list := range [][]Suggestion{r.Categories, r.Brands} {
		var names []string
		for _, c := range list {
			names = append(names, fmt.Sprint(c.Name, ":", c.Count))
		}
		parts = append(parts, strings.Join(names, " "))
	}
	if r.Fuzzy {
		parts[2] = strings.TrimSpace(parts[2] + " fuzzy")
	}
	return strings.Join(strings.Fields(strings.Join(parts, " | ")), " ")
}

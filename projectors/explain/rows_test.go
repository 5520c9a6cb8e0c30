package explain

import (
	"slices"
	"testing"
	"time"
)

// TestFilters: each reason not to be seen has its own code, and a product that is to be seen has none.
func TestFilters(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	later, earlier := now.Add(time.Hour), now.Add(-time.Hour)
	for name, c := range map[string]struct {
		change  func(*rows)
		filters []string
		notes   []string
	}{
		"shown":                  {func(*rows) {}, nil, nil},
		"store closed":           {func(r *rows) { r.store.Active = false }, []string{"store-inactive"}, nil},
		"draft":                  {func(r *rows) { *r.status = "draft" }, []string{"product-not-active"}, nil},
		"gone":                   {func(r *rows) { r.status, r.offer, r.variants = nil, nil, nil }, []string{"no-variant", "product-missing"}, nil},
		"not offered":            {func(r *rows) { r.offer = nil }, []string{"not-offered"}, nil},
		"paused":                 {func(r *rows) { r.offer.Status = "paused" }, []string{"offer-not-active"}, nil},
		"no text":                {func(r *rows) { r.languages = nil }, []string{"no-text"}, nil},
		"no price":               {func(r *rows) { r.variants[0].Amount = nil }, []string{"no-price"}, nil},
		"price to come":          {func(r *rows) { r.variants[0].From = &later }, []string{"price-not-yet-valid"}, nil},
		"price over":             {func(r *rows) { r.variants[0].To = &earlier }, []string{"price-expired"}, nil},
		"price over, list holds": {func(r *rows) { list := int64(900); r.variants[0].To, r.variants[0].List = &earlier, &list }, nil, []string{"price-expired"}},
		"sold out":               {func(r *rows) { *r.variants[0].Reserved = 5 }, nil, []string{"no-stock"}},
		"no category":            {func(r *rows) { r.categories = nil }, []string{"no-category"}, nil},
		"category hidden":        {func(r *rows) { r.categories[0].Shown = false }, []string{"no-shown-category"}, nil},
		"category of another":    {func(r *rows) { r.categories[0].Tree = 2 }, []string{"no-shown-category"}, nil},
		"hidden":                 {func(r *rows) { r.rules = []ruleRow{{ID: 1}} }, []string{"hidden"}, nil},
		"hidden for a query":     {func(r *rows) { q := "tè"; r.rules = []ruleRow{{ID: 1, Query: &q}} }, nil, []string{"hidden-for-query"}},
	} {
		t.Run(name, func(t *testing.T) {
			active, amount, hand, reserved := "active", int64(700), int64(5), int64(0)
			r := &rows{
				store: storeRow{ID: 1, Code: "milano", Active: true, Tree: 1}, product: 42, status: &active,
				offer: &offerRow{Status: "active", Boost: 1}, languages: []string{"it"},
				variants:   []variantRow{{SKU: "A", Amount: &amount, OnHand: &hand, Reserved: &reserved}},
				categories: []categoryRow{{ID: 3, Tree: 1, Slug: "te", Shown: true}},
			}
			c.change(r)
			h := r.hop(now)
			if got := codes(h, Filter); !slices.Equal(got, c.filters) {
				t.Errorf("filters %v, want %v", got, c.filters)
			}
			if got := codes(h, Note); !slices.Equal(got, c.notes) {
				t.Errorf("notes %v, want %v", got, c.notes)
			}
			for _, f := range h.Findings {
				if f.Mend == "" || f.Detail == "" {
					t.Errorf("%s says not how to mend it: %+v", f.Code, f)
				}
			}
		})
	}
}

func codes(h Hop, kind Kind) (codes []string) {
	for _, f := range h.Findings {
		if f.Kind == kind {
			codes = append(codes, f.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

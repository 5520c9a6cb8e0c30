package bench

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestCandidatesAreDealtFromAllStores(t *testing.T) {
	stores := []storeInfo{{ID: 1, Languages: []string{"it", "en"}}, {ID: 2, Languages: []string{"fr"}}}
	homes := []homePage{
		{Categories: []section{{ID: 10, Cards: []card{{Product: 5}, {Product: 6}}}, {ID: 11, Cards: []card{{Product: 5}, {Product: 7}}}}},
		{Categories: []section{{ID: 20, Cards: []card{{Product: 5}}}}},
	}
	var got []string
	for _, c := range chooseCandidates(stores, homes, 3) {
		got = append(got, fmt.Sprintf("%d:%d in %d, %s", c.store, c.product, c.category, c.lang))
	}
	if want := []string{"1:5 in 10, it", "2:5 in 20, fr", "1:6 in 10, it"}; !slices.Equal(got, want) {
		t.Errorf("chosen %q, want %q", got, want)
	}
	if all := chooseCandidates(stores, homes, 100); len(all) != 4 {
		t.Errorf("%d are chosen of 4", len(all))
	}
}

func TestViewsSeeOnlyTheOffersNewPrice(t *testing.T) {
	c := &candidate{store: 1, product: 7, category: 3, code: "milano", currency: "EUR", lang: "it"}
	for model, bodies := range map[string]map[string]bool{
		modelProduct: {
			`{"price":4200000001}`:                          true,
			`{"price":42000000010,"list_price":4200000001}`: false,
			`{"price":1}`:                                   false,
		},
		modelCategory: {
			`{"cards":[{"product":6,"price":1},{"product":7,"price":4200000001}]}`: true,
			`{"cards":[{"product":6,"price":4200000001},{"product":7,"price":1}]}`: false,
			`{"cards":[]}`: false,
		},
		modelSearch: {
			`{"results":[{"nbHits":1,"hits":[{"objectID":"7"}]}]}`:  true,
			`{"results":[{"nbHits":1,"hits":[{"objectID":"77"}]}]}`: false,
			`{"results":[{"nbHits":0,"hits":[]}]}`:                  false,
		},
	} {
		views := c.views(4_200_000_001)
		v := views[slices.IndexFunc(views, func(v view) bool { return v.model == model })]
		for body, want := range bodies {
			if got, err := v.shows([]byte(body)); got != want || err != nil {
				t.Errorf("%s shows in %s: %t, %v", model, body, got, err)
			}
		}
	}
}

func TestBrowsePlan(t *testing.T) {
	fronts := []*front{
		{storeInfo: storeInfo{ID: 1, Languages: []string{"it", "en"}}, Categories: []int64{1, 2}, Products: []int64{1, 2, 3}},
		{storeInfo: storeInfo{ID: 2, Languages: []string{"fr"}}, Categories: []int64{3}, Products: []int64{4}},
	}
	pages := pagesOf(fronts, newRand(1))
	for kind, want := range map[string]int{kindHome: 3, kindCategory: 5, kindProduct: 7} {
		if len(pages[kind]) != want {
			t.Errorf("%d %ss, want %d", len(pages[kind]), kind, want)
		}
	}
	visits := browsePlan(pages, newRand(2), 10_000)
	count, paths := map[string]int{}, map[string]bool{}
	for _, v := range visits {
		count[v.kind]++
		paths[v.path] = true
	}
	for _, share := range browseShares {
		if got := float64(count[share.kind]) / 10_000; got < share.of-0.05 || got > share.of+0.05 {
			t.Errorf("%.2f are %ss, want %.2f", got, share.kind, share.of)
		}
	}
	if len(paths) != 15 {
		t.Errorf("%d pages are visited, want all 15", len(paths))
	}
	if again := browsePlan(pagesOf(fronts, newRand(1)), newRand(2), 10_000); !slices.Equal(visits, again) {
		t.Error("two runs ask for different pages")
	}
}

func TestTheFirstPagesAreVisitedMost(t *testing.T) {
	z, count := newZipf(newRand(1), 100), make([]int, 100)
	for range 10_000 {
		count[z.pick()]++
	}
	if count[0] < count[1] || count[1] < count[20] || count[0] > 9_000 {
		t.Errorf("visits: %v", count)
	}
	if only := newZipf(newRand(1), 1); only.pick() != 0 {
		t.Error("of one page another is picked")
	}
}

func TestSelections(t *testing.T) {
	for body, want := range map[string]string{
		`{"code":"category","kind":"category","values":[{"value":"1","count":1}]}`:                                  ``,
		`{"code":"brand","kind":"brand","values":[{"value":"7","count":2},{"value":"8","count":0}]}`:                `brand=7`,
		`{"code":"in_stock","kind":"boolean","values":[{"value":"false","count":9}]}`:                               `in_stock=true`,
		`{"code":"colour","kind":"keyword","values":[{"value":"rosso","count":1},{"value":"blu scuro","count":1}]}`: `attr.colour=rosso attr.colour=blu+scuro`,
		`{"code":"vegan","kind":"boolean","values":[{"value":"true","count":1}]}`:                                   `attr.vegan=true`,
		`{"code":"weight","kind":"number","min":1,"max":2,"values":[]}`:                                             `attr.weight.min=1.5`,
		`{"code":"weight","kind":"number","values":[]}`:                                                             ``,
		`{"code":"weight","kind":"number","min":2,"max":2,"values":[{"value":"2","count":1}]}`:                      ``,
		`{"code":"price","kind":"price","min":100,"max":301,"values":[]}`:                                           `price_max=200`,
	} {
		var f facet
		if err := json.Unmarshal([]byte(body), &f); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range selections(f) {
			got = append(got, s.Encode())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s offers %q, want %q", body, got, want)
		}
	}
}

func TestTitleWords(t *testing.T) {
	if got, want := titleWords("Scatola d'olio 500 g Città-Ønske"), []string{"scatola", "olio", "città", "ønske"}; !reflect.DeepEqual(got, want) {
		t.Errorf("words %q, want %q", got, want)
	}
}

func TestNearbyPricesAreAllowed(t *testing.T) {
	for _, amount := range []int64{0, 1, 9, 199, maxAmount} {
		seen := map[bool]bool{}
		for range 200 {
			got := nearby(amount)
			if got < 0 || got > amount+amount/10+3 || got > maxAmount {
				t.Fatalf("near %d: %d", amount, got)
			}
			seen[got != amount] = true
		}
		if !seen[true] {
			t.Errorf("%d never changes: %v", amount, slices.Collect(maps.Keys(seen)))
		}
	}
}

// Every case says how many changes its SQL makes: the figures are per change.
func TestIngestCasesFillWhatTheySay(t *testing.T) {
	for _, rows := range []int{1000, 200_000} {
		for _, c := range ingestCases(rows) {
			if c.changes < rows/2 || c.changes > rows || len(c.fill) == 0 {
				t.Errorf("%d rows, %s: %d changes", rows, c.name, c.changes)
			}
		}
	}
}

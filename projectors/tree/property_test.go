package tree

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// Whatever views come, in whatever order and however often, and however the dimensions change in between: the pages
// written one change at a time are those built from scratch.
func TestIncrementalEqualsScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		histories := drawHistories(t)
		newest := map[int64]*view.Offer{}
		st, pages := newState(w, 7), shelf{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
				drawDimensions(t, w)
				st = redo(st, w, newest)
			} else {
				for range rapid.IntRange(1, 4).Draw(t, "batch") {
					history := rapid.SampledFrom(histories).Draw(t, "product")
					v := rapid.SampledFrom(history).Draw(t, "view")
					st.Apply(v)
					if old := newest[v.Product]; old == nil || v.Version >= old.Version {
						newest[v.Product] = v
					}
				}
			}
			if _, err := pages.store(st); err != nil {
				t.Fatal(err)
			}
			if diff := differ(scratch(w, 7, newest), pages); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// With more offers than a page has cards, most changes build no page: those that must are still built.
func TestIncrementalEqualsScratchBeyondTheCards(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		w, newest := newWorld(), map[int64]*view.Offer{}
		st, pages := newState(w, 7), shelf{}
		for step := range 300 {
			v := offering(r.Int64N(60)+1, []int64{1, 2, 11, 12, 111}[r.IntN(5)], []int64{11, 111}[r.IntN(2)])
			v.Version = int64(step) + 1
			v.Available, v.Price, v.Popularity = r.Int64N(4), r.Int64N(50), float64(r.IntN(8))
			v.Visible = r.IntN(8) > 0
			st.Apply(v)
			newest[v.Product] = v
			if step%8 != 0 {
				continue
			}
			if _, err := pages.store(st); err != nil {
				t.Fatal(err)
			}
			if diff := differ(scratch(w, 7, newest), pages); diff != "" {
				t.Fatalf("seed %d, step %d: %s", seed, step, diff)
			}
		}
	}
}

// redo does with other dimensions what the handler does: it loads the store again where the languages or facets changed.
func redo(st *state, w *world, newest map[int64]*view.Offer) *state {
	p := newPlan(w, 7)
	if p.sameItems(st.plan) {
		st.replan(p)
		return st
	}
	next := newState(w, 7)
	next.stored = st.stored
	for _, v := range newest {
		next.Apply(v)
	}
	return next
}

func drawHistories(t *rapid.T) [][]*view.Offer {
	var histories [][]*view.Offer
	for product := int64(1); product <= 6; product++ {
		var history []*view.Offer
		for version := range int64(rapid.IntRange(1, 4).Draw(t, "versions")) {
			history = append(history, drawView(t, product, version+1))
		}
		histories = append(histories, history)
	}
	return histories
}

func drawView(t *rapid.T, product, version int64) *view.Offer {
	v := &view.Offer{
		Version: version, Store: 7, Product: product, Visible: rapid.IntRange(0, 3).Draw(t, "visible") > 0,
		Boost: rapid.SampledFrom([]float64{1, 1.5}).Draw(t, "boost"), Popularity: rapid.SampledFrom([]float64{0, 0.5, 3}).Draw(t, "popularity"),
		Price: rapid.Int64Range(1, 3).Draw(t, "price"), Available: rapid.Int64Range(0, 2).Draw(t, "available"),
		BrandName: rapid.SampledFrom([]string{"", "Mulino"}).Draw(t, "brand"),
		Reviews:   view.Reviews{Count: 2, Sum: rapid.Int64Range(2, 10).Draw(t, "ratings")},
		Variants:  []view.Variant{{SKU: "a", LowStock: rapid.Bool().Draw(t, "low"), Options: json.RawMessage(rapid.SampledFrom([]string{"", `{"colour":"blu"}`}).Draw(t, "options"))}},
		Images:    json.RawMessage(rapid.SampledFrom([]string{"", "[]", "{}", `[{"url":"u"}]`}).Draw(t, "images")),
	}
	v.Attributes = json.RawMessage(rapid.SampledFrom([]string{"", `{"colour":"rosso","organic":true}`, `{"colour":["blu","rosso","blu"],"note":"x"}`, `{"colour":[1],"organic":"si","weight":2}`, `{"weight":[3,-0,3.0,0.5]}`, `{"weight":["3"]}`}).Draw(t, "attributes"))
	if !v.Visible {
		v.Deleted = rapid.Bool().Draw(t, "deleted")
	}
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]int64{1, 2, 11, 12, 111, 99}), 0, 3, rapid.ID).Draw(t, "categories") {
		v.Categories = append(v.Categories, view.Category{ID: id})
	}
	for _, lang := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"it", "de", "en"}), 1, 3, rapid.ID).Draw(t, "texts") {
		v.Texts = append(v.Texts, view.Text{Lang: lang, Title: fmt.Sprintf("%s %d.%d", lang, product, rapid.IntRange(0, 1).Draw(t, "title")), Slug: lang})
	}
	slices.SortFunc(v.Texts, func(a, b view.Text) int { return slices.Compare([]string{a.Lang}, []string{b.Lang}) })
	return v
}

// drawDimensions changes a category or the store.
func drawDimensions(t *rapid.T, w *world) {
	if rapid.IntRange(0, 3).Draw(t, "row") == 0 {
		s := dimension.Store{ID: 7, TreeID: rapid.Int64Range(1, 2).Draw(t, "tree"), Active: rapid.IntRange(0, 2).Draw(t, "active") > 0}
		s.Languages = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"it", "de", "fr"}), 0, 3, rapid.ID).Draw(t, "languages")
		w.stores[7] = s
		return
	}
	if rapid.IntRange(0, 2).Draw(t, "dimension") == 0 {
		drawRule(t, w)
		return
	}
	// A parent has a lower id than its child here, so there are no circles.
	id := rapid.SampledFrom([]int64{1, 2, 11, 12, 111}).Draw(t, "category")
	parent := rapid.SampledFrom(slices.DeleteFunc([]int64{0, 1, 2, 11, 12}, func(p int64) bool { return p >= id })).Draw(t, "parent")
	w.put(id, parent, rapid.Int64Range(0, 2).Draw(t, "position"), rapid.IntRange(0, 3).Draw(t, "shown") > 0, rapid.StringMatching(`[A-Z][a-z]{2}`).Draw(t, "name"))
}

// drawRule adds, changes or takes away a rule.
func drawRule(t *rapid.T, w *world) {
	w.version++
	w.rules = slices.Clone(w.rules)
	if len(w.rules) > 4 || (len(w.rules) > 0 && rapid.IntRange(0, 3).Draw(t, "take") == 0) {
		i := rapid.IntRange(0, len(w.rules)-1).Draw(t, "which")
		w.rules = slices.Delete(w.rules, i, i+1)
		return
	}
	pointer := func(n int64) *int64 { return &n }
	r := dimension.Rule{ID: w.version, ProductID: rapid.Int64Range(1, 6).Draw(t, "product"), Active: rapid.IntRange(0, 5).Draw(t, "active") > 0}
	if rapid.Bool().Draw(t, "of a store") {
		r.StoreID = pointer(rapid.SampledFrom([]int64{7, 7, 8}).Draw(t, "store"))
	}
	if rapid.Bool().Draw(t, "of a category") {
		r.CategoryID = pointer(rapid.SampledFrom([]int64{1, 11, 111}).Draw(t, "category"))
	}
	if rapid.IntRange(0, 5).Draw(t, "of a query") == 0 {
		query := "pasta"
		r.Query = &query
	}
	switch r.Action = rapid.SampledFrom([]string{dimension.ActionPin, dimension.ActionHide, dimension.ActionBoost}).Draw(t, "action"); r.Action {
	case dimension.ActionPin:
		r.Place = pointer(rapid.Int64Range(1, 6).Draw(t, "place"))
	case dimension.ActionBoost:
		factor := rapid.SampledFrom([]float64{0.1, 3, 7}).Draw(t, "factor")
		r.Factor = &factor
	}
	w.rules = append(w.rules, r)
}

// differ describes the first difference of two shelves, "" for none; pages are looked at with all their parts.
func differ(want, got shelf) string {
	got, err := got.whole()
	if err != nil {
		return err.Error()
	}
	for id, page := range want {
		if !reflect.DeepEqual(page, got[id]) {
			return fmt.Sprintf("page %s\nwant %s\ngot  %s", id, pretty(page), pretty(got[id]))
		}
	}
	for id := range got {
		if want[id] == nil {
			return fmt.Sprintf("page %s should be gone: %s", id, pretty(got[id]))
		}
	}
	return ""
}

func pretty(p page) string {
	raw, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

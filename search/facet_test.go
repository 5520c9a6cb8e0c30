package search

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// item is a product of a random catalog, in the terms of the test.
type item struct {
	product, brand, price int64
	categories            []int64
	colours, sizes        []string
	weight                *float64
	organic               *bool
	stock                 bool
	word                  string
	deleted               bool
	store                 int64
}

func (it *item) view(version int64) *view.Offer {
	return offerView(it.product, version, it.word, func(v *view.Offer) {
		v.Store, v.Brand, v.Price, v.Deleted = it.store, it.brand, it.price, it.deleted
		v.Available = int64(b2i(it.stock))
		for _, c := range it.categories {
			v.Categories = append(v.Categories, view.Category{ID: c})
		}
		attributes := map[string]any{"colour": it.colours}
		if it.weight != nil {
			attributes["weight"] = *it.weight
		}
		if it.organic != nil {
			attributes["organic"] = *it.organic
		}
		v.Attributes, _ = json.Marshal(attributes) // a map of such values always encodes
		for _, s := range it.sizes {
			v.Variants = append(v.Variants, view.Variant{SKU: key(it.product) + s, Options: fmt.Appendf(nil, `{"size":%q}`, s)})
		}
	})
}

var weightBounds = []float64{1, 2.5, 4}

var colours, sizes = []string{"rosso", "nero", "blu", "verde"}, []string{"S", "M", "L"}

func subset[T any](values []T, most int) *rapid.Generator[[]T] {
	return rapid.Map(rapid.Permutation(values), func(p []T) []T { return p[:min(most, len(p))] })
}

func someOf[T any](rt *rapid.T, name string, values []T, least, most int) []T {
	return subset(values, rapid.IntRange(least, most).Draw(rt, name+" count")).Draw(rt, name)
}

func drawItem(rt *rapid.T, product int64) *item {
	it := &item{
		product: product, store: 7, brand: rapid.Int64Range(0, 3).Draw(rt, "brand"), price: rapid.Int64Range(0, 30).Draw(rt, "price") * 100,
		categories: someOf(rt, "categories", []int64{1, 2, 3, 11, 12, 111, 31}, 0, 3),
		colours:    someOf(rt, "colours", colours, 0, 2), sizes: someOf(rt, "sizes", sizes, 0, 2),
		stock: rapid.Bool().Draw(rt, "stock"), word: rapid.SampledFrom([]string{"pane", "vino", "pane vino"}).Draw(rt, "word"),
		deleted: rapid.IntRange(0, 9).Draw(rt, "deleted") == 0,
	}
	if rapid.IntRange(0, 9).Draw(rt, "store") == 0 {
		it.store = 8 // another store's offer must never count
	}
	if rapid.Bool().Draw(rt, "has weight") {
		it.weight = ptr(float64(rapid.IntRange(0, 20).Draw(rt, "weight")) / 4)
	}
	if rapid.Bool().Draw(rt, "has organic") {
		it.organic = ptr(rapid.Bool().Draw(rt, "organic"))
	}
	return it
}

func drawQuery(rt *rapid.T) Query {
	q := query(func(q *Query) { q.Limit, q.StrictText = 100, true })
	q.Category = rapid.SampledFrom([]int64{0, 0, 1, 2, 11, 111}).Draw(rt, "category")
	q.Text = rapid.SampledFrom([]string{"", "", "pane", "vino pane"}).Draw(rt, "text")
	q.Brands = someOf(rt, "brands", []int64{1, 2, 3, 99}, 0, 2)
	q.InStock = rapid.Bool().Draw(rt, "in stock")
	if rapid.Bool().Draw(rt, "min") {
		q.PriceMin = ptr(rapid.Int64Range(0, 15).Draw(rt, "price min") * 100)
	}
	if rapid.Bool().Draw(rt, "max") {
		q.PriceMax = ptr(rapid.Int64Range(15, 30).Draw(rt, "price max") * 100)
	}
	q.Keywords = map[string][]string{}
	if s := someOf(rt, "colour", append(colours, "viola"), 0, 2); len(s) > 0 {
		q.Keywords["colour"] = s
	}
	if s := someOf(rt, "size", sizes, 0, 1); len(s) > 0 {
		q.Keywords["size"] = s
	}
	if rapid.Bool().Draw(rt, "weigh") {
		q.Numbers = map[string]Range{"weight": {Min: ptr(1.25), Max: ptr(4.0)}}
	}
	if rapid.IntRange(0, 3).Draw(rt, "organic") == 0 {
		q.Booleans = map[string]bool{"organic": rapid.Bool().Draw(rt, "organic is")}
	}
	q.Facets = someOf(rt, "facets", append(Facets(shop(1), 7, 0), Level(0), Level(1), Level(2)), 0, 11)
	for range rapid.IntRange(0, 2).Draw(rt, "groups") {
		q.Where = append(q.Where, rapid.SliceOfN(rapid.Custom(drawCondition), 1, 2).Draw(rt, "group"))
	}
	return q
}

func drawCondition(rt *rapid.T) Condition {
	c := rapid.SampledFrom([]Condition{
		{Facet: Level(0), Values: []string{"1"}},
		{Facet: Level(1), Values: []string{"11"}},
		{Facet: Level(1), Values: []string{"12", "11"}},
		{Facet: Level(2), Values: []string{"111"}},
		{Facet: "colour", Values: []string{"rosso", "blu"}},
		{Facet: "brand", Values: []string{"2"}},
		{Facet: "price", Op: ">=", Number: 1200},
		{Facet: "price", Op: "<", Number: 700},
		{Facet: "weight", Op: "<=", Number: 2},
		{Facet: "weight", Op: "!=", Number: 3},
	}).Draw(rt, "condition")
	c.Not = rapid.IntRange(0, 3).Draw(rt, "not") == 0
	return c
}

// conditionHolds says whether a condition is so of an item.
func conditionHolds(it *item, c *Condition, dims *dimension.Set) bool {
	compares := func(n float64) bool {
		return map[string]bool{">=": n >= c.Number, "<": n < c.Number, "<=": n <= c.Number, "!=": n == c.Number}[c.Op] // != is turned below
	}
	var so bool
	switch c.Facet {
	case "colour":
		so = slices.ContainsFunc(it.colours, func(v string) bool { return slices.Contains(c.Values, v) })
	case "brand":
		so = it.brand != 0 && slices.Contains(c.Values, key(it.brand))
	case "price":
		so = compares(float64(it.price))
	case "weight":
		so = it.weight != nil && compares(*it.weight)
	default:
		so = slices.ContainsFunc(c.Values, func(v string) bool {
			id, _ := strconv.ParseInt(v, 10, 64) // 0 is no category
			return within(it, id, dims)
		})
	}
	return so != (c.Not != (c.Op == "!="))
}

// matches says whether an item matches the query, leaving out the selection of one facet.
func matches(it *item, q *Query, dims *dimension.Set, without string) bool {
	if it.deleted || it.store != q.Store || q.Category != 0 && !within(it, q.Category, dims) {
		return false
	}
	for _, group := range q.Where {
		if !slices.ContainsFunc(group, func(c Condition) bool { return conditionHolds(it, &c, dims) }) {
			return false
		}
	}
	if q.Text == "pane" && it.word == "vino" || q.Text == "vino pane" && it.word != "pane vino" {
		return false
	}
	overlap := func(code string, has []string) bool {
		want, selected := q.Keywords[code]
		return code == without || !selected || slices.ContainsFunc(has, func(s string) bool { return slices.Contains(want, s) })
	}
	if without != FacetBrand && len(q.Brands) > 0 && !slices.Contains(q.Brands, it.brand) {
		return false
	}
	if without != FacetPrice && (q.PriceMin != nil && it.price < *q.PriceMin || q.PriceMax != nil && it.price > *q.PriceMax) {
		return false
	}
	if without != FacetStock && q.InStock && !it.stock {
		return false
	}
	if r, selected := q.Numbers["weight"]; without != "weight" && selected && (it.weight == nil || *it.weight < *r.Min || *it.weight > *r.Max) {
		return false
	}
	if b, selected := q.Booleans["organic"]; without != "organic" && selected && (it.organic == nil || *it.organic != b) {
		return false
	}
	return overlap("colour", it.colours) && overlap("size", it.sizes)
}

func within(it *item, category int64, dims *dimension.Set) bool {
	return slices.ContainsFunc(it.categories, func(c int64) bool { return slices.Contains(dims.Subtree(category), c) })
}

// expected computes a facet by looking at every item: its values with counts, and its bounds.
func expected(code string, items []*item, q *Query, dims *dimension.Set) (counts map[string]int64, low, high *float64) {
	counts = map[string]int64{}
	bounds := func(f float64) {
		if low == nil || f < *low {
			low = &f
		}
		if high == nil || f > *high {
			high = &f
		}
	}
	for _, it := range items {
		if !matches(it, q, dims, code) {
			continue
		}
		switch code {
		case Level(0), Level(1), Level(2):
			for _, c := range levelsOf(code, q) {
				if within(it, c, dims) {
					counts[key(c)]++
				}
			}
		case FacetCategory:
			for _, c := range childrenOf(q.Category) {
				if within(it, c, dims) {
					counts[key(c)]++
				}
			}
		case FacetBrand:
			if it.brand != 0 {
				counts[key(it.brand)]++
			}
		case FacetPrice:
			bounds(float64(it.price))
			counts[rangeOf(float64(it.price), priceBounds)]++
		case FacetStock:
			counts[boolean(it.stock)]++
		case "organic":
			if it.organic != nil {
				counts[boolean(*it.organic)]++
			}
		case "weight":
			if it.weight != nil {
				bounds(*it.weight)
				counts[rangeOf(*it.weight, weightBounds)]++
			}
		case "colour", "size":
			for _, v := range map[string][]string{"colour": it.colours, "size": it.sizes}[code] {
				counts[v]++
			}
		}
	}
	return counts, low, high
}

func childrenOf(category int64) []int64 {
	return map[int64][]int64{0: {1, 2}, 1: {11, 12}, 11: {111}}[category]
}

// rangeOf says which of the ranges a number is in.
func rangeOf(n float64, bounds []float64) string {
	return fmt.Sprint(slices.IndexFunc(bounds, func(b float64) bool { return n < b }))
}

// levelsOf are the shown categories of a level: where the conditions name categories, those above and below them alone.
func levelsOf(code string, q *Query) []int64 {
	all := map[string][]int64{Level(0): {1, 2}, Level(1): {11, 12}, Level(2): {111}}[code]
	line := map[int64][]int64{1: {1, 11, 12, 111}, 2: {2}, 11: {1, 11, 111}, 12: {1, 12}, 111: {1, 11, 111}}
	var named []int64
	for _, group := range q.Where {
		for _, c := range group {
			if _, ok := levelOf(c.Facet); ok && !c.Not {
				for _, v := range c.Values {
					id, _ := strconv.ParseInt(v, 10, 64) // the values are drawn from a list
					named = append(named, id)
				}
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c int64) bool {
		return len(named) > 0 && !slices.ContainsFunc(named, func(n int64) bool { return slices.Contains(line[n], c) })
	})
}

// compare reports the first difference between a facet and what it should be.
func compare(f *Facet, counts map[string]int64, low, high *float64) error {
	got := map[string]int64{}
	for i, v := range f.Values {
		value := v.Value
		if bounds, ranged := map[Kind][]float64{KindPrice: priceBounds, KindNumber: weightBounds}[f.Kind]; ranged {
			value = fmt.Sprint(slices.IndexFunc(bounds, func(b float64) bool { return v.To != nil && *v.To == b }))
		}
		if v.Count > 0 {
			got[value] = v.Count
		}
		if ordered := f.Kind == KindBrand || f.Kind == KindKeyword; ordered && i > 0 && f.Values[i-1].Count < v.Count {
			return fmt.Errorf("values out of order: %+v", f.Values)
		}
	}
	if !maps.Equal(got, counts) {
		return fmt.Errorf("counts %v, want %v", got, counts)
	}
	if f.Kind == KindPrice || f.Kind == KindNumber {
		same := func(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }
		if !same(f.Min, low) || !same(f.Max, high) {
			return fmt.Errorf("bounds differ: %+v", f)
		}
	}
	return nil
}

// Whatever the catalog and the selections, every count equals the one made by looking at every product.
func TestCountsEqualBruteForce(t *testing.T) {
	client, prefix := server(t)
	rows := shopRows()
	for i := range rows.Attributes {
		if rows.Attributes[i].Code == "weight" {
			rows.Attributes[i].Bounds = weightBounds
		}
	}
	searchers, dims, version := narrowAndWide(client, prefix), dimension.NewSet(1, rows), int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		version++ // every catalog overwrites the one before
		var items []*item
		var views []*view.Offer
		for product := range int64(30) {
			it := drawItem(rt, product+1)
			items = append(items, it)
			for _, store := range []int64{7, 8} { // the offer of the other store is gone
				v := it.view(version)
				v.Store, v.Deleted = store, it.deleted || store != it.store
				views = append(views, v)
			}
		}
		index(t, client, prefix, dims, views...)
		for range 4 {
			q := drawQuery(rt)
			s := searchers[b2i(rapid.Bool().Draw(rt, "wide"))]
			r, err := s.Search(t.Context(), q, dims)
			if err != nil {
				rt.Fatal(err)
			}
			var want, got []int64
			for _, it := range items {
				if matches(it, &q, dims, "") {
					want = append(want, it.product)
				}
			}
			for _, h := range r.Hits {
				got = append(got, h.Product)
			}
			if slices.Sort(got); !slices.Equal(got, want) || r.Total != int64(len(want)) {
				rt.Fatalf("hits %v of %d, want %v", got, r.Total, want)
			}
			for i := range r.Facets {
				counts, low, high := expected(r.Facets[i].Code, items, &q, dims)
				if err := compare(&r.Facets[i], counts, low, high); err != nil {
					rt.Fatalf("facet %s of %+v: %v", r.Facets[i].Code, q, err)
				}
			}
		}
	})
}

func TestFacetLabelsAndSelections(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	var views []*view.Offer
	for i := range int64(MaxValues + 20) {
		it := &item{product: i + 1, store: 7, brand: 1, categories: []int64{11}, colours: []string{fmt.Sprintf("c%02d", i)}, word: "pane", price: 700}
		views = append(views, it.view(1))
	}
	index(t, client, prefix, shop(1), views...)
	r, err := s.Search(t.Context(), query(func(q *Query) {
		q.Category, q.Facets = 1, []string{"category", "brand", "colour", "size", "weight", "price"}
		q.Keywords = map[string][]string{"colour": {"c69", "none"}}
	}), shop(1))
	if err != nil {
		t.Fatal(err)
	}
	byCode := map[string]Facet{}
	for _, f := range r.Facets {
		byCode[f.Code] = f
	}
	if v := byCode["category"].Values; len(v) != 1 || v[0].Label != "Cucina" || v[0].Count != 1 {
		t.Errorf("categories %+v: nothing is in the other", v)
	}
	if v := byCode["brand"].Values; len(v) != 1 || v[0].Label != "Alba" || v[0].Count != 1 {
		t.Errorf("brands %+v", v)
	}
	if f := byCode["weight"]; f.Label != "Weight" || f.Unit != "g" || f.Min != nil || f.Count != 0 {
		t.Errorf("weight %+v", f)
	}
	if v := byCode["price"].Values; len(v) != 1 || v[0].Value != "500-1000" || *v[0].From != 500 || *v[0].To != 1000 {
		t.Errorf("price %+v", v)
	}
	colour := byCode["colour"]
	chosen := slices.DeleteFunc(slices.Clone(colour.Values), func(v Value) bool { return !v.Selected })
	slices.SortFunc(chosen, func(a, b Value) int { return cmp.Compare(a.Value, b.Value) })
	want := []Value{{Value: "c69", Count: 1, Selected: true}, {Value: "none", Selected: true}}
	if colour.Label != "Colore" || !slices.Equal(chosen, want) {
		t.Errorf("colour %q: selected values %+v, want %+v though they are rare", colour.Label, chosen, want)
	}
}

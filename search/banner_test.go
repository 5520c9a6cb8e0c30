package search

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"freshet/projectors/dimension"
)

func TestBanners(t *testing.T) {
	at := func(s string) *string { return &s }
	rows := []dimension.Banner{
		{ID: 1, Place: 2},
		{ID: 2, Place: 1, Query: at("pane")},
		{ID: 3, Place: 1, CategoryID: ptr[int64](1)},
		{ID: 4, Place: 1, StoreID: ptr[int64](8)},
		{ID: 5, Place: 1, Lang: at("en")},
		{ID: 6, Place: 1, ValidFrom: at("2026-06-01T00:00:00Z")},
		{ID: 7, Place: 1, ValidTo: at("2026-06-01T00:00:00Z")},
		{ID: 8, Place: 3, ValidFrom: at("2026-01-01T00:00:00Z"), ValidTo: at("2026-06-01T00:00:00+00:00")},
		{ID: 9, Place: 1, ValidTo: at("soon")},
	}
	for i := range rows {
		rows[i].Active = true
	}
	rows = append(rows, dimension.Banner{ID: 10, Place: 1})
	dims := dimension.NewSet(1, dimension.Rows{Banners: rows})
	for name, tt := range map[string]struct {
		q    Query
		now  string
		want string
	}{
		"nothing named":     {query(), "2026-03-01T00:00:00Z", "[7 9 1 8]"},
		"later":             {query(), "2026-06-01T00:00:00Z", "[6 9 1]"},
		"text":              {query(func(q *Query) { q.Text = "pani" }), "2026-06-01T00:00:00Z", "[2 6 9 1]"},
		"another text":      {query(func(q *Query) { q.Text = "vino" }), "2026-06-01T00:00:00Z", "[6 9 1]"},
		"category":          {query(func(q *Query) { q.Category = 1 }), "2026-06-01T00:00:00Z", "[3 6 9 1]"},
		"category filtered": {query(func(q *Query) { q.Where = [][]Condition{{{Facet: Level(0), Values: []string{"1"}}}} }), "2026-06-01T00:00:00Z", "[3 6 9 1]"},
		"store":             {query(func(q *Query) { q.Store = 8 }), "2026-06-01T00:00:00Z", "[4 6 9 1]"},
		"language":          {query(func(q *Query) { q.Lang = "en" }), "2026-06-01T00:00:00Z", "[5 6 9 1]"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, b := range bannersOf(&tt.q, dims, now) {
			got = append(got, b.ID)
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%s: %v, want %s", name, got, tt.want)
		}
	}
}

func TestFacetsOfCategories(t *testing.T) {
	dims := func(rows ...dimension.Facets) *dimension.Set {
		for i := range rows {
			rows[i].ID, rows[i].Active = int64(i+1), true
		}
		return dimension.NewSet(1, dimension.Rows{
			Categories: []dimension.Category{{ID: 1, TreeID: 1, Active: true}, {ID: 11, TreeID: 1, ParentID: ptr[int64](1), Active: true}, {ID: 2, TreeID: 1, Active: true}},
			Attributes: []dimension.Attribute{{Code: "colour", Kind: "keyword", Facet: true}, {Code: "size", Kind: "keyword", Facet: true}, {Code: "smell", Kind: "keyword"}},
			Facets:     rows,
		})
	}
	some := dims(
		dimension.Facets{CategoryID: ptr[int64](1), Facets: []string{"size", "brand", "smell", "gone", "size"}},
		dimension.Facets{CategoryID: ptr[int64](1), StoreID: ptr[int64](7), Facets: []string{"price"}},
		dimension.Facets{CategoryID: ptr[int64](11), StoreID: ptr[int64](8), Facets: []string{"colour"}},
		dimension.Facets{Facets: []string{"brand"}},
	)
	all := []string{"category", "brand", "price", "in_stock", "colour", "size"}
	for _, tt := range []struct {
		dims            *dimension.Set
		store, category int64
		want            []string
	}{
		{dims(), 7, 1, all},
		{some, 9, 1, []string{"size", "brand"}},
		{some, 9, 11, []string{"size", "brand"}},
		{some, 7, 11, []string{"price"}},
		{some, 8, 11, []string{"colour"}},
		{some, 8, 1, []string{"size", "brand"}},
		{some, 7, 2, []string{"brand"}},
		{some, 7, 0, []string{"brand"}},
	} {
		if got := Facets(tt.dims, tt.store, tt.category); !slices.Equal(got, tt.want) {
			t.Errorf("store %d, category %d: %v, want %v", tt.store, tt.category, got, tt.want)
		}
	}
}

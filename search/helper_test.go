package search

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// golden compares a value's JSON with a reviewed file.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update and review the diff):\n%s", path, got)
	}
}

func ptr[T any](v T) *T { return &v }

// shop is the dimensions of a small shop: store 7 in all languages over the tree 1 > (11 > 111, 12), 2, and 3, which is
// not shown.
func shop(version int64) *dimension.Set { return dimension.NewSet(version, shopRows()) }

func shopRows() dimension.Rows {
	category := func(id, parent int64, active bool) dimension.Category {
		c := dimension.Category{ID: id, TreeID: 1, Position: id, Slug: "c" + key(id), Active: active}
		if parent != 0 {
			c.ParentID = &parent
		}
		return c
	}
	return dimension.Rows{
		Stores: []dimension.Store{
			{ID: 7, Code: "centro", Market: "it", Currency: "EUR", Languages: Languages(), TreeID: 1, Active: true},
			{ID: 8, Code: "nord", Market: "it", Currency: "EUR", Languages: []string{"it"}, TreeID: 2, Active: true},
		},
		Categories: []dimension.Category{
			category(1, 0, true), category(2, 0, true), category(3, 0, false),
			category(11, 1, true), category(12, 1, true), category(111, 11, true), category(31, 3, true),
			{ID: 90, TreeID: 2, Slug: "altro", Active: true},
		},
		Texts: []dimension.CategoryText{
			{CategoryID: 1, Lang: "it", Name: "Casa"}, {CategoryID: 11, Lang: "it", Name: "Cucina"}, {CategoryID: 11, Lang: "en", Name: "Kitchen"},
		},
		Brands: []dimension.Brand{{ID: 1, Name: "Alba", Slug: "alba"}, {ID: 2, Name: "Brenta", Slug: "brenta"}, {ID: 3, Name: "Cima", Slug: "cima"}},
		Attributes: []dimension.Attribute{
			{Code: "colour", Kind: "keyword", Facet: true, Labels: `{"it":"Colore","en":"Colour"}`},
			{Code: "size", Kind: "keyword", Facet: true, Labels: `{}`},
			{Code: "weight", Kind: "number", Facet: true, NumericSlot: ptr[int64](0), Unit: ptr("g"), Labels: `{"en":"Weight"}`},
			{Code: "organic", Kind: "boolean", Facet: true, Labels: `{}`},
			{Code: "material", Kind: "keyword", Labels: `{}`},
		},
	}
}

// offerView is a visible view; change alters it.
func offerView(product, version int64, title string, change ...func(*view.Offer)) *view.Offer {
	v := &view.Offer{
		Version: version, Store: 7, Product: product, Visible: true, Boost: 1, CreatedAt: "2026-01-02T03:04:05Z",
		Texts: []view.Text{{Lang: "en", Title: title, Slug: "p-" + key(product)}}, Price: 1000, Available: 1,
	}
	for _, f := range change {
		f(v)
	}
	return v
}

// server gives a client and an index on the real server.
func server(t testing.TB) (*Client, string) {
	t.Helper()
	address, prefix := stacktest.Elastic(t)
	client, err := Open([]string{address})
	if err != nil {
		t.Fatal(err)
	}
	x := &Indices{Client: client, Prefix: prefix}
	if err := x.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return client, prefix
}

// index writes views and makes them searchable.
func index(t testing.TB, c *Client, prefix string, dims *dimension.Set, views ...*view.Offer) []OpResult {
	t.Helper()
	w := NewWriter(c, WriterConfig{})
	ops := make([]Op, len(views))
	for i, v := range views {
		doc := FromView(v, dims)
		var err error
		if ops[i], err = doc.Op(Alias(prefix)); err != nil {
			t.Fatal(err)
		}
	}
	results, err := w.Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Outcome == Refused {
			t.Fatalf("document of product %d refused: %v", views[i].Product, r.Reason)
		}
	}
	if err := w.Refresh(t.Context(), Alias(prefix)); err != nil {
		t.Fatal(err)
	}
	return results
}

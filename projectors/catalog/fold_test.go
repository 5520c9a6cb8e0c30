package catalog_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"freshet/ingest/change"
	"freshet/projectors/catalog"
	"freshet/projectors/foldtest"
)

func inOrder(t *rapid.T, events []change.Event) *catalog.Product {
	return foldtest.InOrder(t, catalog.Product{ID: productID}, events, catalog.Fold)
}

func inBatches(t *rapid.T, events []change.Event) *catalog.Product {
	return foldtest.InBatches(t, catalog.Product{ID: productID}, events, catalog.Fold)
}

func TestAnyOrderMakesTheSameDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, false)
		want := inOrder(t, h.events)
		h.check(want)
		shuffled := foldtest.Shuffled(t, h.events)
		if got := inBatches(t, shuffled); !reflect.DeepEqual(got, want) {
			t.Fatalf("in order  %+v\nshuffled  %+v", want, got)
		}
	})
}

// TestSnapshotAndTailMakeTheSameProduct begins with a snapshot instead of the history before it. What comes after, and
// perhaps what came right before, arrives in any order with it.
func TestSnapshotAndTailMakeTheSameProduct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, false)
		delivered := append(slices.Clone(h.first), h.events[rapid.IntRange(0, h.cut).Draw(t, "from"):]...)
		h.check(inBatches(t, rapid.Permutation(delivered).Draw(t, "order")))
	})
}

// TestRedeliveryMakesTheSameDocument goes back in the topic at random, as a worker that takes over does, and lets rows move
// to other keys without their TOASTed values.
func TestRedeliveryMakesTheSameDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t, true)
		want := inOrder(t, h.events)
		h.check(want)
		delivered := foldtest.Redelivered(t, h.events)
		if got := inBatches(t, delivered); !reflect.DeepEqual(got, want) {
			t.Fatalf("once       %+v\nredelivered %+v", want, got)
		}
	})
}

// check compares the document with the rows, which the fold did not make.
func (h *history) check(p *catalog.Product) {
	h.t.Helper()
	equal := func(what string, got, want any) {
		h.t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			h.t.Fatalf("%s is %v, the row says %v", what, got, want)
		}
	}
	if h.product == nil {
		equal("existence", p.Row.Pos.IsZero() || p.Row.Deleted, true)
	} else {
		equal("status", p.Row.Status, h.product["status"])
		equal("brand", p.Row.BrandID, h.product["brand_id"])
		equal("attributes", string(p.Attributes.Value), h.product["attributes"])
		equal("images", string(p.Images.Value), h.product["images"])
	}
	live := 0
	for _, s := range p.Texts {
		if row := h.texts[s.Lang]; !s.Deleted {
			live++
			equal("title in "+s.Lang, s.Title, row["title"])
			equal("description in "+s.Lang, s.Description, row["description"])
			equal("slug in "+s.Lang, s.Slug, row["slug"])
		}
	}
	for _, s := range p.Variants {
		if row := h.variants[s.SKU]; !s.Deleted {
			live++
			equal("options of "+s.SKU, string(s.Options), row["options"])
			equal("gtin of "+s.SKU, s.GTIN, row["gtin"])
		}
	}
	for _, s := range p.Categories {
		if row := h.places[fmt.Sprint(s.ID)]; !s.Deleted {
			live++
			equal(fmt.Sprint("position in ", s.ID), s.Position, row["position"])
		}
	}
	equal("live sections", live, len(h.texts)+len(h.variants)+len(h.places))
}

func TestReadRefuses(t *testing.T) {
	at := change.Position{Commit: 1, Index: 1}
	for name, ev := range map[string]change.Event{
		"truncate":           {Position: at, Op: change.Truncate, Table: "public.products"},
		"message":            {Position: at, Op: change.Message, Table: "public.products"},
		"tombstone":          {Position: at},
		"another table":      {Position: at, Op: change.Create, Table: "public.orders", After: []byte(`{"id":1}`)},
		"no position":        {Op: change.Create, Table: "public.products", After: []byte(`{"id":1}`)},
		"no id":              {Position: at, Op: change.Create, Table: "public.products", After: []byte(`{"attributes":"{}","images":"[]"}`)},
		"no row":             {Position: at, Op: change.Delete, Table: "public.products"},
		"text without lang":  {Position: at, Op: change.Create, Table: "public.product_texts", After: []byte(`{"product_id":1}`)},
		"attributes no JSON": {Position: at, Op: change.Create, Table: "public.products", After: []byte(`{"id":1,"attributes":"{","images":"[]"}`)},
		"a number as title":  {Position: at, Op: change.Create, Table: "public.product_texts", After: []byte(`{"product_id":1,"lang":"it","title":7}`)},
		"moved and lost": {
			Position: at, Op: change.Create, Table: "public.products", Unchanged: []string{"attributes"},
			After: []byte(`{"id":1,"attributes":"` + change.Placeholder + `","images":"[]"}`),
		},
	} {
		if _, err := catalog.Read(ev); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

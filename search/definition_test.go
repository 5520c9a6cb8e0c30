package search

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"freshet/deploy/stack/stacktest"
)

func TestDefinition(t *testing.T) {
	settings := analysis()
	at(t, settings, "filter", "compound_de")["word_list"] = "words_de.txt" // reviewed in its own file
	golden(t, "analysis", settings)
	m := mappings("digest")
	numbers := at(t, m, "properties", "numbers")
	if n := len(at(t, numbers, "properties")); n != NumericSlots {
		t.Errorf("%d numeric slots", n)
	}
	numbers["properties"] = "n0 to n249, all double"
	golden(t, "mappings", m)
}

// at is the object inside another.
func at(t *testing.T, o object, path ...string) object {
	t.Helper()
	for _, name := range path {
		inner, ok := o[name].(object)
		if !ok {
			t.Fatalf("no object %q", name)
		}
		o = inner
	}
	return o
}

func TestDictionaryIsFoldedAndSorted(t *testing.T) {
	words := dictionary(germanWords)
	if len(words) < 200 {
		t.Fatalf("%d words", len(words))
	}
	for _, w := range words {
		if len(w) < 4 || strings.ContainsFunc(w, func(r rune) bool { return r < 'a' || r > 'z' }) {
			t.Errorf("%q: want four or more letters of a to z", w)
		}
	}
}

func TestPrefix(t *testing.T) {
	for prefix, ok := range map[string]bool{
		"freshet": true, "t0a": true, "a.b_c-d": true, "": false, "Freshet": false, "-a": false, "_a": false, "a/b": false,
		"a*": false, "a,b": false, strings.Repeat("a", 101): false,
	} {
		if err := checkPrefix(prefix); (err == nil) != ok {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}

func TestEnsure(t *testing.T) {
	address, prefix := stacktest.Elastic(t)
	c, err := Open([]string{address})
	if err != nil {
		t.Fatal(err)
	}
	x := &Indices{Client: c, Prefix: prefix}
	var wg sync.WaitGroup
	for range 3 { // processes start together
		wg.Go(func() {
			if err := x.Ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var aliases map[string]struct{ Aliases map[string]any }
	if err := c.json(t.Context(), http.MethodGet, "/"+prefix+"*/_alias", nil, &aliases); err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(aliases)); len(names) != 1 || names[0] != prefix+"-offers-g1" {
		t.Errorf("indices %v", names)
	}
	if _, ok := aliases[prefix+"-offers-g1"].Aliases[prefix+"-offers"]; !ok {
		t.Errorf("no alias: %v", aliases)
	}
	t.Run("another definition is refused", func(t *testing.T) { refusesOther(t, x) })
	if err := x.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.Drop(t.Context()); err != nil {
		t.Errorf("dropping what is gone: %v", err)
	}
}

func refusesOther(t *testing.T, x *Indices) {
	put := func(definition string) {
		body := object{"_meta": object{"definition": definition}}
		if err := x.Client.json(context.WithoutCancel(t.Context()), http.MethodPut, "/"+Index(x.Prefix)+"/_mapping", body, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("of another version")
	if err := x.Ensure(t.Context()); !errors.Is(err, ErrDefinition) || !strings.Contains(err.Error(), "-offers-g1") {
		t.Errorf("error %v", err)
	}
	put(definitionDigest())
	if err := x.Ensure(t.Context()); err != nil {
		t.Error(err)
	}
}

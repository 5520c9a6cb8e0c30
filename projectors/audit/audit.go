// Package audit is the oracle: it computes every document that should exist from the SQL tables, by relational means that
// share no code with the projectors' folds, reads the documents that do exist, and compares.
//
// `freshet audit` and the end-to-end tests call it. Guarantee: a difference that it reports is real if the read models had
// passed the position that Tables saw, and the clock its time; a document is never left out of the comparison silently, since both sides are
// read whole and their keys compared in both directions.
package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Kind names a read model.
type Kind string

// The read models that are compared.
const (
	Product Kind = "product" // products/{id}
	Offer   Kind = "offer"   // offers/{store}:{product}
	Node    Kind = "node"    // nodes/{store}:{category}:{lang}
	Home    Kind = "home"    // homes/{store}:{lang}
	Search  Kind = "search"  // {lang}/{store}:{product} in the index
	Order   Kind = "order"   // orders/{id}
	Level   Kind = "level"   // levels/{store}:{product}

	Dimension Kind = "dimension" // dimensions/{table}:{key}

	Together Kind = "together" // together/{product}
	Picks    Kind = "picks"    // picks/{customer}
)

// Kinds lists all read models in the order of the flow.
func Kinds() []Kind {
	return []Kind{Dimension, Product, Offer, Node, Home, Search, Order, Level, Together, Picks}
}

// Documents holds canonical documents by key. A canonical document is what JSON decoding yields: maps, slices, strings,
// float64 and bool, without anything that two right documents may differ in (positions, revisions, versions).
type Documents map[string]any

// Source yields all documents of a kind.
type Source interface {
	Documents(ctx context.Context, kind Kind) (Documents, error)
}

// Difference is one document that is not as it should be.
type Difference struct {
	Key  string `json:"key"`
	Path string `json:"path,omitempty"` // where in the document
	Want any    `json:"want,omitempty"`
	Got  any    `json:"got,omitempty"`
}

// Result compares one kind.
type Result struct {
	Kind      Kind         `json:"kind"`
	Expected  int          `json:"expected"`
	Missing   []Difference `json:"missing"`
	Extra     []Difference `json:"extra"`
	Different []Difference `json:"different"`
}

// Wrong is the number of documents that are missing, extra or different.
func (r Result) Wrong() int { return len(r.Missing) + len(r.Extra) + len(r.Different) }

// Report is the comparison of all kinds.
type Report []Result

// Wrong is the number of wrong documents over all kinds.
func (r Report) Wrong() int {
	n := 0
	for _, k := range r {
		n += k.Wrong()
	}
	return n
}

// Expected is the number of documents that should exist.
func (r Report) Expected() int {
	n := 0
	for _, k := range r {
		n += k.Expected
	}
	return n
}

// String is the report as a table, with the first differences of each kind.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %9s %8s %6s %10s\n", "kind", "expected", "missing", "extra", "different")
	for _, k := range r {
		fmt.Fprintf(&b, "%-8s %9d %8d %6d %10d\n", k.Kind, k.Expected, len(k.Missing), len(k.Extra), len(k.Different))
	}
	for _, k := range r {
		for name, list := range map[string][]Difference{"missing": k.Missing, "extra": k.Extra, "different": k.Different} {
			for _, d := range list[:min(3, len(list))] {
				fmt.Fprintf(&b, "%s %s %s %s: want %.300v, got %.300v\n", name, k.Kind, d.Key, d.Path, d.Want, d.Got)
			}
		}
	}
	return b.String()
}

// Compare reads both sides and compares them kind by kind.
func Compare(ctx context.Context, want, got Source, kinds []Kind) (Report, error) {
	var report Report
	for _, kind := range kinds {
		w, err := want.Documents(ctx, kind)
		if err != nil {
			return nil, fmt.Errorf("expected %s documents: %w", kind, err)
		}
		g, err := got.Documents(ctx, kind)
		if err != nil {
			return nil, fmt.Errorf("actual %s documents: %w", kind, err)
		}
		report = append(report, compare(kind, w, g))
	}
	return report, nil
}

func compare(kind Kind, want, got Documents) Result {
	r := Result{Kind: kind, Expected: len(want)}
	for _, key := range sortedKeys(want) {
		g, ok := got[key]
		if !ok {
			r.Missing = append(r.Missing, Difference{Key: key, Want: want[key]})
			continue
		}
		if path, w, g, same := diff(want[key], g, ""); !same {
			r.Different = append(r.Different, Difference{Key: key, Path: path, Want: w, Got: g})
		}
	}
	for _, key := range sortedKeys(got) {
		if _, ok := want[key]; !ok {
			r.Extra = append(r.Extra, Difference{Key: key, Got: got[key]})
		}
	}
	return r
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

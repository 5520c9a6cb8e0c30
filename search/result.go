package search

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"freshet/projectors/dimension"
)

// Result is a page of hits with the facets that were wanted, in the order they were.
type Result struct {
	Total   int64
	Hits    []Hit
	Facets  []Facet
	Partial bool // not everything was looked at: a time limit was reached or a shard was away
	Fuzzy   bool // so little matched as typed that misspellings were allowed for, by a second request
	// DidYouMean is the text with the words that were found in place of misspelt ones, "" where none was.
	DidYouMean string
	Banners    []dimension.Banner // to show above, the first one first
	Took       time.Duration

	matched int64 // before the selections of facets
}

// Hit is one offer found.
type Hit struct {
	Card
	Score float64 // 0 unless the order is relevance with a text
}

// Facet is how the result divides by one property.
type Facet struct {
	Code   string
	Kind   Kind
	Label  string   // in the query's language
	Unit   string   // of numbers; of prices the currency
	Values []Value  // most frequent first; categories in their tree's order; ranges of prices and numbers from low to high
	Min    *float64 // of price and number facets; nil when nothing has a value
	Max    *float64
	Count  int64 // of price and number facets: how many values the bounds are of
}

// Value is one value of a facet. For a range From and To say which: From inclusive, To exclusive.
type Value struct {
	Value    string
	Label    string // name of a category or brand, yes or no in the query's language; else ""
	Count    int64
	Selected bool
	From, To *float64
}

// answer is the part of a search answer that we read.
type answer struct {
	Took     int64 `json:"took"`
	TimedOut bool  `json:"timed_out"`
	Shards   struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Hits struct {
		Total struct {
			Value int64 `json:"value"`
		} `json:"total"`
		Hits []struct {
			Score  *float64          `json:"_score"`
			Sort   []json.RawMessage `json:"sort"`
			Source Document          `json:"_source"` // the parts that are shown
		} `json:"hits"`
	} `json:"hits"`
	Aggregations map[string]json.RawMessage `json:"aggregations"`
	PIT          string                     `json:"pit_id"`
}

type bucket struct {
	Key   string `json:"key"`
	From  *float64
	To    *float64
	Count int64 `json:"doc_count"`
}

type stats struct {
	Count int64    `json:"count"`
	Min   *float64 `json:"min"`
	Max   *float64 `json:"max"`
}

// result reads an answer back along the plan that made its request.
func (p *plan) result(a *answer, dims *dimension.Set) (Result, error) {
	r := Result{
		Total: a.Hits.Total.Value, Partial: a.TimedOut || a.Shards.Failed > 0,
		Took: time.Duration(a.Took) * time.Millisecond,
	}
	if r.matched = r.Total; len(a.Aggregations[matchedName]) > 0 {
		var all bucket
		if err := json.Unmarshal(a.Aggregations[matchedName], &all); err != nil {
			return Result{}, fmt.Errorf("read what the text matches: %w", err)
		}
		r.matched = all.Count
	}
	r.Hits, r.Banners = p.place(a.cards(p.q.Lang)), p.banners
	shared, pool, err := a.shared()
	if err != nil {
		return Result{}, fmt.Errorf("read facets: %w", err)
	}
	for i := range p.facets {
		parts := shared
		if p.refined(p.facets[i].code) {
			if parts, err = block(a.Aggregations[aggName(i)]); err != nil {
				return Result{}, fmt.Errorf("read facet %s: %w", p.facets[i].code, err)
			}
		}
		f, err := p.facets[i].read(aggName(i), parts, pool)
		if err != nil {
			return Result{}, fmt.Errorf("read facet %s: %w", p.facets[i].code, err)
		}
		name(&f, p.q, dims)
		r.Facets = append(r.Facets, f)
	}
	return r, nil
}

// cards are the hits in the server's order, in a language.
func (a *answer) cards(lang string) []Hit {
	var hits []Hit
	for _, h := range a.Hits.Hits {
		hit := Hit{Card: h.Source.CardIn(lang)}
		if h.Score != nil {
			hit.Score = *h.Score
		}
		hits = append(hits, hit)
	}
	return hits
}

// misspelt says that misspellings were allowed for, after what was found without.
func (r *Result) misspelt(q *Query, strict *Result) {
	r.Fuzzy, r.Took = true, r.Took+strict.Took
	r.DidYouMean = didYouMean(q.Text, q.Lang, r.Hits)
}

// shared reads the block that is shared by all facets without a selection, and the pool in it.
func (a *answer) shared() (map[string]json.RawMessage, pairs, error) {
	parts, err := block(a.Aggregations["shared"])
	if err != nil {
		return nil, nil, err
	}
	pool, err := readPool(parts[poolName])
	return parts, pool, err
}

// block divides a block of aggregations; a category without children asks for none.
func block(raw json.RawMessage) (parts map[string]json.RawMessage, err error) {
	if len(raw) > 0 {
		err = json.Unmarshal(raw, &parts)
	}
	return parts, err
}

// read takes a facet's counts out of its block or the pool.
func (f *facet) read(name string, parts map[string]json.RawMessage, pool pairs) (Facet, error) {
	out := Facet{Code: f.code, Kind: f.kind, Label: f.label, Unit: f.unit}
	if f.pooled {
		f.fromPool(pool, &out)
		return out, nil
	}
	var err error
	switch f.kind {
	case KindCategory:
		err = f.readCategories(parts[name+"_values"], &out)
	case KindPrice:
		if err = readStats(parts[name+"_stats"], &out); err == nil {
			err = readRanges(parts[name+"_ranges"], &out)
		}
	case KindNumber:
		switch err = readStats(parts[name+"_stats"], &out); {
		case err != nil:
		case f.single:
			err = readNumbers(parts[name+"_values"], &out)
		case len(f.bounds) > 0:
			err = readRanges(parts[name+"_ranges"], &out)
		}
	case KindBoolean:
		err = f.readNamed(parts[name+"_values"], &out, []string{"true", "false"})
	case KindBrand, KindKeyword:
		err = f.readValues(parts[name+"_values"], parts[name+"_selected"], &out)
	}
	return out, err
}

// named decodes a filters aggregation.
func named(raw json.RawMessage) (map[string]int64, error) {
	counts := make(map[string]int64)
	if len(raw) == 0 {
		return counts, nil
	}
	var agg struct {
		Buckets map[string]bucket `json:"buckets"`
	}
	if err := json.Unmarshal(raw, &agg); err != nil {
		return nil, err
	}
	for k, b := range agg.Buckets {
		counts[k] = b.Count
	}
	return counts, nil
}

// readCategories takes them in the tree's order, but for those that nothing is in.
func (f *facet) readCategories(raw json.RawMessage, out *Facet) error {
	counts, err := named(raw)
	for _, c := range f.children {
		if n := counts[key(c.id)]; n > 0 {
			out.Values = append(out.Values, Value{Value: key(c.id), Count: n})
		}
	}
	return err
}

// readNamed takes the values in the given order; those that nothing has are left out unless they are selected.
func (f *facet) readNamed(raw json.RawMessage, out *Facet, values []string) error {
	counts, err := named(raw)
	for _, v := range values {
		chosen := slices.Contains(f.selected, v)
		if counts[v] > 0 || chosen {
			out.Values = append(out.Values, Value{Value: v, Count: counts[v], Selected: chosen})
		}
	}
	return err
}

// readValues joins the most frequent values with the selected ones.
func (f *facet) readValues(raw, selected json.RawMessage, out *Facet) error {
	var agg struct {
		Buckets []bucket `json:"buckets"`
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &agg); err != nil {
			return err
		}
	}
	for _, b := range agg.Buckets {
		if b.Key = strings.TrimPrefix(b.Key, f.prefix); !slices.Contains(f.selected, b.Key) {
			out.Values = append(out.Values, Value{Value: b.Key, Count: b.Count})
		}
	}
	values := slices.Clone(f.selected)
	slices.Sort(values)
	if err := f.readNamed(selected, out, slices.Compact(values)); err != nil {
		return err
	}
	slices.SortStableFunc(out.Values, func(a, b Value) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return nil
}

func readStats(raw json.RawMessage, out *Facet) error {
	var s stats
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	out.Count, out.Min, out.Max = s.Count, s.Min, s.Max
	return nil
}

// readNumbers takes the single values of a number.
func readNumbers(raw json.RawMessage, out *Facet) error {
	var agg struct {
		Buckets []struct {
			Key   float64 `json:"key"`
			Count int64   `json:"doc_count"`
		} `json:"buckets"`
	}
	if err := json.Unmarshal(raw, &agg); err != nil {
		return err
	}
	for _, b := range agg.Buckets {
		out.Values = append(out.Values, Value{Value: strconv.FormatFloat(b.Key, 'f', -1, 64), Count: b.Count})
	}
	return nil
}

func readRanges(raw json.RawMessage, out *Facet) error {
	var agg struct {
		Buckets []bucket `json:"buckets"`
	}
	if err := json.Unmarshal(raw, &agg); err != nil {
		return err
	}
	for _, b := range agg.Buckets {
		if b.Count == 0 {
			continue
		}
		v := Value{Count: b.Count, From: b.From, To: b.To}
		v.Value = bound(v.From) + "-" + bound(v.To)
		out.Values = append(out.Values, v)
	}
	return nil
}

func bound(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

// name adds the names that documents don't hold.
func name(f *Facet, q *Query, dims *dimension.Set) {
	for i := range f.Values {
		v := &f.Values[i]
		if f.Kind == KindBoolean {
			v.Label = YesNo(v.Value, q.Lang)
			continue
		}
		id, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			continue // no id, so nothing to look up
		}
		switch f.Kind {
		case KindCategory:
			v.Label = dims.CategoryName(id, q.Lang)
		case KindBrand:
			if b, ok := dims.Brand(id); ok {
				v.Label = b.Name
			}
		}
	}
}

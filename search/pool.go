package search

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
)

// Facets of keyword and boolean attributes without a selection are all counted under the same conditions, and their values
// are pairs in one field. So one aggregation, the pool, counts them together: it asks for the most frequent pairs of all,
// which are in the order of each facet too. Where a store has more pairs than a pool takes, rare values would be missing; it
// is then asked for each facet alone, at once and from then on.

// maxPairs is how many pairs a pool takes. A shop has some hundreds.
const maxPairs = 2000

// poolName is the pool among the aggregations of a block.
const poolName = "pairs"

// errWide says that there were more pairs than the pool takes.
var errWide = errors.New("more pairs than a pool takes")

// pool marks the facets that are counted together.
func (p *plan) pool() {
	for i := range p.facets {
		f := &p.facets[i]
		f.pooled = f.prefix != "" && f.size == MaxValues && !p.refined(f.code)
	}
}

// apart has each facet counted alone.
func (p *plan) apart() {
	for i := range p.facets {
		p.facets[i].pooled = false
	}
}

// wide are the stores with more pairs than a pool takes.
type wide struct{ stores sync.Map }

// note keeps the store of a plan, and has the plan's facets counted alone.
func (w *wide) note(p *plan) {
	w.stores.Store(p.q.Store, true)
	p.apart()
}

// heed has the facets of a store that was noted counted alone.
func (w *wide) heed(p *plan) {
	if _, noted := w.stores.Load(p.q.Store); noted {
		p.apart()
	}
}

// pairs are the values in a pool by the prefix of their facet, the most frequent first.
type pairs map[string][]bucket

// readPool divides a pool.
func readPool(raw json.RawMessage) (pairs, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var agg struct {
		Buckets []bucket `json:"buckets"`
		Others  int64    `json:"sum_other_doc_count"`
	}
	if err := json.Unmarshal(raw, &agg); err != nil {
		return nil, err
	}
	if agg.Others > 0 {
		return nil, errWide
	}
	divided := make(pairs)
	for _, b := range agg.Buckets {
		code, value, _ := strings.Cut(b.Key, "=")
		b.Key = value
		divided[pair(code, "")] = append(divided[pair(code, "")], b)
	}
	return divided, nil
}

// fromPool takes a facet's counts.
func (f *facet) fromPool(pool pairs, out *Facet) {
	values := pool[f.prefix]
	if f.kind == KindBoolean {
		for _, v := range []string{"true", "false"} {
			for _, b := range values {
				if b.Key == v {
					out.Values = append(out.Values, Value{Value: v, Count: b.Count})
				}
			}
		}
		return
	}
	for _, b := range values[:min(len(values), f.size)] {
		out.Values = append(out.Values, Value{Value: b.Key, Count: b.Count})
	}
}

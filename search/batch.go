package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"freshet/projectors/dimension"
)

// MaxBatch is how many queries are answered at a time.
const MaxBatch = 50

// SearchAll answers several queries in one round trip, or in two when a text as typed finds next to nothing. Queries that
// differ only in their conditions and facets, as those do that a page sends for each of its menus, are one search: what
// they have in common is its query, and each is counted under the rest of its own conditions. Only one of them can have
// hits; others that want some are searches of their own in the same request.
//
// It is for conditions (Query.Where) alone: the selections of a Query that leave their own facet's counts alone are for
// Search.
func (s *Searcher) SearchAll(ctx context.Context, queries []Query, dims *dimension.Set) ([]Result, error) {
	if len(queries) == 0 || len(queries) > MaxBatch {
		return nil, invalid("requests", "want 1 to %d", MaxBatch)
	}
	plans := make([]*plan, len(queries))
	for i := range queries {
		q := queries[i]
		if err := q.Validate(); err != nil {
			return nil, err
		}
		var err error
		if plans[i], err = s.plan(&q, dims); err != nil {
			return nil, err
		}
		if len(plans[i].selections) > 0 {
			return nil, invalid("filters", "queries of a batch are filtered by conditions")
		}
	}
	deadline, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	groups := together(plans)
	results := make([]Result, len(queries))
	if err := s.askAll(deadline, groups, results, dims); err != nil {
		return nil, s.classify(ctx, err)
	}
	again := s.fewIn(groups, results)
	if len(again) == 0 {
		return results, nil
	}
	if err := s.askAll(deadline, again, results, dims); err != nil {
		return nil, s.classify(ctx, err)
	}
	return results, nil
}

// fewIn are the groups whose text finds next to nothing as typed, by the conditions that all queries of the group share: what
// the selections of several menus leave together is no reason to show what none of them counted.
func (s *Searcher) fewIn(groups []*searchGroup, results []Result) []*searchGroup {
	var again []*searchGroup
	for _, g := range groups {
		partial := slices.ContainsFunc(g.members, func(m member) bool { return results[m.place].Partial })
		if s.few(g.members[0].plan, g.matched, partial) {
			g.fuzzy = true
			again = append(again, g)
		}
	}
	return again
}

// searchGroup is queries that are one search.
type searchGroup struct {
	members []member // the first is the one with the hits
	common  []object // clauses that all members have
	matched int64    // hits of those alone
	fuzzy   bool
}

// member is a query of a group.
type member struct {
	plan  *plan
	place int      // in the batch
	own   []object // clauses that not all members have
}

// together groups the plans.
func together(plans []*plan) []*searchGroup {
	var groups []*searchGroup
	for i, p := range plans {
		m := member{plan: p, place: i}
		joined := false
		for _, g := range groups {
			if joined = g.join(m); joined {
				break
			}
		}
		if !joined {
			groups = append(groups, &searchGroup{members: []member{m}})
		}
	}
	for _, g := range groups {
		g.divide()
	}
	return groups
}

// join adds a member whose text and store are those of the group and who wants no hits if the group has some.
func (g *searchGroup) join(m member) bool {
	first := g.members[0].plan.q
	q := m.plan.q
	if first.Store != q.Store || first.Lang != q.Lang || first.Text != q.Text || first.StrictText != q.StrictText {
		return false
	}
	switch {
	case q.Limit == 0:
		g.members = append(g.members, m)
	case first.Limit == 0:
		g.members = append([]member{m}, g.members...)
	default:
		return false
	}
	return true
}

// divide tells the clauses that all members have from the others.
func (g *searchGroup) divide() {
	had := make(map[string]int)
	written := func(clause object) string {
		b, err := json.Marshal(clause)
		if err != nil {
			panic(fmt.Sprintf("a clause is not JSON: %v", err)) // it is made of strings and finite numbers
		}
		return string(b)
	}
	for _, m := range g.members {
		seen := make(map[string]bool)
		for _, clause := range m.plan.base {
			if name := written(clause); !seen[name] {
				seen[name] = true
				had[name]++
			}
		}
	}
	for i := range g.members {
		m := &g.members[i]
		for _, clause := range m.plan.base {
			if had[written(clause)] < len(g.members) {
				m.own = append(m.own, clause)
			} else if i == 0 {
				g.common = append(g.common, clause)
			}
		}
	}
}

// request builds the group's one search: hits of the first member, an aggregation for each.
func (g *searchGroup) request(popularityNow float64, timeout time.Duration) object {
	first := *g.members[0].plan
	first.base, first.facets = g.common, nil
	body := first.request(g.fuzzy, popularityNow, timeout)
	if own := g.members[0].own; len(own) > 0 {
		body["post_filter"] = all(own)
	}
	aggs := object{matchedName: object{"filter": all(nil)}}
	for i, m := range g.members {
		facets := object{}
		for f := range m.plan.facets {
			m.plan.facets[f].aggregate(aggName(f), facets)
		}
		agg := object{"filter": all(m.own)}
		if len(facets) > 0 {
			agg["aggs"] = facets
		}
		aggs[memberName(i)] = agg
	}
	body["aggs"] = aggs
	return body
}

func memberName(i int) string { return fmt.Sprintf("q%d", i) }

// askAll sends the groups as one request and puts the results in their places.
func (s *Searcher) askAll(ctx context.Context, groups []*searchGroup, results []Result, dims *dimension.Set) error {
	answers, err := s.send(ctx, groups)
	if err != nil {
		return err
	}
	for i, g := range groups {
		err := g.read(&answers[i], results, dims)
		if errors.Is(err, errWide) {
			for _, m := range g.members {
				s.wide.note(m.plan)
			}
			err = s.askAll(ctx, []*searchGroup{g}, results, dims)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Searcher) send(ctx context.Context, groups []*searchGroup) ([]answer, error) {
	now := popularityAt(time.Now())
	queries, bodies := make([]*Query, len(groups)), make([]object, len(groups))
	for i, g := range groups {
		queries[i], bodies[i] = g.members[0].plan.q, g.request(now, s.cfg.Timeout*8/10)
	}
	return s.multi(ctx, queries, bodies)
}

// multi sends searches, each to the shard of its query's store, as one request.
func (s *Searcher) multi(ctx context.Context, queries []*Query, bodies []object) ([]answer, error) {
	if len(bodies) == 1 {
		var a answer
		err := s.client.json(ctx, http.MethodPost, s.path(queries[0]), bodies[0], &a)
		return []answer{a}, err
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	for i, q := range queries {
		head := object{"index": Alias(s.cfg.Prefix), "routing": key(q.Store)}
		for _, line := range []object{head, bodies[i]} {
			if err := enc.Encode(line); err != nil {
				return nil, fmt.Errorf("encode searches: %w", err)
			}
		}
	}
	var multi struct {
		Responses []struct {
			answer
			Status int             `json:"status"`
			Error  json.RawMessage `json:"error"`
		} `json:"responses"`
	}
	if err := s.client.do(ctx, http.MethodPost, "/_msearch", "application/x-ndjson", body.Bytes(), &multi); err != nil {
		return nil, err
	}
	answers := make([]answer, len(bodies))
	if len(multi.Responses) != len(bodies) {
		return nil, fmt.Errorf("%d answers to %d searches", len(multi.Responses), len(bodies))
	}
	for i, r := range multi.Responses {
		if r.Status >= http.StatusMultipleChoices {
			return nil, failure(r.Status, fmt.Appendf(nil, `{"error":%s}`, r.Error))
		}
		answers[i] = r.answer
	}
	return answers, nil
}

// path is where the query's searches go.
func (s *Searcher) path(q *Query) string {
	return "/" + url.PathEscape(Alias(s.cfg.Prefix)) + "/_search?routing=" + key(q.Store)
}

// read takes the members' results out of the group's answer.
func (g *searchGroup) read(a *answer, results []Result, dims *dimension.Set) error {
	var own struct {
		Count int64 `json:"doc_count"`
	}
	if err := json.Unmarshal(a.Aggregations[matchedName], &own); err != nil {
		return fmt.Errorf("read what a batch has in common: %w", err)
	}
	g.matched = own.Count
	for i, m := range g.members {
		raw := a.Aggregations[memberName(i)]
		if err := json.Unmarshal(raw, &own); err != nil {
			return fmt.Errorf("read query %d of a batch: %w", m.place, err)
		}
		part := answer{Took: a.Took, TimedOut: a.TimedOut, Shards: a.Shards, Aggregations: map[string]json.RawMessage{"shared": raw}}
		if part.Hits.Total.Value = own.Count; i == 0 {
			part.Hits.Hits = a.Hits.Hits
		}
		r, err := m.plan.result(&part, dims)
		if err != nil {
			return err
		}
		if g.fuzzy && r.Total > results[m.place].Total {
			r.Fuzzy = true
			r.DidYouMean = didYouMean(m.plan.q.Text, m.plan.q.Lang, r.Hits)
		}
		results[m.place] = r
	}
	return nil
}

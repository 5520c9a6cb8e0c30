// Package relevance measures how good the answers of search are: judged queries in every language over a small catalog,
// scored by nDCG@10 and by how many find nothing.
//
// The tests hold the figures against those of the last reviewed run, and `freshet search test` prints them for a live
// server. The catalog and its judgments are written by hand in data/: what a query should find was decided before anyone
// looked at what it does find.
package relevance

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"freshet/projectors/dimension"
	"freshet/search"
)

// depth is how many hits of a page are scored.
const depth = 10

// Searcher answers queries; search.Searcher does.
type Searcher interface {
	Search(ctx context.Context, q search.Query, dims *dimension.Set) (search.Result, error)
}

// Score is how well queries were answered.
type Score struct {
	Queries int     `json:"queries"`
	NDCG    float64 `json:"ndcg"` // mean of nDCG@10, from 0 to 1
	Zero    int     `json:"zero"` // queries that found nothing
}

// Answer is a judged query with what was found for it.
type Answer struct {
	Judgment
	Found []int64 // products, the best first
	NDCG  float64
}

// Report is the scores of a language, whole and by kind of query.
type Report struct {
	Lang    string
	Score   Score
	Kinds   map[string]Score
	Answers []Answer
}

// Run asks all the queries of a language in a store and scores the answers.
func Run(ctx context.Context, s Searcher, dims *dimension.Set, store int64, lang string, judged []Judgment) (Report, error) {
	r := Report{Lang: lang, Kinds: make(map[string]Score)}
	for _, j := range judged {
		result, err := s.Search(ctx, search.Query{Store: store, Lang: lang, Text: j.Query, Limit: depth}, dims)
		if err != nil {
			return r, fmt.Errorf("search %q: %w", j.Query, err)
		}
		if result.Partial {
			return r, fmt.Errorf("search %q: %w", j.Query, errPartial)
		}
		a := Answer{Judgment: j}
		for _, h := range result.Hits {
			a.Found = append(a.Found, h.Product)
		}
		a.NDCG = ndcg(a.Found, j.Grades)
		r.Answers = append(r.Answers, a)
		r.Score = r.Score.with(a)
		r.Kinds[j.Kind] = r.Kinds[j.Kind].with(a)
	}
	return r, nil
}

// errPartial is the error of an answer that a time limit cut short: it says nothing about relevance.
var errPartial = errors.New("the answer is partial")

// with adds an answer to the mean.
func (s Score) with(a Answer) Score {
	n := float64(s.Queries)
	s.NDCG = (s.NDCG*n + a.NDCG) / (n + 1)
	s.Queries++
	if len(a.Found) == 0 {
		s.Zero++
	}
	return s
}

// String writes the score for a person.
func (s Score) String() string {
	return fmt.Sprintf("nDCG@10 %.4f, %d of %d queries find nothing", s.NDCG, s.Zero, s.Queries)
}

// Worst lists the answers below a score, for a person to see what to mend.
func (r *Report) Worst(below float64, name func(product int64) string) string {
	var b strings.Builder
	for _, a := range r.Answers {
		if a.NDCG >= below {
			continue
		}
		fmt.Fprintf(&b, "%.2f  %-10s %-28q", a.NDCG, a.Kind, a.Query)
		for _, p := range a.Found[:min(5, len(a.Found))] {
			fmt.Fprintf(&b, " %s", name(p))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

package relevance_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"freshet/projectors/dimension"
	"freshet/search"
	"freshet/search/relevance"
)

// fixed answers every query with the same products.
type fixed []int64

func (f fixed) Search(context.Context, search.Query, *dimension.Set) (search.Result, error) {
	var r search.Result
	for _, p := range f {
		r.Hits = append(r.Hits, search.Hit{Card: search.Card{Product: p}})
	}
	return r, nil
}

func number(s string) (int64, bool) { return int64(len(s)), s != "none" }

func TestScore(t *testing.T) {
	judged, err := relevance.Judgments(strings.NewReader("# comment\n\nkind | a query | a bb~\n"), number)
	if err != nil {
		t.Fatal(err)
	}
	best := 3 + 1/math.Log2(3)
	for _, tt := range []struct {
		found fixed
		want  float64
	}{
		{fixed{1, 2}, 1},
		{fixed{2, 1}, (1 + 3/math.Log2(3)) / best},
		{fixed{7, 1}, 3 / math.Log2(3) / best},
		{fixed{7, 8}, 0},
		{nil, 0},
	} {
		r, err := relevance.Run(t.Context(), tt.found, nil, 1, "it", judged)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(r.Score.NDCG-tt.want) > 1e-9 || r.Score.Zero != 1-min(1, len(tt.found)) || r.Kinds["kind"] != r.Score {
			t.Errorf("%v: %+v, want nDCG %v", tt.found, r.Score, tt.want)
		}
	}
}

func TestMalformedJudgments(t *testing.T) {
	for _, line := range []string{"kind | query", "| query | a", "kind | | a", "kind | query |", "kind | query | none", "a | b | c | d"} {
		if _, err := relevance.Judgments(strings.NewReader("\n"+line), number); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

package relevance_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"

	"freshet/deploy/stack/stacktest"
	"freshet/search"
	"freshet/search/relevance"
)

var update = flag.Bool("update", false, "write the figures of this run as those to hold")

const reviewed = "testdata/scores.json"

// TestNoLanguageGetsWorse runs all judged queries and fails when a language finds less well than in the last reviewed run.
func TestNoLanguageGetsWorse(t *testing.T) {
	address, prefix := stacktest.Elastic(t)
	client, err := search.Open([]string{address})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := relevance.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := catalog.Index(t.Context(), client, prefix); err != nil {
		t.Fatal(err)
	}
	want := scores(t)
	got := make(map[string]relevance.Score)
	s := search.NewSearcher(client, search.SearcherConfig{Prefix: prefix})
	for _, lang := range search.Languages() {
		judged := catalog.Judgments(lang)
		if len(judged) < 60 {
			t.Errorf("%s: %d judged queries", lang, len(judged))
		}
		r, err := relevance.Run(t.Context(), s, catalog.Dimensions, relevance.Store, lang, judged)
		if err != nil {
			t.Fatal(err)
		}
		score := r.Score
		score.NDCG = math.Round(score.NDCG*1e4) / 1e4
		got[lang] = score
		t.Logf("%s: %s\n%s", lang, score, r.Worst(0.9, catalog.Name))
		if last := want[lang]; !*update && (score.NDCG < last.NDCG || score.Zero > last.Zero) {
			t.Errorf("%s: %s; it was: %s", lang, score, last)
		}
	}
	if *update {
		write(t, got)
	}
}

func scores(t *testing.T) map[string]relevance.Score {
	t.Helper()
	all := make(map[string]relevance.Score)
	b, err := os.ReadFile(reviewed)
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil && !*update {
		t.Fatal(err)
	}
	return all
}

func write(t *testing.T, scores map[string]relevance.Score) {
	t.Helper()
	b, err := json.MarshalIndent(scores, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(reviewed, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

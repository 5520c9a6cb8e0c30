package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

func TestOlderWritesAreRefused(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	title := func() string {
		r, err := s.Search(t.Context(), query(), shop(1))
		if err != nil {
			t.Fatal(err)
		}
		var titles []string
		for _, h := range r.Hits {
			titles = append(titles, h.Title)
		}
		return strings.Join(titles, ",")
	}
	gone := offerView(1, 7, "", func(v *view.Offer) { v.Deleted = true })
	steps := []struct {
		v    *view.Offer
		dims int64
		want Outcome
		seen string
	}{
		{offerView(1, 5, "five"), 1, Written, "five"},
		{offerView(1, 5, "five"), 1, Stale, "five"},
		{offerView(1, 4, "four"), 9, Stale, "five"},
		{offerView(1, 5, "five of a newer registry"), 2, Written, "five of a newer registry"},
		{gone, 2, Written, ""},
		{offerView(1, 6, "late"), 9, Stale, ""},
		{offerView(1, 8, "back"), 2, Written, "back"},
	}
	for i, step := range steps {
		if got := index(t, client, prefix, shop(step.dims), step.v)[0].Outcome; got != step.want {
			t.Errorf("step %d: outcome %d, want %d", i, got, step.want)
		}
		if got := title(); got != step.seen {
			t.Errorf("step %d: found %q, want %q", i, got, step.seen)
		}
	}
}

// The real server's answers to the writer's edge cases, which the fake only imitates.
func TestWriterOnTheServer(t *testing.T) {
	client, prefix := server(t)
	w := NewWriter(client, WriterConfig{})
	alias := Alias(prefix)
	odd := "7:\x01\u2028\"\\é"
	results, err := w.Write(t.Context(), []Op{
		{Alias: alias, ID: odd, Routing: "7", Version: 1, Body: []byte(`{"store":"7"}`)},
		{Alias: alias, ID: "7:2", Routing: "7", Version: 1, Body: []byte(`{"unknown":1}`)},
		{Alias: alias, ID: "7:3", Routing: "7", Version: 1, Body: []byte(`{"created":"yesterday"}`)},
		{Alias: alias, ID: "7:4", Routing: "7", Version: 0, Body: []byte(`{"store":"7"}`)},
		{Alias: alias, ID: "7:5", Routing: "7", Version: -1, Body: []byte(`{"store":"7"}`)},
		{Alias: alias, ID: odd, Routing: "7", Version: 1, Body: []byte(`{"store":"8"}`)},
		{Alias: alias, ID: odd, Routing: "7", Version: 1, Body: []byte(`{"store":"9"}`), Overwrite: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomes(results); got != "WRRRRSW" {
		t.Errorf("outcomes %q", got)
		for _, r := range results {
			t.Log(r.Reason)
		}
	}
	_, err = w.Write(t.Context(), []Op{{Alias: prefix + "-nowhere", ID: "1", Routing: "7", Version: 1, Body: []byte(`{}`)}})
	if !errors.Is(err, ErrIndexMissing) {
		t.Errorf("a missing index: %v", err)
	}
	if err := client.json(t.Context(), http.MethodPost, "/"+Index(prefix)+"/_close", nil, nil); err != nil {
		t.Fatal(err)
	}
	results, err = w.Write(t.Context(), []Op{{Alias: alias, ID: "7:9", Routing: "7", Version: 1, Body: []byte(`{"store":"7"}`)}})
	if err == nil || outcomes(results) != " " {
		t.Errorf("a closed index: %q, %v", outcomes(results), err)
	}
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	var away *Unavailable
	if _, err := s.Search(t.Context(), query(), shop(1)); !errors.As(err, &away) || away.RetryAfter <= 0 {
		t.Errorf("search in a closed index: %v", err)
	}
}

func TestSortsAndPages(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	const n = 57
	var views []*view.Offer
	for i := range int64(n) {
		views = append(views, offerView(i+1, 1, fmt.Sprintf("pane numero %d", i%4), func(v *view.Offer) {
			v.Price, v.Available, v.Popularity, v.Boost = 100*(i%5), i%3, float64(i%4), 1+float64(i%2)
			v.CreatedAt = time.Date(2026, 1, 1+int(i%6), 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		}))
	}
	index(t, client, prefix, shop(1), views...)
	popular := func(a, b *view.Offer) int {
		return cmp.Or(-cmp.Compare(b2i(a.InStock()), b2i(b.InStock())), cmp.Compare(b.Popularity*b.Boost, a.Popularity*a.Boost))
	}
	orders := map[Sort]func(a, b *view.Offer) int{
		"": popular, SortRelevance: popular, SortPopularity: popular,
		SortPriceAsc:  func(a, b *view.Offer) int { return cmp.Compare(a.Price, b.Price) },
		SortPriceDesc: func(a, b *view.Offer) int { return cmp.Compare(b.Price, a.Price) },
		SortNewest:    func(a, b *view.Offer) int { return cmp.Compare(b.CreatedAt, a.CreatedAt) },
	}
	for order, compare := range orders {
		want := slices.Clone(views)
		slices.SortFunc(want, func(a, b *view.Offer) int { return cmp.Or(compare(a, b), cmp.Compare(a.Product, b.Product)) })
		var ids []int64
		for _, v := range want {
			ids = append(ids, v.Product)
		}
		if got := pages(t, s, query(func(q *Query) { q.Sort, q.Limit = order, 10 })); !slices.Equal(got, ids) {
			t.Errorf("%q:\ngot  %v\nwant %v", order, got, ids)
		}
	}
	// With a text the order is the score's; many are equal, and still no page repeats a product.
	got := pages(t, s, query(func(q *Query) { q.Text, q.Limit = "pane", 10 }))
	if len(got) != n || len(slices.Compact(slices.Sorted(slices.Values(got)))) != n {
		t.Errorf("pages by relevance: %v", got)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func pages(t *testing.T, s *Searcher, q Query) []int64 {
	t.Helper()
	var all []int64
	for {
		page := found(t, s, q)
		all = append(all, page...)
		if len(page) < q.Limit {
			return all
		}
		q.Offset += q.Limit
	}
}

func TestRankingWeighsPopularityBoostAndStock(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix})
	now := popularityAt(time.Now())
	with := func(popularity, boost float64, available int64) func(*view.Offer) {
		return func(v *view.Offer) { v.Popularity, v.Boost, v.Available = popularity, boost, available }
	}
	index(t, client, prefix, shop(1),
		offerView(1, 1, "pane", with(0, 1, 1)),
		offerView(2, 1, "pane", with(now+6, 1, 1)),
		offerView(3, 1, "pane", with(now+6, 1, 0)),
		offerView(4, 1, "pane", with(0, 3, 1)),
		offerView(5, 1, "pane di segale e grano duro", with(now, 1, 1)),
	)
	if got, want := found(t, s, query(func(q *Query) { q.Text = "pane" })), []int64{4, 2, 1}; !slices.Equal(got[:3], want) {
		t.Errorf("order %v, want %v first", got, want)
	}
}

func TestSearchFailures(t *testing.T) {
	answer := func(status int, body string) *Client {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			if status == 0 {
				_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client leaves
				<-r.Context().Done()
				return
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		c, err := Open([]string{s.URL})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	tests := map[string]struct {
		status      int
		body        string
		unavailable bool
	}{
		"overloaded":    {429, `{"error":{"type":"es_rejected_execution_exception","reason":"queue full"}}`, true},
		"starting":      {503, `{"error":{"type":"cluster_block_exception","reason":"not recovered"}}`, true},
		"proxy":         {502, `<html>bad gateway</html>`, true},
		"no index yet":  {404, `{"error":{"type":"index_not_found_exception","reason":"no such index"}}`, true},
		"too slow":      {0, "", true},
		"our fault":     {400, `{"error":{"type":"parsing_exception","reason":"unknown query"}}`, false},
		"broken server": {500, `{"error":{"type":"null_pointer_exception","reason":""}}`, false},
		"no JSON":       {200, `<html>`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			timeout := time.Minute
			if tt.status == 0 {
				timeout = 100 * time.Millisecond
			}
			s := NewSearcher(answer(tt.status, tt.body), SearcherConfig{Prefix: "p", Timeout: timeout})
			_, err := s.Search(t.Context(), query(), shop(1))
			var away *Unavailable
			if err == nil || errors.As(err, &away) != tt.unavailable {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("the caller left", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := NewSearcher(answer(200, `{}`), SearcherConfig{Prefix: "p"}).Search(ctx, query(), shop(1))
		var away *Unavailable
		if !errors.Is(err, context.Canceled) || errors.As(err, &away) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("partial", func(t *testing.T) {
		for _, body := range []string{`{"timed_out":true}`, `{"_shards":{"failed":1}}`} {
			r, err := NewSearcher(answer(200, body), SearcherConfig{Prefix: "p"}).Search(t.Context(), query(), shop(1))
			if err != nil || !r.Partial {
				t.Errorf("%s: %+v, %v", body, r, err)
			}
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		c, err := Open([]string{"http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		var away *Unavailable
		if _, err := NewSearcher(c, SearcherConfig{Prefix: "p"}).Search(t.Context(), query(), shop(1)); !errors.As(err, &away) {
			t.Errorf("error %v", err)
		}
	})
}

func TestFacetsOfAStore(t *testing.T) {
	if got, want := fmt.Sprint(Facets(shop(1), 7, 0)), "[category brand price in_stock colour organic size weight]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var many []dimension.Attribute
	for i := range 40 {
		many = append(many, dimension.Attribute{Code: fmt.Sprintf("a%02d", i), Kind: "keyword", Facet: true})
	}
	if got := Facets(dimension.NewSet(1, dimension.Rows{Attributes: many}), 7, 0); len(got) != MaxFacets {
		t.Errorf("%d facets", len(got))
	}
}

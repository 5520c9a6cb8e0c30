package search

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// bakery is n offers called "pane", whose orders have many ties.
func bakery(n, version int64) []*view.Offer {
	var views []*view.Offer
	for i := range n {
		views = append(views, offerView(i+1, version, "Pane", func(v *view.Offer) {
			v.Price, v.Available, v.Popularity = 100*((i+version)%7), (i+version)%3, float64((i*version)%5)
			v.Categories = []view.Category{{ID: 1}}
			v.CreatedAt = time.Date(2026, 1, 1+int((i+version)%6), 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		}))
	}
	return views
}

// walkAll asks for all pages of a walk.
func walkAll(t *testing.T, s *Searcher, dims *dimension.Set, q Query) (hits []Hit, total int64) {
	t.Helper()
	var at *Place
	for {
		r, next, err := s.Page(t.Context(), q, at, dims)
		if err != nil {
			t.Fatalf("after %d hits: %v", len(hits), err)
		}
		if at != nil && (r.Total != total || len(r.Facets) > 0) {
			t.Fatalf("after %d hits there are %d in all, not %d, and %d facets", len(hits), r.Total, total, len(r.Facets))
		}
		hits, total = append(hits, r.Hits...), r.Total
		if at = next; at == nil {
			return hits, total
		}
	}
}

// While a walk goes on every offer changes its place in every order, and others come and go: each hit of the moment it
// began is on exactly one page.
func TestWalksUnderWrites(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix, Timeout: time.Minute})
	const n, others = 60, 20
	index(t, client, prefix, shop(1), bakery(n+others, 1)...)
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	var writeErr error
	wrote := make(chan struct{}, 1)
	writing.Go(func() {
		for version := int64(2); ctx.Err() == nil && writeErr == nil; version++ {
			writeErr = rewrite(client, prefix, bakery(n+others, version), n, version)
			select {
			case wrote <- struct{}{}:
			default:
			}
		}
	})
	for _, order := range Sorts() {
		for _, text := range []string{"", "pane", "pnae"} {
			q := query(func(q *Query) { q.Sort, q.Text, q.Limit, q.Facets = order, text, 9, []string{FacetPrice} })
			var at *Place
			seen := map[int64]int{}
			for {
				r, next, err := s.Page(ctx, q, at, shop(1))
				if err != nil {
					t.Fatalf("%s %q after %d: %v", order, text, len(seen), err)
				}
				for _, h := range r.Hits {
					seen[h.Product]++
				}
				if at = next; at == nil {
					checkWalk(t, fmt.Sprintf("%s %q", order, text), seen, n, r.Total)
					break
				}
				if len(seen) < 30 { // the first pages have a batch of writes between them, whatever the machine's pace
					<-wrote
				}
			}
		}
	}
	stop()
	if writing.Wait(); writeErr != nil {
		t.Fatal(writeErr)
	}
}

// rewrite stores all views under their version; those after the first n come and go.
func rewrite(c *Client, prefix string, views []*view.Offer, n int, version int64) error {
	w := NewWriter(c, WriterConfig{})
	var ops []Op
	for i, v := range views {
		v.Deleted = i >= n && (int64(i)+version)%2 == 0
		doc := FromView(v, shop(1))
		op, err := doc.Op(Alias(prefix))
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	if _, err := w.Write(context.Background(), ops); err != nil {
		return err
	}
	return w.Refresh(context.Background(), Alias(prefix))
}

func checkWalk(t *testing.T, name string, seen map[int64]int, n, total int64) {
	t.Helper()
	if int64(len(seen)) != total {
		t.Errorf("%s: %d hits on all pages of %d", name, len(seen), total)
	}
	for product, times := range seen {
		if times != 1 {
			t.Errorf("%s: product %d is on %d pages", name, product, times)
		}
	}
	for product := range n {
		if seen[product+1] == 0 {
			t.Errorf("%s: product %d is on no page", name, product+1)
		}
	}
}

// A walk has the hits of plain pages in their order: with pins, wherever they are, and with misspellings.
func TestWalksEqualPages(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix, Timeout: time.Minute})
	dims := merchant(pin(40, 3), pin(17, 3), pin(5, 4), pin(3, 30), pin(99, 8), boost(8, 40))
	index(t, client, prefix, dims, bakery(47, 1)...)
	for _, text := range []string{"", "pane", "pnae"} {
		for limit := 1; limit < 12; limit += 3 {
			q := query(func(q *Query) { q.Text, q.Limit = text, 100 })
			plain, err := s.Search(t.Context(), q, dims)
			if err != nil {
				t.Fatal(err)
			}
			q.Limit = limit
			hits, total := walkAll(t, s, dims, q)
			if got, want := products(hits), products(plain.Hits); got != want || total != 47 {
				t.Errorf("%q by %d:\n%s, want\n%s", text, limit, got, want)
			}
		}
	}
	if len(s.walks.until) != 0 {
		t.Errorf("%d walks are not over", len(s.walks.until))
	}
}

func TestWalksExpire(t *testing.T) {
	client, prefix := server(t)
	s := NewSearcher(client, SearcherConfig{Prefix: prefix, Timeout: time.Minute})
	index(t, client, prefix, merchant(), bakery(5, 1)...)
	q := query(func(q *Query) { q.Text, q.Limit = "pane", 2 })
	_, at, err := s.Page(t.Context(), q, nil, merchant())
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, at Place, dims *dimension.Set, want error) {
		t.Helper()
		if _, _, err := s.Page(t.Context(), q, &at, dims); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	old := *at
	old.Opened -= int64(walkLife/time.Second) + 1
	refused("too old", old, merchant(), errIdle)
	refused("a rule came", *at, merchant(boost(3, 2)), errChanged)
	if _, next, err := s.Page(t.Context(), q, at, merchant(boost(3, 2, forQuery("vino")))); err != nil || next == nil {
		t.Errorf("a rule for another query came: %v", err)
	}
	if err := client.json(t.Context(), http.MethodDelete, "/_pit", object{"id": at.Moment}, nil); err != nil {
		t.Fatal(err)
	}
	refused("the server forgot", *at, merchant(), errIdle)

	var invalid *Invalid
	for _, f := range []func(*Query){func(q *Query) { q.Limit = 0 }, func(q *Query) { q.Offset = 2 }} {
		if _, _, err := s.Page(t.Context(), query(f), nil, merchant()); !errors.As(err, &invalid) {
			t.Errorf("%v, want it refused", err)
		}
	}
	s.walks.until = nil
	for i := range maxWalks {
		s.walks.keep("", fmt.Sprint(i), time.Now())
	}
	var away *Unavailable
	if _, _, err := s.Page(t.Context(), q, nil, merchant()); !errors.As(err, &away) {
		t.Errorf("one walk too many: %v", err)
	}
	for i := range maxWalks {
		s.walks.keep("", fmt.Sprint(i), time.Now().Add(-2*walkIdle))
	}
	if _, _, err := s.Page(t.Context(), q, nil, merchant()); err != nil {
		t.Errorf("after the others went away: %v", err)
	}
}

package catalog

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"freshet/ingest/change"
)

// reviewRow is a row of reviews as the test keeps it.
type reviewRow struct {
	product, rating int64
	status          string
}

// reviewHistory writes the events of some reviews as Postgres and ingest would, and returns the rows at the end.
func reviewHistory(t *rapid.T) (events []change.Event, rows map[int64]reviewRow) {
	rows = map[int64]reviewRow{}
	pos := change.Position{}
	emit := func(op change.Op, id int64, r reviewRow) {
		pos.Index++
		raw := fmt.Appendf(nil, `{"id":%d,"product_id":%d,"rating":%d,"status":%q}`, id, r.product, r.rating, r.status)
		ev := change.Event{Position: pos, Op: op, Table: "public.reviews", After: raw}
		if op == change.Delete {
			ev.Before, ev.After = fmt.Appendf(nil, `{"id":%d,"product_id":%d}`, id, r.product), nil
		}
		events = append(events, ev)
	}
	for range rapid.IntRange(1, 15).Draw(t, "changes") {
		pos = change.Position{Commit: pos.Commit + 1}
		id := rapid.Int64Range(1, 4).Draw(t, "review")
		old, there := rows[id]
		next := reviewRow{
			product: rapid.Int64Range(7, 8).Draw(t, "product"), rating: rapid.Int64Range(1, 5).Draw(t, "rating"),
			status: rapid.SampledFrom([]string{"published", "published", "pending", "rejected"}).Draw(t, "status"),
		}
		switch {
		case !there:
			emit(change.Create, id, next)
		case rapid.IntRange(0, 3).Draw(t, "delete") == 0:
			emit(change.Delete, id, old)
			delete(rows, id)
			continue
		case old.product != next.product: // its routing column changes
			emit(change.Delete, id, old)
			emit(change.Create, id, next)
		default:
			emit(change.Update, id, next)
		}
		rows[id] = next
	}
	return events, rows
}

// reviewers is what workers of any number store: reviews, summaries that some have counted and not folded yet, and products.
type reviewers struct {
	t        *rapid.T
	reviews  map[string]*Review
	products map[int64]*Product
	counted  []struct {
		product int64
		summary Reviews
	}
}

func (s *reviewers) deliver(ev change.Event) {
	r, err := ReadReview(ev)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.reviews[r.ID] == nil {
		s.reviews[r.ID] = &Review{ID: r.ID}
	}
	if s.reviews[r.ID].Fold(r) {
		s.reviews[r.ID].Rev++
	}
	var summary Reviews
	for _, doc := range s.reviews {
		if doc.Product == r.Product {
			summary.count(doc)
		}
	}
	s.counted = append(s.counted, struct {
		product int64
		summary Reviews
	}{r.Product, summary})
}

// TestAnyOrderOfReviewsMakesTheSameSummary delivers reviews in any order and again, by workers that may fold what they have
// counted long after others have counted more.
func TestAnyOrderOfReviewsMakesTheSameSummary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, rows := reviewHistory(t)
		again := rapid.SliceOfN(rapid.SampledFrom(events), 0, 5).Draw(t, "again")
		s := &reviewers{t: t, reviews: map[string]*Review{}, products: map[int64]*Product{7: {}, 8: {}}}
		for _, ev := range rapid.Permutation(append(slices.Clone(events), again...)).Draw(t, "order") {
			s.deliver(ev)
		}
		for _, c := range rapid.Permutation(s.counted).Draw(t, "folds") {
			FoldReviews(s.products[c.product], c.summary)
		}
		want := map[int64]Reviews{}
		for _, r := range rows {
			if r.status == "published" {
				w := want[r.product]
				want[r.product] = Reviews{Count: w.Count + 1, Sum: w.Sum + r.rating}
			}
		}
		for id, p := range s.products {
			if p.Reviews.Count != want[id].Count || p.Reviews.Sum != want[id].Sum {
				t.Fatalf("product %d has %+v, the rows say %+v", id, p.Reviews, want[id])
			}
		}
	})
}

func TestReadReviewRefuses(t *testing.T) {
	at := change.Position{Commit: 1, Index: 1}
	for name, ev := range map[string]change.Event{
		"truncate":    {Position: at, Op: change.Truncate, Table: "public.reviews"},
		"no product":  {Position: at, Op: change.Create, Table: "public.reviews", After: []byte(`{"id":1,"rating":5}`)},
		"no position": {Op: change.Create, Table: "public.reviews", After: []byte(`{"id":1,"product_id":7,"rating":5}`)},
		"a text":      {Position: at, Op: change.Create, Table: "public.reviews", After: []byte(`{"id":1,"product_id":7,"rating":"good"}`)},
	} {
		if _, err := ReadReview(ev); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

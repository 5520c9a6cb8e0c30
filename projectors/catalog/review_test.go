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
		id := rapid.SampledFrom([]int64{1, 2, 17, 33}).Draw(t, "review")
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

// wanted is what the rows count for, by product.
func wanted(rows map[int64]reviewRow) map[int64][2]int64 {
	want := map[int64][2]int64{}
	for _, r := range rows {
		if r.status == "published" {
			w := want[r.product]
			want[r.product] = [2]int64{w[0] + 1, w[1] + r.rating}
		}
	}
	return want
}

// summed is what a product's tallies come to.
func summed(p *Product) (sum [2]int64) {
	if p == nil {
		return sum
	}
	for _, t := range p.Reviews {
		sum = [2]int64{sum[0] + t.Count, sum[1] + t.Sum}
	}
	return sum
}

// TestAnyOrderOfReviewsMakesTheSameTallies delivers reviews in any order and again, by workers that may fold what they have
// counted long after others have counted more.
func TestAnyOrderOfReviewsMakesTheSameTallies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, rows := reviewHistory(t)
		again := rapid.SliceOfN(rapid.SampledFrom(events), 0, 5).Draw(t, "again")
		docs, counted := map[string]*Ratings{}, []func(map[int64]*Product){}
		for _, ev := range rapid.Permutation(append(slices.Clone(events), again...)).Draw(t, "order") {
			j, err := readReview(ev)
			if err != nil {
				t.Fatal(err)
			}
			doc := docs[j.document()]
			if doc == nil {
				doc = &Ratings{}
				docs[j.document()] = doc
			}
			if doc.fold(j) {
				doc.Rev++
			}
			tally := doc.tally(j.part)
			counted = append(counted, func(products map[int64]*Product) { products[j.product].take(tally) })
		}
		products := map[int64]*Product{7: {}, 8: {}}
		for _, take := range rapid.Permutation(counted).Draw(t, "folds") {
			take(products)
		}
		for id, p := range products {
			if got, want := summed(p), wanted(rows)[id]; got != want {
				t.Fatalf("product %d has %v, the rows say %v", id, got, want)
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
		if _, err := readReview(ev); !errors.Is(err, change.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

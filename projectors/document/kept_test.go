package document_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"freshet/projectors/document"
)

// TestKeepingSeesWhatOthersStored changes a document behind the back of one who remembers it: the swap of the state that is
// remembered must be refused, and nothing lost.
func TestKeepingSeesWhatOthersStored(t *testing.T) {
	ways(t, func(t *testing.T, c *document.Collection[int64, counter]) {
		keeping := c.Keeping(100)
		for n, by := range []*document.Collection[int64, counter]{keeping, keeping, c, keeping, c, c, keeping} {
			docs, err := by.Update(t.Context(), []int64{1, 2, 3}, tell(fmt.Sprint("w", n), 1))
			if err != nil {
				t.Fatal(err)
			}
			if docs[2].Rev != int64(n+1) || len(docs[2].Seen) != n+1 {
				t.Fatalf("change %d made %+v", n+1, docs[2])
			}
		}
	})
}

// TestKeepingForgetsWhatItOnlyFound: a document that was remembered and that an old event leaves unchanged is loaded the next
// time, so that a caller who finds it untrue does not get it again and again.
func TestKeepingForgetsWhatItOnlyFound(t *testing.T) {
	c := document.Open[int64, counter](database(t), "counters", document.Config{})
	keeping := c.Keeping(100)
	update := func(by *document.Collection[int64, counter], writer string) *counter {
		t.Helper()
		docs, err := by.Update(t.Context(), []int64{1}, tell(writer, 1))
		if err != nil {
			t.Fatal(err)
		}
		return docs[1]
	}
	update(keeping, "a")
	update(c, "b")
	if found := update(keeping, "a"); found.Rev != 1 {
		t.Fatalf("what is remembered is at revision %d", found.Rev)
	}
	if found := update(keeping, "a"); found.Rev != 2 || found.Seen["b"] != 1 {
		t.Errorf("found a second time: %+v", found)
	}
}

// TestKeepingInARace lets writers who all remember fight over more documents than they may remember.
func TestKeepingInARace(t *testing.T) {
	ways(t, func(t *testing.T, c *document.Collection[int64, counter]) {
		const writers, rounds = 4, 12
		ids := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}
		var keeping [writers]*document.Collection[int64, counter]
		for w := range keeping {
			keeping[w] = c.Keeping(8)
		}
		race(t, writers, rounds, func(w int, n int64) (*document.Collection[int64, counter], []int64) { return keeping[w], ids[n%4:] })
		docs, err := c.Load(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			told, last := 0, int64(0)
			for n := 1; n <= rounds; n++ {
				if n%4 <= i {
					told, last = told+1, int64(n)
				}
			}
			want := map[string]int64{}
			for w := range writers {
				want[fmt.Sprint("w", w)] = last
			}
			if docs[id].Rev != int64(told*writers) || !maps.Equal(docs[id].Seen, want) {
				t.Errorf("document %d is %+v, want revision %d and %v", id, docs[id], told*writers, want)
			}
		}
	})
}

// TestReader: whatever a reader remembers, it returns documents as they are.
func TestReader(t *testing.T) {
	c := document.Open[int64, counter](database(t), "counters", document.Config{})
	reader := c.Reader(4)
	change := func(n int64, ids ...int64) {
		t.Helper()
		if _, err := c.Update(t.Context(), ids, tell("a", n)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(ids []int64, want map[int64]int64) {
		t.Helper()
		docs, err := reader.Load(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[int64]int64, len(docs))
		for id, doc := range docs {
			got[id] = doc.Seen["a"]
		}
		if !maps.Equal(got, want) {
			t.Errorf("of %v it read %v, want %v", ids, got, want)
		}
	}
	check([]int64{1, 2}, map[int64]int64{})
	change(1, 1, 2, 3)
	check([]int64{1, 2, 9}, map[int64]int64{1: 1, 2: 1})
	check([]int64{1, 2, 3}, map[int64]int64{1: 1, 2: 1, 3: 1})
	change(2, 2)
	check([]int64{1, 2}, map[int64]int64{1: 1, 2: 2})
	for n := int64(3); n < 20; n++ { // more documents than it remembers, all of them changing
		ids := []int64{n % 7, (n + 1) % 7, (n + 3) % 7}
		change(n, ids...)
		slices.Sort(ids)
		check(ids, map[int64]int64{ids[0]: n, ids[1]: n, ids[2]: n})
	}
}

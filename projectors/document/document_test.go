package document_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/document"
)

// counter is a document whose fold is idempotent: it keeps the highest number each writer has told.
type counter struct {
	ID    int64            `bson:"_id"`
	Rev   int64            `bson:"rev"`
	Group int64            `bson:"group"`
	Seen  map[string]int64 `bson:"seen"`
	Pad   string           `bson:"pad"`
}

func (c *counter) DocumentID() *int64 { return &c.ID }
func (c *counter) Revision() *int64   { return &c.Rev }

// tell folds the fact that the writer has got to n.
func tell(writer string, n int64) func(int64, *counter) bool {
	return func(_ int64, c *counter) bool {
		if c.Seen[writer] >= n {
			return false
		}
		if c.Seen == nil {
			c.Seen = map[string]int64{}
		}
		c.Seen[writer] = n
		return true
	}
}

func database(t testing.TB) *mongo.Database {
	t.Helper()
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client.Database(name)
}

// ways runs a test with both ways of writing.
func ways(t *testing.T, test func(t *testing.T, c *document.Collection[int64, counter])) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%t", plain), func(t *testing.T) {
			test(t, document.Open[int64, counter](database(t), "counters", document.Config{Plain: plain}))
		})
	}
}

func TestUpdate(t *testing.T) {
	ways(t, func(t *testing.T, c *document.Collection[int64, counter]) {
		ctx := t.Context()
		ids := []int64{3, 1, 2, 1}
		for want := int64(1); want <= 3; want++ {
			docs, err := c.Update(ctx, ids, tell("a", want))
			if err != nil {
				t.Fatal(err)
			}
			if len(docs) != 3 || docs[2].Rev != want || docs[2].Seen["a"] != want {
				t.Fatalf("after %d updates: %+v", want, docs[2])
			}
		}
		docs, err := c.Update(ctx, []int64{1, 9}, tell("a", 1))
		if err != nil {
			t.Fatal(err)
		}
		if docs[1].Rev != 3 || docs[9].Rev != 1 {
			t.Errorf("an old event must leave 1 at revision 3 and make 9: %+v %+v", docs[1], docs[9])
		}
		revs, err := c.Revisions(ctx, []int64{1, 9, 10})
		if err != nil || len(revs) != 2 || revs[1] != 3 || revs[9] != 1 {
			t.Errorf("revisions %v, %v", revs, err)
		}
	})
}

func TestSwapRefusesAnotherRevision(t *testing.T) {
	ways(t, func(t *testing.T, c *document.Collection[int64, counter]) {
		ctx := t.Context()
		if _, err := c.Update(ctx, []int64{1, 2}, tell("a", 1)); err != nil {
			t.Fatal(err)
		}
		stale := []document.Change[counter]{{Doc: &counter{ID: 1, Rev: 6}, Rev: 5}, {Doc: &counter{ID: 3, Rev: 6}, Rev: 5}}
		if err := c.Swap(ctx, stale); !errors.Is(err, document.ErrConflict) {
			t.Errorf("replace of another revision: %v", err)
		}
		exists := []document.Change[counter]{{Doc: &counter{ID: 1, Rev: 1}}}
		err := c.Swap(ctx, exists)
		if !mongo.IsDuplicateKeyError(err) {
			t.Errorf("insert of what exists: %v", err)
		}
		docs, err := c.Load(ctx, []int64{1, 2, 3})
		if err != nil || len(docs) != 2 || docs[1].Rev != 1 || docs[1].Seen["a"] != 1 {
			t.Errorf("a refused swap changed something: %v %v", docs, err)
		}
	})
}

// race lets writers tell each of their rounds at once, by the collection and to the documents that they name for it.
func race(t *testing.T, writers int, rounds int64, of func(w int, n int64) (*document.Collection[int64, counter], []int64)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := int64(1); n <= rounds; n++ {
				c, ids := of(w, n)
				if _, err := c.Update(ctx, ids, tell(fmt.Sprint("w", w), n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestContention lets writers fight over the same documents in groups that overlap: nothing may be lost, and everybody
// must come through.
func TestContention(t *testing.T) {
	ways(t, func(t *testing.T, c *document.Collection[int64, counter]) {
		const writers, rounds = 8, 8
		ids := make([]int64, 11)
		for i := range ids {
			ids[i] = int64(i)
		}
		race(t, writers, rounds, func(w int, _ int64) (*document.Collection[int64, counter], []int64) { return c, ids[w/2 : w/2+8] })
		docs, err := c.Load(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			var told int64
			for w := range writers {
				if i < w/2 || i >= w/2+8 {
					continue
				}
				told += rounds
				if got := docs[id].Seen[fmt.Sprint("w", w)]; got != rounds {
					t.Errorf("document %d lost writer %d: %d of %d", id, w, got, rounds)
				}
			}
			if docs[id].Rev != told {
				t.Errorf("document %d has revision %d after %d changes", id, docs[id].Rev, told)
			}
		}
	})
}

func TestRangeAndWhere(t *testing.T) {
	c := document.Open[int64, counter](database(t), "counters", document.Config{})
	ctx := t.Context()
	if err := c.EnsureIndex(ctx, "group"); err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, 2500)
	for i := range ids {
		ids[i] = int64(i)
	}
	_, err := c.Update(ctx, ids, func(id int64, doc *counter) bool { doc.Group = id % 5; return true })
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	if err := c.Range(ctx, 100, 2200, func(doc *counter) error { got = append(got, doc.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, ids[100:2200]) {
		t.Errorf("range 100 to 2200 gave %d documents", len(got))
	}
	count := 0
	if err := c.Where(ctx, "group", []int64{1, 3}, func(doc *counter) error { count++; return nil }); err != nil || count != 1000 {
		t.Errorf("where: %d documents, %v", count, err)
	}
	found, err := c.IDsWhere(ctx, "group", []int64{4})
	if err != nil || len(found) != 500 {
		t.Errorf("ids where: %d, %v", len(found), err)
	}
	stop := errors.New("enough")
	if err := c.Range(ctx, 0, 10, func(*counter) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the callback's error was lost: %v", err)
	}
}

func TestUpdateEndsWithItsContext(t *testing.T) {
	c := document.Open[int64, counter](database(t), "counters", document.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	other := func(id int64, doc *counter) bool {
		// Somebody else is always faster.
		if _, err := c.Update(t.Context(), []int64{id}, func(_ int64, d *counter) bool { d.Group++; return true }); err != nil {
			t.Error(err)
		}
		doc.Group = -1
		return true
	}
	if _, err := c.Update(ctx, []int64{1}, other); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want the deadline, got %v", err)
	}
}

// TestUpdateReturnsWhatCannotPass expects no retry of an error that will not go away.
func TestUpdateReturnsWhatCannotPass(t *testing.T) {
	c := document.Open[int64, counter](database(t), "counters", document.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	huge := make([]byte, 17<<20)
	_, err := c.Update(ctx, []int64{1}, func(_ int64, doc *counter) bool { doc.Pad = string(huge); return true })
	if err == nil || ctx.Err() != nil {
		t.Errorf("a document beyond 16 MB must be refused at once: %v", err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, plain := range []bool{false, true} {
		for _, batch := range []int{1, 10, 50, 250, 1000} {
			b.Run(fmt.Sprintf("plain=%t/batch=%d", plain, batch), func(b *testing.B) { benchmarkUpdate(b, plain, batch) })
		}
	}
}

func benchmarkUpdate(b *testing.B, plain bool, batch int) {
	c := document.Open[int64, counter](database(b), "counters", document.Config{Plain: plain, Group: batch})
	pad := string(make([]byte, 1500))
	ids := make([]int64, batch)
	fold := func(_ int64, doc *counter) bool { doc.Group++; doc.Pad = pad; return true }
	var n int64
	for b.Loop() {
		for i := range ids {
			ids[i] = (n + int64(i)) % 20000
		}
		n += int64(batch)
		if _, err := c.Update(b.Context(), ids, fold); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "docs/s")
}

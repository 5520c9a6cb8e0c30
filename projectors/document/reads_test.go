package document_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/document"
)

// gate counts the finds of a client and holds them until it is opened.
type gate struct {
	finds atomic.Int64
	let   atomic.Bool // pass from now on
	open  chan struct{}
}

// gated is a collection with ten counters, 1 to 10, behind a gate.
func gated(t *testing.T) (*gate, *mongo.Collection) {
	t.Helper()
	uri, name := stacktest.Mongo(t)
	g := &gate{open: make(chan struct{})}
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetMonitor(&event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if e.CommandName == "find" {
				g.finds.Add(1)
				if !g.let.Load() {
					<-g.open
				}
			}
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) }) // one test has done it
	c := client.Database(name).Collection("counters", document.Durable())
	for id := range int64(10) {
		if _, err := c.InsertOne(t.Context(), counter{ID: id + 1, Group: 7}); err != nil {
			t.Fatal(err)
		}
	}
	return g, c
}

// until waits for as many requests to be at the gate, and as many reads to be in none.
func (g *gate) until(t *testing.T, requests int64, r *document.Reads, waiting int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); g.finds.Load() != requests || r.Waiting() != waiting; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d requests, and %d reads in none; want %d and %d", g.finds.Load(), r.Waiting(), requests, waiting)
		}
	}
}

func TestReadsGoTogether(t *testing.T) {
	const reads = 201
	g, c := gated(t)
	r := document.NewReads(c).Patient()
	var under sync.WaitGroup
	get := func(i int) {
		under.Go(func() {
			id := int64(i%12 + 1) // 11 and 12 there are not
			raw, err := r.Get(t.Context(), id)
			var doc counter
			if err == nil && raw != nil {
				err = bson.Unmarshal(raw, &doc)
			}
			if err != nil || (raw != nil) != (id <= 10) || raw != nil && (doc.ID != id || doc.Group != 7) {
				t.Errorf("document %d: %+v, %v", id, doc, err)
			}
		})
	}
	get(0)
	g.until(t, 1, r, 0)
	for i := range reads - 1 {
		get(i)
	}
	g.until(t, 1, r, reads-1)
	close(g.open)
	under.Wait()
	if n := g.finds.Load(); n != 1+4 {
		t.Errorf("%d reads in %d requests, want 1 alone and the others in 4", reads, n)
	}
}

func TestAReadSeesWhatWasThereBefore(t *testing.T) {
	c := document.Open[int64, counter](database(t), "counters", document.Config{Plain: true})
	var under sync.WaitGroup
	for id := range int64(8) {
		under.Go(func() {
			for n := int64(1); n <= 25; n++ {
				if _, err := c.Update(t.Context(), []int64{id}, tell("a", n)); err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					if doc, err := c.Get(t.Context(), id); err != nil || doc == nil || doc.Seen["a"] != n {
						t.Errorf("after %d: %+v, %v", n, doc, err)
					}
				}
			}
		})
	}
	under.Wait()
}

func TestAReadIsGivenUpAlone(t *testing.T) {
	g, c := gated(t)
	r := document.NewReads(c)
	gone := errors.New("the shopper has left")
	ctx, cancel := context.WithCancelCause(t.Context())
	left, stayed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Get(ctx, int64(1))
		left <- err
	}()
	g.until(t, 1, r, 0)
	go func() {
		raw, err := r.Get(t.Context(), int64(1))
		if err == nil && raw == nil {
			err = errors.New("no document")
		}
		stayed <- err
	}()
	cancel(gone)
	if err := <-left; !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	close(g.open)
	if err := <-stayed; err != nil {
		t.Error(err)
	}
}

func TestAReadDoesNotWaitForOneThatHangs(t *testing.T) {
	g, c := gated(t)
	r := document.NewReads(c).Impatient()
	hangs := r.Ask(int64(1))
	g.until(t, 1, r, 0)
	g.let.Store(true)
	if raw, err := r.Get(t.Context(), int64(2)); err != nil || raw == nil {
		t.Errorf("got %v, %v", raw, err)
	}
	close(g.open)
	if raw, err := hangs.Await(t.Context()); err != nil || raw == nil {
		t.Errorf("got %v, %v", raw, err)
	}
}

func TestWhatFailsFailsForAll(t *testing.T) {
	g, c := gated(t)
	r := document.NewReads(c).Patient()
	var under sync.WaitGroup
	for i := range 20 {
		under.Go(func() {
			if raw, err := r.Get(t.Context(), int64(i)); err == nil || raw != nil {
				t.Errorf("got %v, %v", raw, err)
			}
		})
		if i == 0 {
			g.until(t, 1, r, 0)
		}
	}
	g.until(t, 1, r, 19)
	ended, cancel := context.WithCancel(t.Context())
	cancel() // so that it doesn't wait for the two that are under way
	if err := c.Database().Client().Disconnect(ended); err != nil {
		t.Error(err)
	}
	close(g.open)
	under.Wait()
}

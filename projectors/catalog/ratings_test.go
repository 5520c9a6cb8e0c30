package catalog

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"pgregory.net/rapid"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/document"
)

// nowhere is a publisher that publishes nothing.
type nowhere struct{}

func (nowhere) Products(context.Context, map[int64]*Product) error { return nil }

// TestRatingsOnARealServer hands histories of reviews to projectors that take turns, as workers of two partitions do.
func TestRatingsOnARealServer(t *testing.T) {
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		db := client.Database(fmt.Sprintf("%s_%d", name, run%8))
		if err := db.Drop(context.Background()); err != nil {
			t.Fatal(err)
		}
		events, rows := reviewHistory(t)
		workers := map[int64]*Projector{7: NewProjector(db, document.Config{}, nowhere{}), 8: NewProjector(db, document.Config{}, nowhere{})}
		batches := map[int64][]projectors.Record{}
		for _, ev := range events {
			j, err := readReview(ev)
			if err != nil {
				t.Fatal(err)
			}
			batches[j.product] = append(batches[j.product], record(ev))
		}
		for product, list := range batches {
			for len(list) > 0 {
				n := rapid.IntRange(1, len(list)).Draw(t, "batch")
				if err := workers[product].Handle(context.Background(), list[:n]); err != nil {
					t.Fatal(err)
				}
				list = list[n:]
			}
		}
		docs, err := Open(db, document.Config{}).Load(context.Background(), []int64{7, 8})
		if err != nil {
			t.Fatal(err)
		}
		for id := range batches {
			if got, want := summed(docs[id]), wanted(rows)[id]; got != want {
				t.Fatalf("product %d has %v, the rows say %v", id, got, want)
			}
		}
	})
}

// record is an event as it lies on its topic.
func record(ev change.Event) projectors.Record {
	before, after := "null", "null"
	if ev.Before != nil {
		before = string(ev.Before)
	}
	if ev.After != nil {
		after = string(ev.After)
	}
	return projectors.Record{
		Topic: "p.public.reviews", Key: []byte("{}"),
		Value: []byte(`{"before":` + before + `,"after":` + after + `,"op":"` + string(rune(ev.Op)) + `","source":{"schema":"public","table":"reviews","ts_us":1700000000123456}}`),
		Headers: []change.Header{
			{Key: change.HeaderCommitLSN, Value: []byte(ev.Position.Commit.String())},
			{Key: change.HeaderTxIndex, Value: fmt.Append(nil, ev.Position.Index)},
		},
	}
}

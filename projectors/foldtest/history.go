package foldtest

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"freshet/ingest/change"
)

// InOrder folds the events into the document as they come.
func InOrder[Document any](t *rapid.T, document Document, events []change.Event, fold Fold[Document]) *Document {
	for i, ev := range events {
		if _, err := fold(&document, ev); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	return &document
}

// InBatches does the same, and stores and loads the document between batches: what isn't stored must not matter.
func InBatches[Document any](t *rapid.T, document Document, events []change.Event, fold Fold[Document]) *Document {
	d := &document
	for batch := range slices.Chunk(events, 3) {
		d = stored(t, InOrder(t, *d, batch, fold))
	}
	return d
}

func stored[Document any](t *rapid.T, d *Document) *Document {
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	d = new(Document)
	if err := bson.Unmarshal(raw, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Shuffled draws the events in any order, some of them again.
func Shuffled(t *rapid.T, events []change.Event) []change.Event {
	again := rapid.SliceOfN(rapid.SampledFrom(events), 0, 5).Draw(t, "again")
	return rapid.Permutation(append(slices.Clone(events), again...)).Draw(t, "order")
}

// Redelivered goes back in the events at random, as a worker that takes a partition over goes back in its topic.
func Redelivered(t *rapid.T, events []change.Event) (delivered []change.Event) {
	for next := 0; next < len(events); {
		end := rapid.IntRange(next+1, len(events)).Draw(t, "end")
		delivered = append(delivered, events[rapid.IntRange(0, next).Draw(t, "start"):end]...)
		next = end
	}
	return delivered
}

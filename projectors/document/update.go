package document

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	retryMin = 2 * time.Millisecond
	retryMax = time.Second
	// raceMax bounds the pause after a lost race: whoever won is done in milliseconds.
	raceMax = 50 * time.Millisecond
)

// Update folds into the documents of these ids and stores those that changed. fold gets the document as it was loaded, or
// a new one with only its id set and revision 0, and says whether it changed it; it is called again, with the document
// loaded afresh, for as long as somebody else is faster. The final documents are returned, stored or found unchanged.
//
// It retries lost races and failures that may pass until all is stored or the context ends. A write whose outcome is not
// known is repeated too: a fold takes its own events again without a change.
func (c *Collection[K, T]) Update(ctx context.Context, ids []K, fold func(id K, doc *T) bool) (map[K]*T, error) {
	todo := slices.Compact(slices.Sorted(slices.Values(ids)))
	done := make(map[K]*T, len(todo))
	group, pause := c.config.Group, retryMin
	for len(todo) > 0 {
		n := min(group, len(todo))
		docs, err := c.attempt(ctx, todo[:n], fold)
		if err == nil {
			for _, id := range todo[:n] {
				done[id] = docs[id]
			}
			todo = todo[n:]
			group, pause = min(2*group, c.config.Group), retryMin
			continue
		}
		if !passing(err) {
			return nil, fmt.Errorf("update %d documents of %s: %w", n, c.mongo.Name(), err)
		}
		if !wait(ctx, pause) {
			return nil, fmt.Errorf("update %d documents of %s: %w: last error: %w", n, c.mongo.Name(), context.Cause(ctx), err)
		}
		// Two writers that meet in large groups could defeat each other for ever; of two single swaps one always wins.
		group, pause = max(n/2, 1), min(2*pause, retryMax)
		if lostRace(err) {
			pause = min(pause, raceMax)
		}
	}
	return done, nil
}

// attempt loads, folds and swaps once.
func (c *Collection[K, T]) attempt(ctx context.Context, ids []K, fold func(id K, doc *T) bool) (map[K]*T, error) {
	docs, err := c.held(ctx, ids)
	if err != nil {
		return nil, err
	}
	var changes []Change[T]
	for _, id := range ids {
		doc := docs[id]
		if doc == nil {
			doc = new(T)
			*c.id(doc) = id
			docs[id] = doc
		}
		rev := *c.rev(doc)
		if fold(id, doc) {
			*c.rev(doc) = rev + 1
			changes = append(changes, Change[T]{Doc: doc, Rev: rev})
		}
	}
	if err := c.Swap(ctx, changes); err != nil {
		return nil, err
	}
	for _, ch := range changes {
		c.kept.put(*c.id(ch.Doc), ch.Doc)
	}
	return docs, nil
}

// wait pauses for a while of up to limit, at random so that those who collided don't come back together; it says whether
// the context has not ended.
func wait(ctx context.Context, limit time.Duration) bool {
	timer := time.NewTimer(limit/2 + rand.N(limit/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

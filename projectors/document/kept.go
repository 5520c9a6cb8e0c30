package document

import (
	"cmp"
	"context"
	"sync"
)

// kept holds documents that were last seen, up to so many, the most recently used ones at least half of the time: those of
// the older generation are dropped together when the younger is full. It may be used from any goroutine. A nil one is
// always empty.
type kept[K cmp.Ordered, T any] struct {
	mu         sync.Mutex
	young, old map[K]*T
	most       int
}

func newKept[K cmp.Ordered, T any](most int) *kept[K, T] {
	return &kept[K, T]{young: map[K]*T{}, most: most}
}

// get returns a document, nil if it is not held. Nobody may change it.
func (k *kept[K, T]) get(id K) *T {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if doc := k.young[id]; doc != nil {
		return doc
	}
	doc := k.old[id]
	if doc != nil {
		k.add(id, doc)
	}
	return doc
}

// take returns a document and holds it no longer: it is the caller's.
func (k *kept[K, T]) take(id K) *T {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	doc := k.young[id]
	if doc == nil {
		doc = k.old[id]
	}
	delete(k.young, id)
	delete(k.old, id)
	return doc
}

func (k *kept[K, T]) put(id K, doc *T) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.add(id, doc)
}

func (k *kept[K, T]) add(id K, doc *T) {
	if len(k.young) >= k.most/2 {
		k.young, k.old = make(map[K]*T, k.most/2), k.young
	}
	k.young[id] = doc
}

// Keeping returns the collection with a memory of the last documents that its Update stored, so many of them: Update folds
// into those without loading them first. It is for one who changes the same documents again and again and is mostly alone
// with it; where somebody else has changed one, the swap is refused and the document loaded after all.
//
// What Update returns may then be changed by a later Update, so it is for one goroutine.
func (c *Collection[K, T]) Keeping(most int) *Collection[K, T] {
	keeping := *c
	keeping.kept = newKept[K, T](most)
	return &keeping
}

// held returns what is to be folded into: what is remembered, and all other documents as they are stored. A failure so
// leaves nothing remembered of these ids.
func (c *Collection[K, T]) held(ctx context.Context, ids []K) (map[K]*T, error) {
	docs := make(map[K]*T, len(ids))
	missing := make([]K, 0, len(ids))
	for _, id := range ids {
		if doc := c.kept.take(id); doc != nil {
			docs[id] = doc
			continue
		}
		missing = append(missing, id)
	}
	err := c.load(ctx, missing, docs)
	return docs, err
}

// Reader loads documents that it has most often loaded before, and that seldom change since: it asks for their revisions,
// and for the documents of those alone that have moved on. What it returns is as true as what Load does, a state that the
// document had after the call began; nobody may change it. It may be used from any goroutine.
type Reader[K cmp.Ordered, T any] struct {
	*Collection[K, T]
	seen *kept[K, T]
}

// Reader returns a reader that remembers so many documents.
func (c *Collection[K, T]) Reader(most int) *Reader[K, T] {
	return &Reader[K, T]{c, newKept[K, T](most)}
}

// Load returns the documents of these ids that exist.
func (r *Reader[K, T]) Load(ctx context.Context, ids []K) (map[K]*T, error) {
	docs, known, unknown := make(map[K]*T, len(ids)), make([]K, 0, len(ids)), make([]K, 0, len(ids))
	for _, id := range ids {
		if doc := r.seen.get(id); doc != nil {
			docs[id] = doc
			known = append(known, id)
			continue
		}
		unknown = append(unknown, id)
	}
	revs, err := r.Revisions(ctx, known)
	if err != nil {
		return nil, err
	}
	for _, id := range known {
		if rev, exists := revs[id]; !exists || rev != *r.rev(docs[id]) {
			delete(docs, id)
			unknown = append(unknown, id)
		}
	}
	loaded, err := r.Collection.Load(ctx, unknown)
	if err != nil {
		return nil, err
	}
	for id, doc := range loaded {
		docs[id] = doc
		r.seen.put(id, doc)
	}
	return docs, nil
}

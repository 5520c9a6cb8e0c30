package tree

import (
	"cmp"
	"slices"
)

// rank is what a category's pages need to know of its members: how many there are, and the best in order.
type rank struct {
	count int
	best  []*item // at most NodeCards
}

// compare orders items as pages do: in stock first, then by popularity and boost, then by product id.
func (it *item) compare(other *item) int {
	if it.inStock != other.inStock {
		if it.inStock {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(other.score, it.score); c != 0 {
		return c
	}
	return cmp.Compare(it.product, other.product)
}

// same says whether pages that show the first few look the same. Items are replaced, never changed in what they show, so
// the same items are the same cards.
func (r *rank) same(other *rank, first int) bool {
	if r == nil {
		return false
	}
	return r.count == other.count && slices.Equal(r.best[:min(first, len(r.best))], other.best[:min(first, len(other.best))])
}

// rankOf returns the rank of a category, computing it where it isn't known: one pass over the members of the
// subtree, each counted once however many of its categories it stands in.
func (a *Assortment) rankOf(pl *place) *rank {
	if r := a.ranks[pl.id]; r != nil {
		return r
	}
	a.nextRound()
	r := &rank{}
	pl.each(func(at *place) {
		for _, it := range a.members[at.id] {
			if it.seen == a.round {
				continue
			}
			it.seen = a.round
			r.count++
			r.offer(it)
		}
	})
	a.ranks[pl.id] = r
	return r
}

// offer keeps the item if it is among the best so far.
func (r *rank) offer(it *item) {
	full := len(r.best) == NodeCards
	if full && r.best[NodeCards-1].compare(it) < 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(r.best, it, (*item).compare)
	if full {
		r.best = r.best[:NodeCards-1]
	}
	r.best = slices.Insert(r.best, at, it)
}

// nextRound begins a new count; when the counter wraps, the items of a count long ago must not look counted.
func (a *Assortment) nextRound() {
	a.round++
	if a.round == 0 {
		for _, it := range a.items {
			it.seen = 0
		}
		a.round = 1
	}
}

package tree

import (
	"cmp"
	"slices"
)

// keptBest is how many of a category's best are kept in order: so many may leave before its members must be looked through
// again that this is rare, however large the store is.
const keptBest = 3 * NodeCards

// rank is what a category's pages need to know of its members: how many there are, the best of them in order, and how often
// each facet value occurs. It is kept up with every change. The best are always exactly the first of all members; when all
// are in it, it is as long as the count.
type rank struct {
	place  *place
	count  int
	best   []*item // at most keptBest
	facets map[uint32]int
	spans  map[string]*span // by code
	turns  int              // how often the facets have changed
	shown  shown
}

// shown is what pages were last built from.
type shown struct {
	built bool
	count int
	turns int
	cards []*item
}

// compare orders items as pages do: in stock first, then by popularity and boosts, then by product id.
func (r *rank) compare(a, b *item) int {
	if a.inStock != b.inStock {
		if a.inStock {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(r.score(b), r.score(a)), cmp.Compare(a.product, b.product))
}

// score is the item's with what the category's rules boost it by.
func (r *rank) score(it *item) float64 {
	if factor, ok := r.place.rules.factors[it.product]; ok {
		return millionth(it.score * factor)
	}
	return it.score
}

// swap replaces an item by another, either of which may be nil: then one enters or leaves. Two items are of one product.
func (r *rank) swap(old, next *item) {
	old, next = r.allowed(old), r.allowed(next)
	r.countFacets(old, next)
	r.countMeasures(old, next)
	all := len(r.best) == r.count
	held := false
	if old != nil {
		r.count--
		var at int
		if at, held = slices.BinarySearchFunc(r.best, old, r.compare); held {
			r.best = slices.Delete(r.best, at, at+1)
		}
	}
	if next == nil {
		return
	}
	r.count++
	at, _ := slices.BinarySearchFunc(r.best, next, r.compare)
	// Behind the last of the best come others that we don't know, unless it replaces one that stood before them.
	if at < len(r.best) || all || (held && r.compare(next, old) <= 0) {
		r.best = slices.Insert(r.best, at, next)
		if len(r.best) > keptBest {
			r.best = slices.Delete(r.best, keptBest, len(r.best))
		}
	}
}

// allowed is the item, or nil for one that the category's rules hide.
func (r *rank) allowed(it *item) *item {
	if it == nil || r.place.rules.hidden[it.product] {
		return nil
	}
	return it
}

// short says whether members that nobody has ranked should be among the cards.
func (r *rank) short() bool { return len(r.best) < min(NodeCards, r.count) }

// same says whether pages that show the first few look the same. Items are replaced, never changed in what they show, so
// the same items are the same cards.
func (s *shown) same(now shown, first int) bool {
	return s.built && s.count == now.count && slices.Equal(s.cards[:min(first, len(s.cards))], now.cards[:min(first, len(now.cards))])
}

// show returns what the category's pages are to be built from, and notes that they are.
func (a *Assortment) show(r *rank) shown {
	if r.short() {
		a.rescan(r)
	}
	r.shown = shown{built: true, count: r.count, turns: r.turns, cards: a.front(r)}
	return r.shown
}

// rescan ranks all members of the category's subtree again, each once however many of its categories it stands in.
func (a *Assortment) rescan(r *rank) {
	a.nextRound()
	a.rescans++
	r.best = r.best[:0]
	r.place.each(func(at *place) {
		for _, it := range a.members[at.id] {
			if it.seen != a.round && r.allowed(it) != nil {
				it.seen = a.round
				r.offer(it)
			}
		}
	})
}

// offer keeps the item if it is among the best so far.
func (r *rank) offer(it *item) {
	full := len(r.best) == keptBest
	if full && r.compare(r.best[keptBest-1], it) < 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(r.best, it, r.compare)
	if full {
		r.best = r.best[:keptBest-1]
	}
	r.best = slices.Insert(r.best, at, it)
}

// nextRound begins a new look at members; when the counter wraps, the items of a round long ago must not look seen.
func (a *Assortment) nextRound() {
	a.round++
	if a.round == 0 {
		for _, it := range a.items {
			it.seen = 0
		}
		a.round = 1
	}
}

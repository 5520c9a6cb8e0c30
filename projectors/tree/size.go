package tree

import "unsafe"

// Estimates of what the parts of an assortment occupy, with the allocator's and the map's overhead; the benchmark
// compares their sum with the heap.
const (
	stringSize = 32                                                             // a map entry's share with a short string's slack
	itemSize   = int64(unsafe.Sizeof(item{})) + 40                              // and its entry in items
	slotSize   = int64(unsafe.Sizeof(slot{})) + 2*8                             // and its entry in members, which grow by doubling
	rankSize   = int64(unsafe.Sizeof(rank{})) + 8*keptBest + 8*NodeCards + 1024 // with some dozens of facet values
	textSize   = int64(unsafe.Sizeof(text{}))
	// measureSize counts an entry in the spans of some of the categories above, of which most are shared with others.
	measureSize = int64(unsafe.Sizeof(measure{})) + 32
)

// size estimates the bytes of an item without its slots.
func (it *item) size() int64 {
	n := itemSize + int64(len(it.image)) + int64(len(it.texts))*textSize + 4*int64(len(it.facets)) + measureSize*int64(len(it.measures))
	for i, t := range it.texts {
		if i > 0 && unsafe.StringData(t.title) == unsafe.StringData(it.texts[i-1].title) {
			continue // a fallback shares the bytes
		}
		n += int64(len(t.title) + len(t.slug))
	}
	return n
}

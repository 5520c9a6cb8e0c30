package tree

import (
	"context"
	"fmt"
	"slices"
)

// entry is what a part may end behind: a facet, a card, a child or a section.
type entry[P any] struct {
	value  any
	put    func(part *P)
	listed bool // counts against the most that a part lists
}

// nextSize is more than a part takes to say which is the next.
const nextSize = 32

// divide fills one part after the other with the entries, in order: first, and as many as it takes that begin as more does.
func divide[P page](first, more P, entries []entry[P], limit int) (parts []P, left int, err error) {
	head, err := filled(first)
	if err != nil {
		return nil, 0, err
	}
	blank, err := filled(more)
	if err != nil {
		return nil, 0, err
	}
	whole := limit - nextSize - len(blank.Page)
	part, room, listed := first, limit-nextSize-len(head.Page), 0
	for _, e := range entries {
		raw, err := encode(e.value)
		if err != nil {
			return nil, 0, fmt.Errorf("encode an entry of page %s: %w", blank.ID, err)
		}
		need := len(raw) + 1 // and a comma
		if need > whole {
			left++
			continue
		}
		if need > room || (e.listed && listed == first.most()) {
			parts = append(parts, part)
			part, room, listed = more, whole, 0
		}
		e.put(&part)
		room -= need
		if e.listed {
			listed++
		}
	}
	return append(parts, part), left, nil
}

func (n Node) listed() int { return len(n.Children) }
func (n Node) most() int   { return NodeChildren }

// split keeps the order in which a page is read: facets and cards, then the children.
func (n Node) split(limit int) ([]page, int, error) {
	more := Node{ID: n.ID, Store: n.Store, Category: n.Category, Lang: n.Lang, Children: []Child{}, Cards: []Card{}, Facets: []Facet{}}
	first := n
	first.Children, first.Cards, first.Facets = more.Children, more.Cards, more.Facets
	entries := make([]entry[Node], 0, len(n.Facets)+len(n.Cards)+len(n.Children))
	for _, f := range n.Facets {
		entries = append(entries, entry[Node]{f, func(part *Node) { part.Facets = append(part.Facets, f) }, false})
	}
	for _, c := range n.Cards {
		entries = append(entries, entry[Node]{c, func(part *Node) { part.Cards = append(part.Cards, c) }, false})
	}
	for _, c := range n.Children {
		entries = append(entries, entry[Node]{c, func(part *Node) { part.Children = append(part.Children, c) }, true})
	}
	parts, left, err := divide(first, more, entries, limit)
	pages := make([]page, len(parts))
	for i, part := range parts {
		part.ID, part.Part, part.Next = PartID(n.ID, i+1), i+1, following(i, len(parts))
		pages[i] = part
	}
	return pages, left, err
}

func (h Home) listed() int { return len(h.Categories) }
func (h Home) most() int   { return HomeSections }

func (h Home) split(limit int) ([]page, int, error) {
	more := Home{ID: h.ID, Store: h.Store, Lang: h.Lang, Categories: []Section{}}
	entries := make([]entry[Home], len(h.Categories))
	for i, s := range h.Categories {
		entries[i] = entry[Home]{s, func(part *Home) { part.Categories = append(part.Categories, s) }, true}
	}
	parts, left, err := divide(more, more, entries, limit)
	pages := make([]page, len(parts))
	for i, part := range parts {
		part.ID, part.Part, part.Next = PartID(h.ID, i+1), i+1, following(i, len(parts))
		pages[i] = part
	}
	return pages, left, err
}

// following is the number of the part behind the i-th, counted from 0.
func following(i, parts int) int {
	if i+1 < parts {
		return i + 2
	}
	return 0
}

// Part is a Home or a Node, whole or a part of one.
type Part[P any] interface {
	// Stored returns the _id, and whether it is no tombstone.
	Stored() (id string, live bool)
	with(next P) P
	number() (part, next int)
}

// Stored implements Part.
func (n Node) Stored() (id string, live bool) { return n.ID, !n.Deleted }

// Stored implements Part.
func (h Home) Stored() (id string, live bool) { return h.ID, !h.Deleted }

func (n Node) number() (part, next int) { return n.Part, n.Next }
func (h Home) number() (part, next int) { return h.Part, h.Next }

func (n Node) with(next Node) Node {
	n.Children, n.Cards = append(slices.Clip(n.Children), next.Children...), append(slices.Clip(n.Cards), next.Cards...)
	n.Facets, n.Next = append(slices.Clip(n.Facets), next.Facets...), next.Next
	return n
}

func (h Home) with(next Home) Home {
	h.Categories, h.Next = append(slices.Clip(h.Categories), next.Categories...), next.Next
	return h
}

// Join puts the parts of a page, of which there is at least one, together again, in whatever order they are. It fails if
// they are not one chain from the first to the last.
func Join[P Part[P]](parts []P) (whole P, err error) {
	parts = slices.SortedFunc(slices.Values(parts), func(a, b P) int {
		m, _ := a.number()
		n, _ := b.number()
		return m - n
	})
	for i, p := range parts {
		if number, next := p.number(); number != i+1 || next != following(i, len(parts)) {
			return whole, fmt.Errorf("part %d of %d calls itself %d and the next one %d", i+1, len(parts), number, next)
		}
		if i == 0 {
			whole = p
		} else {
			whole = whole.with(p)
		}
	}
	return whole, nil
}

// WholeNode returns a category's page with all its parts, by one read of each. They may be of different instants.
func (s *Store) WholeNode(ctx context.Context, store, category int64, lang string) (Node, error) {
	return whole(func(part int) (Node, error) { return s.Node(ctx, store, category, lang, part) })
}

// WholeHome returns a store's home page with all its parts, by one read of each. They may be of different instants.
func (s *Store) WholeHome(ctx context.Context, store int64, lang string) (Home, error) {
	return whole(func(part int) (Home, error) { return s.Home(ctx, store, lang, part) })
}

func whole[P Part[P]](read func(part int) (P, error)) (P, error) {
	page, err := read(1)
	for at := 2; err == nil; at++ {
		if _, next := page.number(); next != at { // 0 behind the last
			break
		}
		var more P
		if more, err = read(at); err == nil {
			page = page.with(more)
		}
	}
	return page, err
}

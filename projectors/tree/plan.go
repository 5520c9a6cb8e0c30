package tree

import (
	"maps"
	"slices"

	"freshet/projectors/dimension"
)

// dimensions is the part of dimension.Set that a tree is made of.
type dimensions interface {
	Version() int64
	Store(id int64) (dimension.Store, bool)
	Children(treeID int64, parentID *int64) []dimension.Category
	CategoryName(categoryID int64, langs ...string) string
	Attributes() []dimension.Attribute
	Rules() []dimension.Rule
}

// plan is what the dimensions say of one store: its languages, its facets and its shown categories with
// their rules. It is a copy of that small part, not a
// reference to the Set, so that every page of a store is made from one version of the dimensions and a store that nobody
// touches doesn't keep an old Set in memory. An inactive or unknown store has an empty plan.
type plan struct {
	store  int64
	langs  []string          // as the store lists them
	facets map[string]string // kind by code
	places map[int64]*place
	top    []*place // the shown categories without a parent, in order
}

// place is a shown category in the tree.
type place struct {
	id       int64
	slug     string
	names    []string // per language of the plan
	parent   *place
	children []*place // shown ones, in order
	rules    rules
}

// newPlan copies what concerns the store out of the dimensions.
func newPlan(dims dimensions, store int64) *plan {
	p := &plan{store: store, places: map[int64]*place{}}
	s, ok := dims.Store(store)
	if !ok || !s.Active {
		return p
	}
	for _, lang := range s.Languages {
		if !slices.Contains(p.langs, lang) {
			p.langs = append(p.langs, lang)
		}
	}
	p.facets = facetKinds(dims.Attributes())
	p.top = p.descend(dims, s.TreeID, nil)
	byCategory := rulesOf(dims, store)
	for id, pl := range p.places {
		pl.rules = byCategory[id].and(byCategory[0])
	}
	return p
}

// descend takes the active children of a category (of the tree itself when parent is nil) and all that is shown below. It
// walks from the root, so rows that form a circle are never reached.
func (p *plan) descend(dims dimensions, tree int64, parent *place) []*place {
	var parentID *int64
	if parent != nil {
		parentID = &parent.id
	}
	var shown []*place
	for _, c := range dims.Children(tree, parentID) {
		if !c.Active {
			continue
		}
		at := &place{id: c.ID, slug: c.Slug, parent: parent}
		for _, lang := range p.langs {
			at.names = append(at.names, dims.CategoryName(c.ID, lang))
		}
		p.places[c.ID] = at
		at.children = p.descend(dims, tree, at)
		shown = append(shown, at)
	}
	return shown
}

// open says whether the store has pages at all.
func (p *plan) open() bool { return len(p.langs) > 0 }

// path returns the places from the root to pl, which is the last.
func (pl *place) path() []*place {
	var up []*place
	for at := pl; at != nil; at = at.parent {
		up = append(up, at)
	}
	slices.Reverse(up)
	return up
}

// each calls f for the place and all below.
func (pl *place) each(f func(*place)) {
	f(pl)
	for _, c := range pl.children {
		c.each(f)
	}
}

// sameItems says whether items made under one plan serve the other.
func (p *plan) sameItems(q *plan) bool {
	return slices.Equal(p.langs, q.langs) && maps.Equal(p.facets, q.facets)
}

// sameShape says whether the same categories stand in the same places, under the same rules: then the ranks of one plan serve
// the other, whatever the categories are called.
func (p *plan) sameShape(q *plan) bool {
	if len(p.places) != len(q.places) {
		return false
	}
	for id, pl := range p.places {
		other := q.places[id]
		if other == nil || pl.parentID() != other.parentID() || !pl.rules.equal(other.rules) {
			return false
		}
	}
	return true
}

// parentID is 0 at the top.
func (pl *place) parentID() int64 {
	if pl.parent == nil {
		return 0
	}
	return pl.parent.id
}

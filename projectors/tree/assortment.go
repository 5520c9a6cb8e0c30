package tree

import (
	"encoding/json"
	"slices"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
	"freshet/projectors/view"
)

// Assortment is the compact state of one store: what its pages show of each offer, and which offers stand in which
// category. It is pure: Apply takes views in any order and any number of times and ends in the same state, and the
// builders read it together with the plan. One worker owns it.
type Assortment struct {
	plan    *plan
	items   map[int64]*item
	members map[int64][]*item // visible offers that stand in the category itself
	ranks   map[int64]*rank   // of every category of the plan
	marked  map[int64]bool    // categories whose rank may have changed since pages were last built
	changed map[int64]bool    // categories whose pages are to be built
	home    bool              // the home pages are to be built
	brands  map[string]string // one copy of each name
	numbers map[facetValue]uint32
	values  []facetValue      // by number
	source  change.Provenance // newest of the views applied
	round   uint32            // of the last look through members
	rescans int               // how often members were looked through since the handler last asked
	bytes   int64
}

// item is one offer. Of one that can't be seen only the version is kept: a late older view must not bring it back.
type item struct {
	version  int64
	product  int64
	visible  bool
	inStock  bool
	lowStock bool
	seen     uint32 // the round that counted it last
	price    int64
	list     int64
	score    float64
	rating   float64
	reviews  int64
	image    string
	brand    string
	facets   []uint32
	measures []measure
	texts    []text // per language of the plan
	places   []slot
}

// text is what a card is called in one language.
type text struct{ title, slug string }

// slot is the place of an item in the members of a category.
type slot struct {
	category int64
	at       int
}

func newAssortment(p *plan) *Assortment {
	a := &Assortment{
		items: map[int64]*item{}, members: map[int64][]*item{}, brands: map[string]string{},
		numbers: map[facetValue]uint32{}, ranks: map[int64]*rank{},
		marked: map[int64]bool{}, changed: map[int64]bool{},
	}
	a.replan(p)
	return a
}

// replan takes other dimensions: every page is to be built. Items made under the plan before must serve the new one.
func (a *Assortment) replan(p *plan) {
	grown := a.plan != nil && p.sameShape(a.plan)
	a.plan, a.home = p, true
	if grown {
		for id, r := range a.ranks {
			r.place = p.places[id]
		}
	} else {
		a.grow()
	}
	clear(a.marked)
	clear(a.changed)
	for id := range p.places {
		a.changed[id] = true
	}
}

// grow ranks all items anew.
func (a *Assortment) grow() {
	a.bytes -= int64(len(a.ranks)) * rankSize
	clear(a.ranks)
	for id, pl := range a.plan.places {
		a.ranks[id] = &rank{place: pl, facets: map[uint32]int{}, spans: map[string]*span{}}
	}
	a.bytes += int64(len(a.ranks)) * rankSize
	for _, it := range a.items {
		for _, pl := range a.above(it) {
			a.ranks[pl.id].swap(nil, it)
		}
	}
}

// Apply takes a view in, if none newer was taken before, and marks the categories whose pages it may change: those the
// offer stood in and stands in now, and all above. It says whether the view was taken.
//
// An equal version is taken again and marks its categories: it is a re-delivery, and marking costs a comparison where not
// marking could cost a page. A newer view that changes nothing a page shows marks nothing; most changes of stock are such.
func (a *Assortment) Apply(v *view.Offer) bool {
	old := a.items[v.Product]
	if old != nil && v.Version < old.version && !failpoint.Enabled("ignore-version") {
		return false
	}
	a.source = a.source.Newest(v.Source)
	next, categories := a.item(v)
	if old != nil && old.version < next.version && old.shows(next, categories) {
		old.version = next.version
		return true
	}
	var left []*place
	if old != nil {
		left = a.above(old)
		a.withdraw(old)
	}
	a.items[v.Product] = next
	a.bytes += next.size()
	a.enter(next, categories)
	for _, pl := range a.above(next) {
		if i := slices.Index(left, pl); i >= 0 {
			left = slices.Delete(left, i, i+1)
			a.ranks[pl.id].swap(old, next)
		} else {
			a.ranks[pl.id].swap(nil, next)
		}
		a.marked[pl.id] = true
	}
	if failpoint.Enabled("forget-withdraw") {
		return true
	}
	for _, pl := range left {
		a.ranks[pl.id].swap(old, nil)
		a.marked[pl.id] = true
	}
	return true
}

// above lists the categories that the item stands in or below, each once.
func (a *Assortment) above(it *item) []*place {
	var list []*place
	for _, s := range it.places {
		for at := a.plan.places[s.category]; at != nil && !slices.Contains(list, at); at = at.parent {
			list = append(list, at)
			if failpoint.Enabled("forget-ancestors") {
				break
			}
		}
	}
	return list
}

// enter makes the item a member of the categories.
func (a *Assortment) enter(it *item, categories []int64) {
	for _, c := range categories {
		it.places = append(it.places, slot{c, len(a.members[c])})
		a.members[c] = append(a.members[c], it)
		a.bytes += slotSize
	}
}

// withdraw takes the item out of its categories. The last member takes the free slot.
func (a *Assortment) withdraw(it *item) {
	for _, s := range it.places {
		list := a.members[s.category]
		last := list[len(list)-1]
		list[s.at] = last
		for i := range last.places {
			if last.places[i].category == s.category {
				last.places[i].at = s.at
			}
		}
		list[len(list)-1] = nil
		a.members[s.category] = list[:len(list)-1]
		a.bytes -= slotSize
	}
	it.places = nil
	a.bytes -= it.size()
}

// settle notes which pages the marked categories change: their own where other members, other best ones or other facets are
// to be shown, and that of the parent, which shows how many there are. Most changes are of offers that are among the best of
// nothing, and build no page.
func (a *Assortment) settle() {
	for id := range a.marked {
		r := a.ranks[id]
		old := r.shown
		now := old
		if !old.built || !failpoint.Enabled("keep-ranks") {
			now = a.show(r)
		}
		if old.same(now, NodeCards) && old.turns == now.turns {
			continue
		}
		a.changed[id] = true
		if r.place.parent == nil {
			a.home = a.home || !old.same(now, HomeCards)
		} else if !old.built || old.count != now.count {
			a.changed[r.place.parent.id] = true
		}
	}
	clear(a.marked)
}

// clean forgets which pages are to be built, once they are stored.
func (a *Assortment) clean() {
	clear(a.changed)
	a.home = false
}

// item makes an item of a view, and the categories it is to enter.
func (a *Assortment) item(v *view.Offer) (*item, []int64) {
	it := &item{version: v.Version, product: v.Product}
	if !v.Visible || v.Deleted {
		return it, nil
	}
	it.visible, it.inStock = true, v.InStock()
	it.lowStock = slices.ContainsFunc(v.Variants, func(x view.Variant) bool { return x.LowStock })
	it.price, it.list = v.Price, v.ListPrice
	it.score = millionth(v.Popularity * v.Boost)
	it.facets, it.measures = a.facets(v)
	it.rating, it.reviews = v.Reviews.Rating(), v.Reviews.Count
	it.image, it.brand = firstImage(v.Images), a.intern(v.BrandName)
	it.texts = make([]text, len(a.plan.langs))
	for i, lang := range a.plan.langs {
		t := v.TextIn(lang)
		it.texts[i] = text{t.Title, t.Slug}
	}
	categories := make([]int64, 0, len(v.Categories))
	for _, c := range v.Categories {
		categories = append(categories, c.ID)
	}
	slices.Sort(categories)
	return it, slices.Compact(categories)
}

func (a *Assortment) intern(s string) string {
	if known, ok := a.brands[s]; ok {
		return known
	}
	a.brands[s] = s
	a.bytes += stringSize + int64(len(s))
	return s
}

// shows says whether the item already shows what next will, in the same categories and at the same rank.
func (it *item) shows(next *item, categories []int64) bool {
	if it.visible != next.visible || it.inStock != next.inStock || it.lowStock != next.lowStock || it.price != next.price ||
		it.list != next.list || it.rating != next.rating || it.reviews != next.reviews || it.score != next.score || it.image != next.image || it.brand != next.brand ||
		len(it.places) != len(categories) || !slices.Equal(it.facets, next.facets) || !slices.Equal(it.measures, next.measures) || !slices.Equal(it.texts, next.texts) {
		return false
	}
	for i, s := range it.places { // places are in the order of categories, which is by id
		if s.category != categories[i] {
			return false
		}
	}
	return true
}

// firstImage returns the url of the first image, "" when there is none. The column is free-form JSON: what is no list of
// objects with a url shows no image, nor does a url that would be most of a page.
func firstImage(images json.RawMessage) string {
	if len(images) == 0 {
		return ""
	}
	var list []struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal(images, &list); err != nil || len(list) == 0 || len(list[0].URL) > maxImage {
		return ""
	}
	return list[0].URL
}

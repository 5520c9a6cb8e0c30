package dimension

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Rows are the rows a Set is made of, in any order.
type Rows struct {
	Stores     []Store
	Categories []Category
	Texts      []CategoryText
	Brands     []Brand
	Sellers    []Seller
	Attributes []Attribute
	Synonyms   []Synonyms
	Rules      []Rule
	Facets     []Facets
	Banners    []Banner
	Forms      map[string][]Form // by the id of the document, of rows that are gone too
}

// Set is the dimensions as they were when it was loaded. It never changes; what its methods return is shared with every
// other caller and must not be changed either.
//
// Rows arrive in any order, so a Set may hold a text without its category, a category without its parent, or for a moment
// even a cycle of parents: such categories are simply not shown.
type Set struct {
	freshness Freshness

	stores     map[int64]Store
	codes      map[string]int64
	storeList  []Store
	categories map[int64]Category
	children   map[place][]Category
	slugs      map[slugKey]int64
	shown      map[int64]bool
	names      map[int64][]CategoryText
	brands     map[int64]Brand
	sellers    map[int64]Seller
	attributes map[string]Attribute
	registry   []Attribute
	labels     map[string]map[string]string // by attribute and language
	brandList  []Brand
	synonyms   []Synonyms
	rules      []Rule
	facets     map[facetsKey]Facets
	banners    []Banner
	forms      map[string][]Form
}

// place is where a category stands: its tree and, if it has one, its parent.
type place struct {
	tree, parent int64
	top          bool
}

type slugKey struct {
	tree int64
	slug string
}

// facetsKey is the store and the category of a row of search_facets, 0 for none.
type facetsKey struct{ store, category int64 }

func orZero(id *int64) int64 {
	if id == nil {
		return 0
	}
	return *id
}

// NewSet makes the Set of the rows.
func NewSet(version int64, rows Rows) *Set {
	s := &Set{
		freshness: Freshness{Version: version, Loaded: time.Now()},
		stores:    make(map[int64]Store, len(rows.Stores)),
		codes:     make(map[string]int64, len(rows.Stores)),
		names:     make(map[int64][]CategoryText),
		brands:    byKey(rows.Brands, func(b Brand) int64 { return b.ID }),
		sellers:   byKey(rows.Sellers, func(s Seller) int64 { return s.ID }),

		attributes: byKey(rows.Attributes, func(a Attribute) string { return a.Code }),
		registry:   sorted(rows.Attributes, func(a Attribute) string { return a.Code }),
		labels:     make(map[string]map[string]string, len(rows.Attributes)),
		storeList:  sorted(rows.Stores, func(s Store) int64 { return s.ID }),
		brandList:  sorted(rows.Brands, func(b Brand) int64 { return b.ID }),
		synonyms:   sorted(rows.Synonyms, func(s Synonyms) int64 { return s.ID }),
		rules:      sorted(rows.Rules, func(r Rule) int64 { return r.ID }),
		facets:     make(map[facetsKey]Facets, len(rows.Facets)),
		forms:      rows.Forms,
		banners:    sorted(rows.Banners, func(b Banner) int64 { return b.ID }),
	}
	for _, a := range s.registry {
		s.labels[a.Code] = a.labels()
	}
	for _, st := range s.storeList {
		s.stores[st.ID] = st
		s.codes[st.Code] = st.ID
	}
	for _, t := range rows.Texts {
		s.names[t.CategoryID] = append(s.names[t.CategoryID], t)
	}
	for _, texts := range s.names {
		slices.SortFunc(texts, func(a, b CategoryText) int { return cmp.Compare(a.Lang, b.Lang) })
	}
	for _, f := range sorted(rows.Facets, func(f Facets) int64 { return -f.ID }) { // of two rows that swap, the lower id stays
		if f.Active {
			s.facets[facetsKey{orZero(f.StoreID), orZero(f.CategoryID)}] = f
		}
	}
	s.grow(rows.Categories)
	return s
}

// grow builds the trees.
func (s *Set) grow(categories []Category) {
	s.categories = byKey(categories, func(c Category) int64 { return c.ID })
	s.children = make(map[place][]Category, len(categories))
	s.slugs = make(map[slugKey]int64, len(categories))
	s.shown = make(map[int64]bool, len(categories))
	ordered := slices.SortedFunc(slices.Values(categories), func(a, b Category) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.ID, b.ID))
	})
	for _, c := range ordered {
		p := placeOf(c.TreeID, c.ParentID)
		s.children[p] = append(s.children[p], c)
		// Two rows that swap their slugs arrive one after the other; until then the lower id keeps the slug.
		key := slugKey{c.TreeID, c.Slug}
		if id, taken := s.slugs[key]; !taken || c.ID < id {
			s.slugs[key] = c.ID
		}
	}
	for p, top := range s.children {
		if p.top {
			s.show(top)
		}
	}
}

// show marks the active categories of the list and what is active below them. It starts at the tops of the trees, so that
// a cycle is never entered.
func (s *Set) show(list []Category) {
	for _, c := range list {
		if c.Active {
			s.shown[c.ID] = true
			s.show(s.children[placeOf(c.TreeID, &c.ID)])
		}
	}
}

func placeOf(tree int64, parent *int64) place {
	if parent == nil {
		return place{tree: tree, top: true}
	}
	return place{tree: tree, parent: *parent}
}

func byKey[K comparable, V any](rows []V, key func(V) K) map[K]V {
	m := make(map[K]V, len(rows))
	for _, r := range rows {
		m[key(r)] = r
	}
	return m
}

func sorted[K cmp.Ordered, V any](rows []V, key func(V) K) []V {
	return slices.SortedFunc(slices.Values(rows), func(a, b V) int { return cmp.Compare(key(a), key(b)) })
}

// Version is the version of the dimensions that the Set holds at least; it may hold some of the next ones' rows too.
func (s *Set) Version() int64 { return s.freshness.Version }

// Freshness says how far the Set is.
func (s *Set) Freshness() Freshness { return s.freshness }

// Store returns a store by its id.
func (s *Set) Store(id int64) (Store, bool) { st, ok := s.stores[id]; return st, ok }

// StoreNamed returns the store that people call by this name, its id or its code. A name of digits is an id first.
func (s *Set) StoreNamed(name string) (Store, bool) {
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		if st, ok := s.Store(id); ok {
			return st, true
		}
	}
	return s.Store(s.codes[name])
}

// Stores returns all stores by id, the inactive ones too.
func (s *Set) Stores() []Store { return s.storeList }

// Brand returns a brand by its id.
func (s *Set) Brand(id int64) (Brand, bool) { b, ok := s.brands[id]; return b, ok }

// Seller returns a seller by its id.
func (s *Set) Seller(id int64) (Seller, bool) { v, ok := s.sellers[id]; return v, ok }

// Attribute returns an attribute's definition by its code.
func (s *Set) Attribute(code string) (Attribute, bool) { a, ok := s.attributes[code]; return a, ok }

// Label is what an attribute is called: in the language, else in English, else by its code.
func (s *Set) Label(code, lang string) string {
	labels := s.labels[code]
	return cmp.Or(labels[lang], labels["en"], code)
}

// Attributes returns all attribute definitions by code.
func (s *Set) Attributes() []Attribute { return s.registry }

// Brands returns all brands by id.
func (s *Set) Brands() []Brand { return s.brandList }

// Synonyms returns all rows of synonyms by id, the inactive ones too.
func (s *Set) Synonyms() []Synonyms { return s.synonyms }

// Rules returns all merchandising rules by id, the inactive ones too.
func (s *Set) Rules() []Rule { return s.rules }

// Banners returns all banners by id, the inactive ones too.
func (s *Set) Banners() []Banner { return s.banners }

// Facets returns which facets a store's pages of a category show, in their order; 0 for pages of no category. It is the
// nearest row on the way up the tree, the store's own before one for every store; nil where nobody said.
func (s *Set) Facets(store, category int64) []string {
	path := s.Path(category)
	for i := len(path); i >= 0; i-- {
		at := int64(0)
		if i > 0 {
			at = path[i-1].ID
		}
		for _, k := range []facetsKey{{store, at}, {0, at}} {
			if f, ok := s.facets[k]; ok {
				return f.Facets
			}
		}
	}
	return nil
}

package tree

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/ingest/change"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// world is dimensions by hand. It is also a source: what is refreshed is what it says now.
type world struct {
	version    int64
	stores     map[int64]dimension.Store
	categories map[int64]dimension.Category
	names      map[int64]map[string]string
}

func (w *world) Get() dimensions               { return w }
func (w *world) Refresh(context.Context) error { return nil }
func (w *world) Version() int64                { return w.version }

func (w *world) Store(id int64) (dimension.Store, bool) {
	s, ok := w.stores[id]
	return s, ok
}

func (w *world) Children(tree int64, parent *int64) []dimension.Category {
	var list []dimension.Category
	for _, c := range w.categories {
		if c.TreeID == tree && (c.ParentID == nil) == (parent == nil) && (parent == nil || *c.ParentID == *parent) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b dimension.Category) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func (w *world) CategoryName(id int64, langs ...string) string {
	for _, lang := range append(langs, "en") {
		if n := w.names[id][lang]; n != "" {
			return n
		}
	}
	return w.categories[id].Slug
}

// put adds or changes a category; parent 0 is none.
func (w *world) put(id, parent, position int64, active bool, name string) {
	c := dimension.Category{ID: id, TreeID: 1, Position: position, Slug: fmt.Sprintf("c%d", id), Active: active}
	if parent != 0 {
		c.ParentID = &parent
	}
	w.categories[id] = c
	w.names[id] = map[string]string{"it": name}
	w.version++
}

// newWorld is store 7 in Italian and German with the tree 1 > (11 > 111, 12), 2.
func newWorld() *world {
	w := &world{
		stores: map[int64]dimension.Store{
			7: {ID: 7, Code: "centro", Languages: []string{"it", "de"}, TreeID: 1, Active: true},
		},
		categories: map[int64]dimension.Category{}, names: map[int64]map[string]string{},
	}
	w.put(1, 0, 0, true, "Alimentari")
	w.put(2, 0, 1, true, "Casa")
	w.put(11, 1, 1, true, "Pasta")
	w.put(12, 1, 0, true, "Pane")
	w.put(111, 11, 0, true, "Spaghetti")
	return w
}

// offering returns a view that is seen, of version 1.
func offering(product int64, categories ...int64) *view.Offer {
	v := &view.Offer{
		Version: 1, Store: 7, Product: product, Visible: true, Boost: 1, Popularity: float64(product), BrandName: "Mulino",
		Price: 100 + product, ListPrice: 200 + product, Available: 5,
		Texts:    []view.Text{{Lang: "it", Title: fmt.Sprintf("Prodotto %d", product), Slug: fmt.Sprintf("prodotto-%d", product)}},
		Variants: []view.Variant{{SKU: "a"}},
		Images:   json.RawMessage(`[{"url":"https://img.example/1.jpg","alt":""},{"url":"https://img.example/2.jpg"}]`),
	}
	for _, c := range categories {
		v.Categories = append(v.Categories, view.Category{ID: c})
	}
	return v
}

// shelf is what the collections would hold.
type shelf map[string]page

// store puts the state's changes on the shelf, as a writer does, and returns how many there were.
func (s shelf) store(st *state) (int, error) {
	writes, _, err := st.changes(false)
	if err != nil {
		return 0, err
	}
	for _, w := range writes {
		if w.doc.Hash == noPage {
			delete(s, w.doc.ID)
		} else if s[w.doc.ID], err = opened(w.doc); err != nil {
			return 0, err
		}
		w.of.stored[w.key] = w.doc.Hash
	}
	st.done()
	return len(writes), nil
}

// opened is the page in a sheet, less what is not of its content.
func opened(s sheet) (page, error) {
	s.Ver, s.Hash, s.Source = 0, 0, change.Provenance{}
	raw, err := bson.Marshal(s)
	if err != nil {
		return nil, err
	}
	if s.Category == 0 {
		var h Home
		return unmarshalled(&h, bson.Unmarshal(raw, &h))
	}
	var n Node
	return unmarshalled(&n, bson.Unmarshal(raw, &n))
}

func unmarshalled[P page](p *P, err error) (page, error) { return *p, err }

func newState(w *world, store int64) *state {
	return &state{Assortment: newAssortment(newPlan(w, store)), stored: map[key]int64{}}
}

// scratch builds all pages of a store from the newest view of each offer, in the plainest way: it shares no code with the
// assortment.
func scratch(w *world, store int64, newest map[int64]*view.Offer) shelf {
	pages := shelf{}
	s, ok := w.stores[store]
	if !ok || !s.Active {
		return pages
	}
	for _, lang := range s.Languages {
		home := Home{ID: HomeID(store, lang), Store: store, Lang: lang, Categories: []Section{}}
		for _, top := range w.Children(s.TreeID, nil) {
			if !top.Active {
				continue
			}
			n := w.grow(pages, store, lang, top, nil, newest)
			home.Categories = append(home.Categories, Section{n.Category, n.Slug, n.Name, n.Count, n.Cards[:min(8, len(n.Cards))]})
		}
		pages[home.ID] = home
	}
	return pages
}

func (w *world) grow(pages shelf, store int64, lang string, c dimension.Category, above []Crumb, newest map[int64]*view.Offer) Node {
	n := Node{
		ID: NodeID(store, c.ID, lang), Store: store, Category: c.ID, Lang: lang, Slug: c.Slug, Name: w.CategoryName(c.ID, lang),
		Children: []Child{}, Cards: []Card{},
	}
	n.Breadcrumbs = append(slices.Clone(above), Crumb{c.ID, n.Slug, n.Name})
	for _, child := range w.Children(c.TreeID, &c.ID) {
		if child.Active {
			k := w.grow(pages, store, lang, child, n.Breadcrumbs, newest)
			n.Children = append(n.Children, Child{k.Category, k.Slug, k.Name, k.Count})
		}
	}
	var members []*view.Offer
	for _, v := range newest {
		if v.Visible && slices.ContainsFunc(v.Categories, func(x view.Category) bool { return w.below(x.ID, c.ID) }) {
			members = append(members, v)
		}
	}
	score := func(v *view.Offer) float64 { return math.Round(v.Popularity*v.Boost*1e6) / 1e6 }
	slices.SortFunc(members, func(a, b *view.Offer) int {
		if a.InStock() != b.InStock() {
			return map[bool]int{true: -1, false: 1}[a.InStock()]
		}
		return cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(a.Product, b.Product))
	})
	n.Count = len(members)
	for _, v := range members[:min(24, len(members))] {
		t := v.TextIn(lang)
		card := Card{Product: v.Product, Title: t.Title, Slug: t.Slug, Price: v.Price, ListPrice: v.ListPrice, Brand: v.BrandName, InStock: v.Available > 0}
		card.Rating, card.Reviews = v.Reviews.Rating(), v.Reviews.Count
		for _, va := range v.Variants {
			card.LowStock = card.LowStock || va.LowStock
		}
		var images []map[string]string
		if json.Unmarshal(v.Images, &images) == nil && len(images) > 0 {
			card.Image = images[0]["url"]
		}
		n.Cards = append(n.Cards, card)
	}
	pages[n.ID] = n
	return n
}

// below says whether the category is shown and stands in or below the other.
func (w *world) below(id, other int64) bool {
	found := false
	for {
		c, ok := w.categories[id]
		if !ok || !c.Active {
			return false
		}
		found = found || id == other
		if c.ParentID == nil {
			return found
		}
		id = *c.ParentID
	}
}

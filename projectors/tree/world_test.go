package tree

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
	attributes []dimension.Attribute
	rules      []dimension.Rule
}

func (w *world) Get() dimensions               { return w }
func (w *world) Refresh(context.Context) error { return nil }
func (w *world) Version() int64                { return w.version }
func (w *world) Rules() []dimension.Rule       { return w.rules }

func (w *world) Attributes() []dimension.Attribute { return w.attributes }

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
		attributes: []dimension.Attribute{
			{Code: "colour", Kind: "keyword", Facet: true},
			{Code: "organic", Kind: "boolean", Facet: true},
			{Code: "note", Kind: "keyword"},
			{Code: "weight", Kind: "number", Facet: true},
		},
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
		home := Home{ID: HomeID(store, lang), Store: store, Lang: lang, Part: 1, Categories: []Section{}}
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
		ID: NodeID(store, c.ID, lang), Store: store, Category: c.ID, Lang: lang, Part: 1, Slug: c.Slug, Name: w.CategoryName(c.ID, lang),
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
	pins := w.ruled(store, c.ID, dimension.ActionPin)
	for _, rule := range w.ruled(store, c.ID, dimension.ActionHide) {
		members = slices.DeleteFunc(members, func(v *view.Offer) bool { return v.Product == rule.ProductID })
	}
	score := func(v *view.Offer) float64 {
		score := math.Round(v.Popularity*v.Boost*1e6) / 1e6
		boosts := w.ruled(store, c.ID, dimension.ActionBoost)
		if boosts = slices.DeleteFunc(boosts, func(r dimension.Rule) bool { return r.ProductID != v.Product }); len(boosts) > 0 {
			factor := 1.0
			for _, r := range boosts {
				factor *= *r.Factor
			}
			score = math.Round(score*factor*1e6) / 1e6
		}
		return score
	}
	slices.SortFunc(members, func(a, b *view.Offer) int {
		if a.InStock() != b.InStock() {
			return map[bool]int{true: -1, false: 1}[a.InStock()]
		}
		return cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(a.Product, b.Product))
	})
	n.Count = len(members)
	n.Facets = w.tally(members)
	members = moveUp(members, pins)
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

// ruled lists the rules of an action for a category's page: pins by place and id.
func (w *world) ruled(store, category int64, action string) []dimension.Rule {
	var list []dimension.Rule
	for _, r := range w.rules {
		if r.Active && r.Action == action && r.Query == nil && (r.StoreID == nil || *r.StoreID == store) && (r.CategoryID == nil || *r.CategoryID == category) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b dimension.Rule) int {
		if action != dimension.ActionPin {
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Or(cmp.Compare(*a.Place, *b.Place), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// moveUp puts pinned offers that can be had at their places, one after the other.
func moveUp(members []*view.Offer, pins []dimension.Rule) []*view.Offer {
	var pinned []*view.Offer
	var places []int
	for _, pin := range pins {
		i := slices.IndexFunc(members, func(v *view.Offer) bool { return v.Product == pin.ProductID && v.InStock() })
		if i < 0 {
			continue
		}
		pinned, places = append(pinned, members[i]), append(places, int(*pin.Place)-1)
		members = slices.Delete(slices.Clone(members), i, i+1)
	}
	for i, v := range pinned {
		at := places[i]
		if i > 0 {
			at = max(at, places[i-1]+1)
		}
		places[i] = at
		members = slices.Insert(slices.Clone(members), min(at, len(members)), v)
	}
	return members
}

// tally counts facet values by asking each offer for each of them.
func (w *world) tally(members []*view.Offer) []Facet {
	list := []Facet{}
	total := map[string]int{}
	for _, code := range []string{"colour", "organic"} {
		counts := map[string]int{}
		for _, v := range members {
			has := map[string]bool{}
			for _, raw := range append([]json.RawMessage{v.Attributes}, optionsOf(v)...) {
				var values map[string]any
				if json.Unmarshal(raw, &values) != nil {
					continue
				}
				many, isList := values[code].([]any)
				if !isList {
					many = []any{values[code]}
				}
				for _, one := range many {
					if text, ok := one.(string); ok && code == "colour" {
						has[text] = true
					} else if yes, ok := one.(bool); ok && code == "organic" {
						has[fmt.Sprint(yes)] = true
					}
				}
			}
			for value := range has {
				counts[value]++
				total[code]++
			}
		}
		f := Facet{Code: code}
		for value, n := range counts {
			f.Values = append(f.Values, FacetValue{value, n})
		}
		slices.SortFunc(f.Values, func(a, b FacetValue) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
		if f.Values = f.Values[:min(10, len(f.Values))]; len(f.Values) > 0 {
			list = append(list, f)
		}
	}
	if weights, n := weigh(members); n > 0 {
		total["weight"] = n
		list = append(list, Facet{Code: "weight", Values: []FacetValue{}, Bounds: []float64{slices.Min(weights), slices.Max(weights)}})
	}
	slices.SortFunc(list, func(a, b Facet) int {
		return cmp.Or(cmp.Compare(total[b.Code], total[a.Code]), cmp.Compare(a.Code, b.Code))
	})
	return list
}

// weigh lists the weights of all offers, and counts each of an offer's once.
func weigh(members []*view.Offer) (all []float64, n int) {
	for _, v := range members {
		var values map[string]any
		if json.Unmarshal(v.Attributes, &values) != nil {
			continue
		}
		many, isList := values["weight"].([]any)
		if !isList {
			many = []any{values["weight"]}
		}
		own := map[float64]bool{}
		for _, one := range many {
			if weight, ok := one.(float64); ok {
				own[weight] = true
			}
		}
		all, n = slices.AppendSeq(all, maps.Keys(own)), n+len(own)
	}
	return all, n
}

func optionsOf(v *view.Offer) (list []json.RawMessage) {
	for _, variant := range v.Variants {
		list = append(list, variant.Options)
	}
	return list
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

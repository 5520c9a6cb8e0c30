package tree

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"freshet/ingest/change"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// whole is the shelf with the parts of each page put together.
func (s shelf) whole() (shelf, error) {
	homes, nodes, all := map[string][]Home{}, map[string][]Node{}, shelf{}
	for id, p := range s {
		id, _, _ = strings.Cut(id, "#")
		switch p := p.(type) {
		case Home:
			homes[id] = append(homes[id], p)
		case Node:
			nodes[id] = append(nodes[id], p)
		}
	}
	for id, parts := range homes {
		h, err := Join(parts)
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", id, err)
		}
		all[id] = h
	}
	for id, parts := range nodes {
		n, err := Join(parts)
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", id, err)
		}
		all[id] = n
	}
	return all, nil
}

// However long the texts and the lists are: the parts of a page are below the cap, list no more than they should, and are the
// page when put together.
func TestPartsAreThePage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(what string) string {
			return strings.Repeat(rapid.SampledFrom([]string{"a", "<", "\u2028", "è", "😀"}).Draw(t, what), rapid.IntRange(0, 300).Draw(t, what+"s"))
		}
		node := Node{ID: "7:1:it", Store: 7, Category: 1, Lang: "it", Part: 1, Name: text("name"), Children: []Child{}, Cards: []Card{}, Facets: []Facet{}}
		for i := range rapid.IntRange(0, NodeChildren+30).Draw(t, "children") {
			node.Children = append(node.Children, Child{ID: int64(i) + 1, Name: node.Name, Slug: "s", Count: i})
		}
		title, image := text("title"), strings.Repeat(text("image"), 4)
		for i := range rapid.IntRange(0, NodeCards).Draw(t, "cards") {
			node.Cards = append(node.Cards, Card{Product: int64(i) + 1, Title: title, Image: image})
		}
		home := Home{ID: "7:it", Store: 7, Lang: "it", Part: 1, Categories: []Section{}}
		for i := range rapid.IntRange(0, HomeSections+10).Draw(t, "sections") {
			home.Categories = append(home.Categories, Section{ID: int64(i) + 1, Name: node.Name, Cards: node.Cards[:min(HomeCards, len(node.Cards))]})
		}
		for limit, p := range map[int]page{NodeCap: node, HomeCap: home} {
			sheets, left, err := sealed(p, limit)
			if err != nil || left != 0 {
				t.Fatalf("%d left out, %v", left, err)
			}
			checkParts(t, sheets, limit)
			got := shelf{}
			for _, s := range sheets {
				if got[s.ID], err = opened(s); err != nil {
					t.Fatal(err)
				}
			}
			if diff := differ(shelf{p.blank().ID: p}, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// checkParts holds sheets against the cap, with what a sheet holds at most beside its page.
func checkParts(t failer, sheets []sheet, limit int) {
	t.Helper()
	for _, s := range sheets {
		s.Ver, s.Source = 1<<62, change.Provenance{Position: change.Position{Commit: 1 << 62, Index: 1 << 62}, Time: time.Now()}
		raw, err := bson.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		p, err := opened(s)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > limit || s.Hash <= 0 || p.listed() > p.most() {
			t.Fatalf("%s has %d bytes of %d, %d entries of %d, hash %d", s.ID, len(raw), limit, p.listed(), p.most(), s.Hash)
		}
	}
}

// What no part could hold is left out and counted, and the rest is there.
func TestWhatNoPartCanHold(t *testing.T) {
	huge := Card{Product: 2, Title: strings.Repeat("x", NodeCap)}
	node := Node{ID: "7:1:it", Category: 1, Part: 1, Children: []Child{{ID: 3}}, Cards: []Card{{Product: 1}, huge, {Product: 4}}, Facets: []Facet{}}
	sheets, left, err := sealed(node, NodeCap)
	if err != nil || left != 1 || len(sheets) != 1 {
		t.Fatalf("%d sheets, %d left out, %v", len(sheets), left, err)
	}
	p, err := opened(sheets[0])
	if n, ok := p.(Node); err != nil || !ok || len(n.Cards) != 2 || len(n.Children) != 1 || n.Next != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestJoinWantsOneChain(t *testing.T) {
	for name, parts := range map[string][]Node{
		"without the first": {{Part: 2}},
		"without the last":  {{Part: 1, Next: 2}, {Part: 2, Next: 3}},
		"with a gap":        {{Part: 1, Next: 2}, {Part: 3}},
		"with one too many": {{Part: 1}, {Part: 2}},
	} {
		if n, err := Join(parts); err == nil {
			t.Errorf("%s they are %+v", name, n)
		}
	}
	n, err := Join([]Node{{Part: 3, Count: 9, Children: []Child{{ID: 3}}}, {Part: 1, Next: 2, Count: 5, Children: []Child{{ID: 1}}}, {Part: 2, Next: 3, Children: []Child{{ID: 2}}}})
	if err != nil || n.Count != 5 || fmt.Sprint(n.Children) != "[{1   0} {2   0} {3   0}]" {
		t.Errorf("%+v, %v", n, err)
	}
}

// worst is the store that the tables' constraints let be the largest, for what it has: every text is as long as may be, and of
// the character that JSON makes the most of.
func worst(tops, children, depth int) (*world, map[int64]*view.Offer) {
	w := newWorld()
	clear(w.categories)
	long := func(n int) string { return strings.Repeat("<", n) }
	next := int64(0)
	put := func(parent int64) int64 {
		next++
		w.put(next, parent, next, true, long(200))
		c := w.categories[next]
		c.Slug = fmt.Sprintf("%0120d", next)
		w.categories[next] = c
		return next
	}
	deepest := int64(0)
	for range depth {
		deepest = put(deepest)
	}
	for range children {
		put(1)
	}
	for range tops - 1 {
		put(0)
	}
	w.attributes = nil
	values := map[string][]string{}
	for a := range NodeFacets + 1 {
		code := fmt.Sprintf("%s%02d", strings.Repeat("a", 62), a)
		w.attributes = append(w.attributes, dimension.Attribute{Code: code, Kind: "keyword", Facet: true})
		for v := range FacetValues + 1 {
			values[code] = append(values[code], long(maxFacetValue-2)+fmt.Sprintf("%02d", v))
		}
	}
	attributes, _ := json.Marshal(values) // of strings
	images, _ := json.Marshal([]map[string]string{{"url": long(maxImage)}})
	newest := map[int64]*view.Offer{}
	for product := int64(1); product <= NodeCards+1; product++ {
		v := offering(product, deepest)
		v.Texts = []view.Text{{Lang: "it", Title: long(300), Slug: strings.Repeat("p", 160)}}
		v.BrandName, v.Images, v.Attributes = long(200), images, attributes
		v.Price, v.ListPrice = 100_000_000_000, 100_000_000_000
		newest[product] = v
	}
	return w, newest
}

// No legal store has a document above its cap, and nothing is left out of any.
func TestTheWorstLegalStoreIsBounded(t *testing.T) {
	w, newest := worst(3*HomeSections, 3*NodeChildren, 2*Crumbs)
	st, pages := newState(w, 7), shelf{}
	for _, v := range newest {
		st.Apply(v)
	}
	writes, left, err := st.changes(false)
	if err != nil || left != 0 {
		t.Fatalf("%d entries left out, %v", left, err)
	}
	several := map[bool]int{}
	for _, write := range writes {
		limit := NodeCap
		if write.key.category == 0 {
			limit = HomeCap
		}
		checkParts(t, []sheet{write.doc}, limit)
		if write.key.part > 1 {
			several[write.key.category == 0]++
		}
		if pages[write.doc.ID], err = opened(write.doc); err != nil {
			t.Fatal(err)
		}
	}
	if several[true] == 0 || several[false] == 0 {
		t.Errorf("homes and nodes beyond their first parts: %v; the test shows nothing without both", several)
	}
	all, err := pages.whole()
	if err != nil {
		t.Fatal(err)
	}
	home, ok := all["7:it"].(Home)
	if !ok || len(home.Categories) != 3*HomeSections || len(home.Categories[0].Cards) != HomeCards {
		t.Errorf("the home page has %d sections", len(home.Categories))
	}
	top, ok := all["7:1:it"].(Node)
	if !ok || len(top.Children) != 3*NodeChildren+1 || len(top.Cards) != NodeCards || len(top.Facets) != NodeFacets {
		t.Errorf("the first category has %d children, %d cards, %d facets", len(top.Children), len(top.Cards), len(top.Facets))
	}
	deep, ok := all[NodeID(7, 2*Crumbs, "it")].(Node)
	if !ok || len(deep.Breadcrumbs) != Crumbs || deep.Breadcrumbs[0].ID != 1 || deep.Breadcrumbs[1].ID != Crumbs+2 || deep.Breadcrumbs[Crumbs-1].ID != 2*Crumbs {
		t.Errorf("the deepest category has the breadcrumbs %+v", deep.Breadcrumbs)
	}
}

// A category that gains and loses children has always the parts that it needs and no others.
func TestPartsComeAndGo(t *testing.T) {
	w, newest := newWorld(), map[int64]*view.Offer{1: offering(1, 111)}
	s := w.stores[7]
	s.Languages = []string{"it"}
	w.stores[7] = s
	st, pages := newState(w, 7), shelf{}
	st.Apply(newest[1])
	parts := func(of string) (n int) {
		for id := range pages {
			if page, _, _ := strings.Cut(id, "#"); page == of {
				n++
			}
		}
		return n
	}
	for _, step := range []struct {
		children, tops, nodes, homes int
		forget                       bool
	}{
		{NodeChildren - 2, 0, 1, 1, false}, // beside 11 and 12
		{NodeChildren - 1, 0, 2, 1, false},
		{2*NodeChildren - 1, HomeSections - 1, 3, 2, false},
		{NodeChildren, 2*HomeSections - 1, 2, 3, true},
		{2*NodeChildren - 1, 0, 3, 1, true},
		{0, HomeSections - 2, 1, 1, true},
		{NodeChildren - 1, HomeSections - 1, 2, 2, false},
	} {
		for id := range int64(2 * NodeChildren) {
			w.put(1000+id, 1, 10+id, id < int64(step.children), "Figlia")
		}
		for id := range int64(2 * HomeSections) {
			w.put(2000+id, 0, 10+id, id < int64(step.tops), "Cima")
		}
		st = redo(st, w, newest)
		if step.forget { // as when an operator asks for the pages again
			st.forget(1)
			st.forget(0)
		}
		if _, err := pages.store(st); err != nil {
			t.Fatal(err)
		}
		if nodes, homes := parts("7:1:it"), parts("7:it"); nodes != step.nodes || homes != step.homes {
			t.Errorf("%+v: %d parts of the category and %d of the home page", step, nodes, homes)
		}
		if diff := differ(scratch(w, 7, newest), pages); diff != "" {
			t.Fatalf("%+v: %s", step, diff)
		}
	}
}

// A change of one child's count is a change of the parts that show it, not of all.
func TestAChangeWritesThePartsThatShowIt(t *testing.T) {
	w := newWorld()
	for id := range int64(3 * NodeChildren) {
		w.put(1000+id, 2, id, true, "Figlia")
	}
	st, pages := newState(w, 7), shelf{}
	if _, err := pages.store(st); err != nil {
		t.Fatal(err)
	}
	st.Apply(offering(5, 1000+NodeChildren)) // the first child of the second part
	writes, _, err := st.changes(false)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, write := range writes {
		if write.key.lang == "it" {
			ids = append(ids, write.doc.ID)
		}
	}
	slices.Sort(ids)
	if want := []string{"7:1200:it", "7:2:it", "7:2:it#2", "7:it"}; !slices.Equal(ids, want) {
		t.Errorf("wrote %v, want %v", ids, want)
	}
}

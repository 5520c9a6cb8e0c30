package dimension_test

import (
	"slices"
	"testing"

	"freshet/projectors/dimension"
)

func parent(id int64) *int64 { return &id }

// shop is a tree 1 of 10 (11 (12, 13 hidden (14)), 15), and rows that arrived before what they need.
func shop() dimension.Rows {
	return dimension.Rows{
		Stores: []dimension.Store{
			{ID: 2, Code: "zwei", TreeID: 1, Active: true, Languages: []string{"de"}},
			{ID: 1, Code: "uno", TreeID: 1, Languages: []string{"it", "en"}},
		},
		Categories: []dimension.Category{
			{ID: 10, TreeID: 1, Slug: "home", Active: true},
			{ID: 15, TreeID: 1, ParentID: parent(10), Position: 1, Slug: "e", Active: true},
			{ID: 11, TreeID: 1, ParentID: parent(10), Position: 1, Slug: "a", Active: true},
			{ID: 12, TreeID: 1, ParentID: parent(11), Position: 5, Slug: "b", Active: true},
			{ID: 13, TreeID: 1, ParentID: parent(11), Position: 2, Slug: "c"},
			{ID: 14, TreeID: 1, ParentID: parent(13), Slug: "d", Active: true},
			{ID: 20, TreeID: 2, ParentID: parent(99), Slug: "orphan", Active: true},
			{ID: 21, TreeID: 2, ParentID: parent(22), Slug: "cycle", Active: true},
			{ID: 22, TreeID: 2, ParentID: parent(21), Slug: "cycle", Active: true},
		},
		Texts: []dimension.CategoryText{
			{CategoryID: 11, Lang: "it", Name: "Tazze"},
			{CategoryID: 11, Lang: "en", Name: "Mugs"},
			{CategoryID: 12, Lang: "it", Name: "Piatti"},
			{CategoryID: 12, Lang: "de", Name: "Teller"},
			{CategoryID: 77, Lang: "it", Name: "Nessuna"},
		},
		Attributes: []dimension.Attribute{{Code: "size"}, {Code: "colour", Facet: true}},
		Brands:     []dimension.Brand{{ID: 5, Name: "Bialetti"}},
		Sellers:    []dimension.Seller{{ID: 6, Name: "Rossi"}},
	}
}

func ids(list []dimension.Category) []int64 {
	var ids []int64
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

func TestTrees(t *testing.T) {
	s := dimension.NewSet(3, shop())
	for _, c := range []struct {
		what      string
		got, want []int64
	}{
		{"top of tree 1", ids(s.Children(1, nil)), []int64{10}},
		{"children of 10, by position and id", ids(s.Children(1, parent(10))), []int64{11, 15}},
		{"children of 11, the hidden one too", ids(s.Children(1, parent(11))), []int64{13, 12}},
		{"children of nobody", ids(s.Children(7, nil)), nil},
		{"path of 12", ids(s.Path(12)), []int64{10, 11, 12}},
		{"path of an orphan", ids(s.Path(20)), []int64{20}},
		{"path in a cycle", ids(s.Path(21)), []int64{22, 21}},
		{"path of nobody", ids(s.Path(99)), nil},
		{"subtree of 10", s.Subtree(10), []int64{10, 11, 15, 12}},
		{"subtree of a leaf", s.Subtree(15), []int64{15}},
		{"subtree of a hidden one", s.Subtree(13), []int64{13}},
		{"subtree in a cycle", s.Subtree(21), []int64{21}},
		{"subtree of nobody", s.Subtree(99), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	for id, want := range map[int64]bool{10: true, 12: true, 13: false, 14: false, 20: false, 21: false, 99: false} {
		if s.Shown(id) != want {
			t.Errorf("shown(%d) is %t", id, !want)
		}
	}
}

func TestNames(t *testing.T) {
	s := dimension.NewSet(3, shop())
	for _, c := range []struct {
		id    int64
		langs []string
		want  string
	}{
		{11, []string{"it"}, "Tazze"},
		{11, []string{"fr", "it"}, "Tazze"},
		{11, []string{"fr"}, "Mugs"},
		{11, nil, "Mugs"},
		{12, []string{"fr"}, "Teller"},
		{15, []string{"it"}, "e"},
		{99, []string{"it"}, ""},
	} {
		if got := s.CategoryName(c.id, c.langs...); got != c.want {
			t.Errorf("name of %d in %v: %q, want %q", c.id, c.langs, got, c.want)
		}
	}
}

func TestLookups(t *testing.T) {
	s := dimension.NewSet(3, shop())
	if st, ok := s.StoreNamed("zwei"); !ok || st.ID != 2 {
		t.Errorf("store by code: %+v", st)
	}
	if st, ok := s.StoreNamed("2"); !ok || st.ID != 2 {
		t.Errorf("store by id: %+v", st)
	}
	if _, ok := s.StoreNamed("tre"); ok {
		t.Error("a store nobody has")
	}
	if list := s.Stores(); len(list) != 2 || list[0].ID != 1 {
		t.Errorf("stores: %+v", list)
	}
	if c, ok := s.CategoryBySlug(1, "b"); !ok || c.ID != 12 {
		t.Errorf("category by slug: %+v", c)
	}
	if c, ok := s.CategoryBySlug(2, "cycle"); !ok || c.ID != 21 {
		t.Errorf("of two with one slug the lower id keeps it: %+v", c)
	}
	if _, ok := s.CategoryBySlug(2, "b"); ok {
		t.Error("a slug of another tree")
	}
	if a := s.Attributes(); len(a) != 2 || a[0].Code != "colour" {
		t.Errorf("attributes: %+v", a)
	}
	_, brand := s.Brand(5)
	_, seller := s.Seller(6)
	_, attribute := s.Attribute("size")
	_, category := s.Category(14)
	if !brand || !seller || !attribute || !category || s.Version() != 3 || s.Freshness().Version != 3 {
		t.Error("something is missing")
	}
}

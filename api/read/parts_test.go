package read_test

import (
	"encoding/json"
	"testing"

	"freshet/projectors/tree"
)

// categoryPage is a category's page, or a part of it.
type categoryPage struct {
	ID       int64
	Children []struct{ ID int64 }
	Cards    []json.RawMessage
	Facets   []json.RawMessage
	Next     string
}

// homePage is a home page, or a part of it.
type homePage struct {
	Categories []json.RawMessage
	Next       string
}

// A reader of a page in parts goes from each to the next, in one language.
func TestAPageInParts(t *testing.T) {
	s := newShop(t)
	first := s.nodes["1:2:it"]
	first.Children, first.Next = []tree.Child{{ID: 11, Slug: "alti", Name: "Alti", Count: 1}}, 2
	s.nodes["1:2:it"] = first
	s.nodes["1:2:it#2"] = tree.Node{Category: 2, Part: 2, Next: 3, Children: []tree.Child{{ID: 12, Slug: "bassi", Name: "Bassi"}}}
	s.nodes["1:2:it#3"] = tree.Node{Category: 2, Part: 3, Cards: first.Cards, Facets: first.Facets}
	var page categoryPage
	s.get("/api/v1/stores/1/categories/stivali").want(t, 200).decode(t, &page)
	if page.Next != "/api/v1/stores/milano/categories/2/parts/2?lang=it" || len(page.Children) != 1 {
		t.Fatalf("the first part: %+v", page)
	}
	var part categoryPage
	s.get(page.Next, "Accept-Language", "en").want(t, 200).decode(t, &part)
	if part.Next != "/api/v1/stores/milano/categories/2/parts/3?lang=it" || len(part.Children) != 1 || part.Children[0].ID != 12 || part.ID != 2 {
		t.Fatalf("the second part: %+v", part)
	}
	var last categoryPage
	s.get(part.Next).want(t, 200).decode(t, &last)
	if last.Next != "" || len(last.Cards) != 1 || len(last.Facets) != 2 {
		t.Errorf("the last part: %+v", last)
	}

	home := s.homes["1:it"]
	s.homes["1:it#2"] = tree.Home{Part: 2, Categories: home.Categories}
	home.Next = 2
	s.homes["1:it"] = home
	var front homePage
	s.get("/api/v1/stores/milano/home?lang=it").want(t, 200).decode(t, &front)
	if front.Next != "/api/v1/stores/milano/home/parts/2?lang=it" {
		t.Fatalf("the home page: %+v", front)
	}
	var more homePage
	s.get(front.Next).want(t, 200).decode(t, &more)
	if more.Next != "" || len(more.Categories) != 1 {
		t.Errorf("its second part: %+v", more)
	}
	for _, path := range []string{"home/parts/3?lang=it", "home/parts/1", "home/parts/0", "home/parts/x", "home/parts/99999999999999999999", "categories/2/parts/4", "categories/altrove/parts/2"} {
		s.get("/api/v1/stores/milano/"+path).want(t, 404)
	}
}

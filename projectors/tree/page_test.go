package tree

import (
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/ingest/change"
)

func TestSealedFitsTheCap(t *testing.T) {
	long := strings.Repeat("lungo ", 100)
	node := Node{ID: "7:1:it", Breadcrumbs: []Crumb{{ID: 1}}, Children: []Child{}, Cards: []Card{}}
	for i := range int64(24) {
		node.Cards = append(node.Cards, Card{Product: i, Title: long})
	}
	small := node
	for i := range int64(2000) {
		node.Children = append(node.Children, Child{ID: i, Name: "categoria", Slug: "categoria"})
	}
	for name, tc := range map[string]struct {
		node            Node
		cards, children int
	}{
		"fits":                 {small, 24, 0},
		"too many children":    {node, 0, -1},
		"cards beside a child": {Node{ID: "x", Children: node.Children[:600], Cards: node.Cards}, -1, 600},
	} {
		t.Run(name, func(t *testing.T) {
			doc, left, err := sealed(tc.node, NodeCap, tc.node.parts())
			if err != nil {
				t.Fatal(err)
			}
			doc.Source = change.Provenance{Position: change.Position{Commit: 1 << 62, Index: 1 << 62}, Time: time.Now()}
			raw, err := bson.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			var got Node
			if err := bson.Unmarshal(raw, &got); err != nil {
				t.Fatal(err)
			}
			if len(raw) > NodeCap || doc.Hash <= 0 || left != got.LeftOut || got.parts()+left != tc.node.parts() {
				t.Errorf("%d bytes, hash %d, %d left out, %d kept of %d", len(raw), doc.Hash, left, got.parts(), tc.node.parts())
			}
			if (tc.cards >= 0 && len(got.Cards) != tc.cards) || (tc.children >= 0 && len(got.Children) != tc.children) {
				t.Errorf("%d cards and %d children, want %d and %d", len(got.Cards), len(got.Children), tc.cards, tc.children)
			}
			if tc.cards < 0 && len(got.Cards) == 0 || tc.children < 0 && len(got.Children) == 0 {
				t.Error("more was left out than needed")
			}
		})
	}
}

func TestSealedHomeFitsTheCap(t *testing.T) {
	long := strings.Repeat("lungo ", 200)
	home := Home{ID: "7:it"}
	for i := range int64(100) {
		s := Section{ID: i, Name: "categoria", Cards: []Card{}}
		for j := range int64(HomeCards) {
			s.Cards = append(s.Cards, Card{Product: j, Title: long})
		}
		home.Categories = append(home.Categories, s)
	}
	doc, left, err := sealed(home, HomeCap, home.parts())
	if err != nil {
		t.Fatal(err)
	}
	p, err := opened(doc)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := p.(Home)
	if !ok || left == 0 || len(got.Categories) != 100 || len(got.Categories[0].Cards) != HomeCards || len(got.Categories[99].Cards) != 0 {
		t.Errorf("%d left out, %d sections, %d cards in the first and %d in the last",
			left, len(got.Categories), len(got.Categories[0].Cards), len(got.Categories[99].Cards))
	}
	if got := home.parts(); got != 900 {
		t.Errorf("shrinking changed the page it was asked of: %d parts", got)
	}
}

// The hash is of what readers see: not of when and by whom it was written.
func TestHashIsOfContent(t *testing.T) {
	node := Node{ID: "7:1:it", Name: "Pasta", Count: 3}
	hash := func(n Node) int64 {
		t.Helper()
		doc, _, err := sealed(n, NodeCap, 0)
		if err != nil {
			t.Fatal(err)
		}
		return doc.Hash
	}
	before := hash(node)
	node.Ver, node.Source = 7, change.Provenance{Time: time.Now()}
	if hash(node) != before {
		t.Error("equal content has two hashes")
	}
	node.Count++
	if hash(node) == before {
		t.Error("other content has the same hash")
	}
}

func TestKeys(t *testing.T) {
	for _, k := range []key{{0, "it"}, {11, "de"}} {
		got, err := parseKey(k.id(7))
		if err != nil || got != k {
			t.Errorf("%v became %q and then %v: %v", k, k.id(7), got, err)
		}
	}
	for _, id := range []string{"", "7", "7:x:it", "7:1:it:more"} {
		if k, err := parseKey(id); err == nil {
			t.Errorf("%q was read as %v", id, k)
		}
	}
}

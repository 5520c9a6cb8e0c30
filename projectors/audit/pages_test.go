package audit

import (
	"context"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/tree"
)

// A page is compared with all its parts, whatever their order, and one whose documents are no chain, or too large, is wrong.
func TestPagesAreReadWithTheirParts(t *testing.T) {
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	s := &Stores{Database: client.Database(name)}
	node := func(id string, part, next int, children ...tree.Child) tree.Node {
		n := tree.Node{ID: tree.PartID(id, part), Part: part, Next: next, Children: children}
		if part == 1 {
			n.Name, n.Count, n.Breadcrumbs = "Pasta", 3, []tree.Crumb{{ID: 1}}
		}
		return n
	}
	gone := node("7:2:it", 2, 0, tree.Child{ID: 9})
	gone.Deleted = true
	_, err = s.Database.Collection("nodes").InsertMany(t.Context(), []any{
		node("7:1:it", 1, 2, tree.Child{ID: 11}), node("7:1:it", 2, 0, tree.Child{ID: 12}),
		node("7:2:it", 1, 0, tree.Child{ID: 21}), gone,
		node("7:3:it", 1, 2, tree.Child{ID: 31}),
		node("7:4:it", 2, 0, tree.Child{ID: 41}),
		node("7:5:it", 1, 0, tree.Child{ID: 51, Name: strings.Repeat("x", tree.NodeCap)}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Database.Collection("homes").InsertOne(t.Context(), tree.Home{ID: "7:it", Part: 1, Categories: []tree.Section{{ID: 1}}}); err != nil {
		t.Fatal(err)
	}
	docs, err := s.Documents(t.Context(), Node)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]struct {
		children int
		broken   bool
	}{"7:1:it": {2, false}, "7:2:it": {1, false}, "7:3:it": {0, true}, "7:4:it": {0, true}, "7:5:it": {1, true}} {
		doc, ok := docs[key].(map[string]any)
		if !ok {
			t.Errorf("%s is not there", key)
			continue
		}
		children, _ := doc["children"].([]any)
		if _, is := doc[broken]; is != want.broken || len(children) != want.children {
			t.Errorf("%s: %v", key, doc)
		}
	}
	if len(docs) != 5 {
		t.Errorf("%d pages, want 5", len(docs))
	}
	homes, err := s.Documents(t.Context(), Home)
	if err != nil || len(homes) != 1 || homes["7:it"] == nil {
		t.Errorf("homes %v, %v", homes, err)
	}
}

package tree

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// nasty are texts of what a scanner that looks for brackets, commas and quotes may trip over.
var nasty = rapid.StringOf(rapid.SampledFrom([]rune(`"\,:[]{}<&/è😀` + "\u2028\n\x00")))

func anyCards(t *rapid.T) []Card {
	cards := []Card{}
	for range rapid.IntRange(0, 3).Draw(t, "cards") {
		cards = append(cards, Card{Product: rapid.Int64().Draw(t, "product"), Title: nasty.Draw(t, "title"), Rating: rapid.Float64Range(0, 5).Draw(t, "rating")})
	}
	return cards
}

// decoded reads what a text says of a list or a value.
func decoded[T any](t *rapid.T, text []byte) (value T) {
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// TestTextIsThePage: whatever a page says, its pieces say the same.
func TestTextIsThePage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Node{
			Slug: nasty.Draw(t, "slug"), Name: nasty.Draw(t, "name"), Breadcrumbs: []Crumb{}, Children: []Child{}, Facets: []Facet{},
			Count: rapid.IntRange(0, 3).Draw(t, "count"), Cards: anyCards(t), Next: rapid.IntRange(0, 3).Draw(t, "next"), Deleted: rapid.Bool().Draw(t, "deleted"),
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "length") {
			n.Breadcrumbs = append(n.Breadcrumbs, Crumb{ID: int64(i), Name: nasty.Draw(t, "crumb")})
			n.Children = append(n.Children, Child{ID: int64(i), Name: nasty.Draw(t, "child")})
			f := Facet{Code: nasty.Draw(t, "code"), Values: []FacetValue{{Value: nasty.Draw(t, "value"), Count: i}}}
			if rapid.Bool().Draw(t, "number") {
				f.Values, f.Bounds = []FacetValue{}, []float64{rapid.Float64().Draw(t, "least"), 1e300}
			}
			n.Facets = append(n.Facets, f)
		}
		var text NodeText
		reread(t, n, &text)
		got := Node{
			Slug: decoded[string](t, text.Slug), Name: decoded[string](t, text.Name), Breadcrumbs: decoded[[]Crumb](t, text.Breadcrumbs), Facets: []Facet{},
			Children: decoded[[]Child](t, text.Children), Count: decoded[int](t, text.Count), Cards: decoded[[]Card](t, text.Cards), Next: text.Next, Deleted: text.Deleted,
		}
		for _, f := range text.Facets {
			facet := Facet{Code: f.Code, Values: decoded[[]FacetValue](t, f.Values)}
			for _, b := range f.Bounds {
				facet.Bounds = append(facet.Bounds, decoded[float64](t, b))
			}
			got.Facets = append(got.Facets, facet)
		}
		if !reflect.DeepEqual(got, n) {
			t.Fatalf("got\n%+v\nwant\n%+v", got, n)
		}

		h := Home{Categories: []Section{{ID: 1, Name: n.Name, Cards: n.Cards}}, Next: n.Next}
		var front HomeText
		reread(t, h, &front)
		if got := decoded[[]Section](t, front.Categories); !reflect.DeepEqual(got, h.Categories) || front.Next != h.Next {
			t.Fatalf("got %+v, want %+v", front, h)
		}
	})
}

func reread(t *rapid.T, p bson.Marshaler, text bson.Unmarshaler) {
	raw, err := p.MarshalBSON()
	if err == nil {
		err = text.UnmarshalBSON(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestATextOfAnotherFormIsRefused: what a damaged text does is an error, and nothing else.
func TestATextOfAnotherFormIsRefused(t *testing.T) {
	for _, page := range []string{
		`[]`, `{`, `{"categories"}`, `{"categories":[}`, `{"categories":[],}`, `{"categories":"`, `{"cat\"`, `{,}`, `{"next":"2"}`, `{categories:[]}`, `null`,
	} {
		raw, err := bson.Marshal(sheet{Page: page})
		if err != nil {
			t.Fatal(err)
		}
		if err := new(HomeText).UnmarshalBSON(raw); err == nil {
			t.Errorf("%s is taken for a page", page)
		}
	}
	if err := new(HomeText).UnmarshalBSON([]byte("no document")); err == nil {
		t.Error("what is no document is taken for a page")
	}
	text := string(mustEncode(t, Node{Name: `"\`, Cards: []Card{{Title: "]},"}}, Facets: []Facet{{Code: "a"}}, Count: 1}))
	rapid.Check(t, func(t *rapid.T) {
		cut := rapid.IntRange(1, len(text)-1).Draw(t, "cut")
		raw, err := bson.Marshal(sheet{Page: text[:cut] + strings.Repeat("}", rapid.IntRange(0, 2).Draw(t, "closed"))})
		if err != nil {
			t.Fatal(err)
		}
		_ = new(NodeText).UnmarshalBSON(raw) // some of them are whole again; none may be a panic
	})
}

func mustEncode(t *testing.T, n Node) []byte {
	raw, err := encode(n.content())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

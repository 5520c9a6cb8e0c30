package tree

import (
	"encoding/json"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// HomeText is a Home for who passes it on: its lists are JSON, as they are stored. To decode a page and to encode it again
// is most of what showing it would cost.
type HomeText struct {
	Deleted    bool
	Categories json.RawMessage // of Section
	Next       int             // part, 0 behind the last
}

// NodeText is a Node for who passes it on, as HomeText is a Home. Of a part behind the first Slug, Name, Breadcrumbs and
// Count are empty.
type NodeText struct {
	Deleted     bool
	Slug, Name  json.RawMessage // strings
	Breadcrumbs json.RawMessage // of Crumb
	Children    json.RawMessage // of Child
	Count       json.RawMessage // a number
	Cards       json.RawMessage // of Card
	Facets      []FacetText
	Next        int // part, 0 behind the last
}

// FacetText is a Facet for who passes it on.
type FacetText struct {
	Code   string
	Values json.RawMessage   // of FacetValue
	Bounds []json.RawMessage // none, or two numbers
}

// UnmarshalBSON implements bson.Unmarshaler. The lists are parts of raw.
func (h *HomeText) UnmarshalBSON(raw []byte) error {
	page, deleted, err := content(raw)
	if err != nil {
		return err
	}
	*h = HomeText{Deleted: deleted, Categories: emptyList}
	return members(page, func(name string, value []byte) error {
		switch name {
		case "categories":
			return list(&h.Categories, value)
		case "next":
			return json.Unmarshal(value, &h.Next)
		}
		return nil
	})
}

// UnmarshalBSON implements bson.Unmarshaler. The lists are parts of raw.
func (n *NodeText) UnmarshalBSON(raw []byte) error {
	page, deleted, err := content(raw)
	if err != nil {
		return err
	}
	*n = NodeText{
		Deleted: deleted, Slug: emptyText, Name: emptyText, Breadcrumbs: emptyList, Children: emptyList, Count: zero, Cards: emptyList,
	}
	return members(page, n.take)
}

func (n *NodeText) take(name string, value []byte) error {
	switch name {
	case "slug":
		n.Slug = value
	case "name":
		n.Name = value
	case "breadcrumbs":
		return list(&n.Breadcrumbs, value)
	case "children":
		return list(&n.Children, value)
	case "count":
		n.Count = value
	case "cards":
		return list(&n.Cards, value)
	case "facets":
		return elements(value, func(value []byte) error {
			n.Facets = append(n.Facets, FacetText{Values: emptyList})
			return members(value, n.Facets[len(n.Facets)-1].take)
		})
	case "next":
		return json.Unmarshal(value, &n.Next)
	}
	return nil
}

func (f *FacetText) take(name string, value []byte) error {
	switch name {
	case "code":
		return json.Unmarshal(value, &f.Code)
	case "values":
		return list(&f.Values, value)
	case "bounds":
		return elements(value, func(value []byte) error {
			f.Bounds = append(f.Bounds, value)
			return nil
		})
	}
	return nil
}

// What stands for a member that the stored text leaves out.
var emptyText, emptyList, zero = json.RawMessage(`""`), json.RawMessage(`[]`), json.RawMessage(`0`)

// list takes a list, and nothing of null.
func list(into *json.RawMessage, value []byte) error {
	if string(value) != "null" {
		*into = value
	}
	return nil
}

// content is the text of a page's document, the empty page's of a tombstone.
func content(raw bson.Raw) (page []byte, deleted bool, err error) {
	fields, err := raw.Elements()
	if err != nil {
		return nil, false, fmt.Errorf("read a page: %w", err)
	}
	page = []byte(`{}`)
	for _, f := range fields {
		switch value := f.Value(); f.Key() {
		case "deleted":
			deleted, _ = value.BooleanOK()
		case "page":
			if value.Type != bson.TypeString || len(value.Value) < len("\x01\x00\x00\x00\x00") {
				return nil, false, fmt.Errorf("the page is a %s", value.Type)
			}
			page = value.Value[4 : len(value.Value)-1] // between the length and the zero at the end
		}
	}
	return page, deleted, nil
}

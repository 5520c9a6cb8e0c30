package tree

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/ingest/change"
)

// sheet is a page as it is stored: its content is one JSON text, as readers get it. A page is written whole and read
// whole, so that the server has nothing to find in it, and taking a text apart and putting it together again costs it
// a third of what it costs for two hundred fields in four levels (docs/adr/0016).
type sheet struct {
	ID       string            `bson:"_id,omitempty"`
	Ver      int64             `bson:"ver"`
	Hash     int64             `bson:"hash"`
	Deleted  bool              `bson:"deleted,omitempty"`
	Store    int64             `bson:"store"`
	Category int64             `bson:"category,omitempty"`
	Lang     string            `bson:"lang"`
	Part     int               `bson:"part,omitempty"`
	Page     string            `bson:"page,omitempty"`
	Source   change.Provenance `bson:"source"`
}

// sheetOverhead is more than a sheet holds beside its page, in bytes.
const sheetOverhead = 512

// nodeContent is what readers see of a Node.
type nodeContent struct {
	Slug        string  `json:"slug,omitempty"`
	Name        string  `json:"name,omitempty"`
	Breadcrumbs []Crumb `json:"breadcrumbs,omitempty"`
	Children    []Child `json:"children"`
	Count       int     `json:"count,omitempty"`
	Cards       []Card  `json:"cards"`
	Facets      []Facet `json:"facets"`
	Next        int     `json:"next,omitempty"`
}

// homeContent is what readers see of a Home.
type homeContent struct {
	Categories []Section `json:"categories"`
	Next       int       `json:"next,omitempty"`
}

func (n Node) content() any {
	return nodeContent{n.Slug, n.Name, n.Breadcrumbs, n.Children, n.Count, n.Cards, n.Facets, n.Next}
}

func (n Node) blank() sheet {
	return sheet{
		ID: n.ID, Ver: n.Ver, Hash: n.Hash, Deleted: n.Deleted, Store: n.Store, Category: n.Category, Lang: n.Lang, Part: n.Part, Source: n.Source,
	}
}

func (h Home) content() any { return homeContent{h.Categories, h.Next} }

func (h Home) blank() sheet {
	return sheet{ID: h.ID, Ver: h.Ver, Hash: h.Hash, Deleted: h.Deleted, Store: h.Store, Lang: h.Lang, Part: h.Part, Source: h.Source}
}

// filled is the sheet of a page.
func filled(p page) (sheet, error) {
	s := p.blank()
	raw, err := encode(p.content())
	if err != nil {
		return sheet{}, fmt.Errorf("encode page %s: %w", s.ID, err)
	}
	s.Page = string(raw)
	return s, nil
}

// encode writes JSON without HTML escapes, as the API answers it.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// MarshalBSON implements bson.Marshaler.
func (n Node) MarshalBSON() ([]byte, error) { return marshal(n) }

// MarshalBSON implements bson.Marshaler.
func (h Home) MarshalBSON() ([]byte, error) { return marshal(h) }

func marshal(p page) ([]byte, error) {
	s, err := filled(p)
	if err != nil {
		return nil, err
	}
	return bson.Marshal(s)
}

// UnmarshalBSON implements bson.Unmarshaler.
func (n *Node) UnmarshalBSON(raw []byte) error {
	var c nodeContent
	s, err := unmarshal(raw, &c)
	*n = Node{
		ID: s.ID, Ver: s.Ver, Hash: s.Hash, Deleted: s.Deleted, Store: s.Store, Category: s.Category, Lang: s.Lang, Part: max(1, s.Part), Source: s.Source,
		Slug: c.Slug, Name: c.Name, Breadcrumbs: c.Breadcrumbs, Children: c.Children, Count: c.Count, Cards: c.Cards, Facets: c.Facets, Next: c.Next,
	}
	return err
}

// UnmarshalBSON implements bson.Unmarshaler.
func (h *Home) UnmarshalBSON(raw []byte) error {
	var c homeContent
	s, err := unmarshal(raw, &c)
	*h = Home{
		ID: s.ID, Ver: s.Ver, Hash: s.Hash, Deleted: s.Deleted, Store: s.Store, Lang: s.Lang, Part: max(1, s.Part), Source: s.Source,
		Categories: c.Categories, Next: c.Next,
	}
	return err
}

// unmarshal reads a sheet and, unless it is a tombstone, its content.
func unmarshal(raw []byte, content any) (s sheet, err error) {
	if err := bson.Unmarshal(raw, &s); err != nil {
		return s, err
	}
	if s.Page == "" {
		return s, nil
	}
	if err := json.Unmarshal([]byte(s.Page), content); err != nil {
		return s, fmt.Errorf("decode page %s: %w", s.ID, err)
	}
	return s, nil
}

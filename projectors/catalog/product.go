// Package catalog keeps one document per product in MongoDB: its texts, attributes, images, variants, categories,
// brand name and what its reviews say, folded from the product tables' topics.
//
// The fold is pure. A document is made of sections, one per source row (or per column that TOAST can leave out of an
// update); a section stores the position of the row version it came from and accepts only a later one, so any order and
// any repetition of events ends in the same document. Rev grows by one with every stored change; with the offer's rev it
// orders the joined views.
package catalog

import (
	"encoding/json"

	"freshet/ingest/change"
)

// Product is the document products/{product id}.
type Product struct {
	ID         int64             `bson:"_id"`
	Rev        int64             `bson:"rev"`
	Row        Row               `bson:"row"`
	Attributes Attributes        `bson:"attributes"`
	Images     Images            `bson:"images"`
	Brand      Brand             `bson:"brand"`
	Reviews    []Tally           `bson:"reviews"`    // by part
	Texts      []Text            `bson:"texts"`      // by language
	Variants   []Variant         `bson:"variants"`   // by SKU
	Categories []Category        `bson:"categories"` // by category id
	Source     change.Provenance `bson:"source"`
}

// Row is the section of the products row without the columns that TOAST can leave out.
type Row struct {
	Pos       change.Position `bson:"pos"`
	Deleted   bool            `bson:"deleted,omitempty"`
	SellerID  int64           `bson:"seller_id"`
	BrandID   int64           `bson:"brand_id"` // 0 for none
	Type      string          `bson:"type"`
	Status    string          `bson:"status"` // "draft", "active", "archived"
	GTIN      string          `bson:"gtin,omitempty"`
	CreatedAt string          `bson:"created_at"` // RFC 3339 in UTC, as in the envelope
}

// Attributes is the section of products.attributes: attribute code to string, number, boolean or list of strings.
type Attributes struct {
	Pos   change.Position `bson:"pos"`
	Value json.RawMessage `bson:"value"` // the JSON object, as Postgres wrote it; nil until known
}

// Images is the section of products.images, a JSON array of {"url","alt"}.
type Images struct {
	Pos   change.Position `bson:"pos"`
	Value json.RawMessage `bson:"value"`
}

// Brand is the name of the brand that Row.BrandID names: folded in, because it is searched as text.
type Brand struct {
	ID   int64           `bson:"id"`
	Pos  change.Position `bson:"pos"`
	Name string          `bson:"name"`
}

// Text is the section of a product_texts row; Title and Description have positions of their own because TOAST can leave
// them out.
type Text struct {
	Lang        string          `bson:"lang"`
	Pos         change.Position `bson:"pos"`
	Deleted     bool            `bson:"deleted,omitempty"`
	Slug        string          `bson:"slug"`
	TitlePos    change.Position `bson:"title_pos"`
	Title       string          `bson:"title"`
	DescPos     change.Position `bson:"desc_pos"`
	Description string          `bson:"description"`
}

// Variant is the section of a variants row; Options has a position of its own because TOAST can leave it out.
type Variant struct {
	SKU        string          `bson:"sku"`
	Pos        change.Position `bson:"pos"`
	Deleted    bool            `bson:"deleted,omitempty"`
	OptionsPos change.Position `bson:"options_pos"`
	Options    json.RawMessage `bson:"options"` // JSON object, e.g. {"size":"M","colour":"rosso"}
	GTIN       string          `bson:"gtin,omitempty"`
}

// Category is the section of a product_categories row.
type Category struct {
	ID       int64           `bson:"id"`
	Pos      change.Position `bson:"pos"`
	Deleted  bool            `bson:"deleted,omitempty"`
	Position int64           `bson:"position"` // the product's place in the category, as the seller ordered it
}

// DocumentID is the field stored as _id.
func (p *Product) DocumentID() *int64 { return &p.ID }

// Revision is the field stored as rev.
func (p *Product) Revision() *int64 { return &p.Rev }

// Live says whether the product exists and is active.
func (p *Product) Live() bool {
	return p != nil && !p.Row.Pos.IsZero() && !p.Row.Deleted && p.Row.Status == "active"
}

// Package view joins a product document and an offer document into the offer view that every later stage reads: the
// tree's cards, the search document and the product page are made from it alone (and from dimensions, when read).
//
// catalog and offer publish views to the topic change.OfferViewTopic through Publisher; api/read joins the two documents
// itself. Guarantee: every published view was true at one instant, and Version, the sum of the two revisions, orders the
// views of one offer; sinks keep the highest.
package view

import (
	"encoding/json"
	"time"

	"freshet/ingest/change"
	"freshet/projectors/offer"
)

// Offer is the joined view of one product in one store.
type Offer struct {
	Version    int64             `json:"version"` // product rev + offer rev
	Store      int64             `json:"store"`
	Product    int64             `json:"product"`
	Deleted    bool              `json:"deleted,omitempty"` // the offers row or the products row is gone
	Visible    bool              `json:"visible"`           // both active, at least one priced variant, at least one title
	Boost      float64           `json:"boost"`
	Seller     int64             `json:"seller"`
	Brand      int64             `json:"brand,omitempty"`
	BrandName  string            `json:"brand_name,omitempty"`
	Type       string            `json:"type"`
	GTIN       string            `json:"gtin,omitempty"`
	CreatedAt  string            `json:"created_at"`
	Categories []Category        `json:"categories"` // the product's own, by id
	Texts      []Text            `json:"texts"`      // by language
	Attributes json.RawMessage   `json:"attributes,omitempty"`
	Images     json.RawMessage   `json:"images,omitempty"`
	Variants   []Variant         `json:"variants"` // priced ones, by SKU
	Price      int64             `json:"price"`    // lowest among the variants to be had, else among all
	ListPrice  int64             `json:"list_price,omitempty"`
	Available  int64             `json:"available"` // units to be had over all variants that are sold
	Units      int64             `json:"units"`     // units ever sold
	Reviews    Reviews           `json:"reviews"`
	Popularity float64           `json:"popularity"`
	Source     change.Provenance `json:"source"`
}

// Reviews is what the product's published reviews say.
type Reviews struct {
	Count int64 `json:"count"`
	Sum   int64 `json:"sum"` // of the ratings, 1 to 5 each
}

// Rating is the average to a tenth, 0 without reviews. It is rounded as a whole number, so that it is the same everywhere.
func (r Reviews) Rating() float64 {
	if r.Count == 0 {
		return 0
	}
	return float64((20*r.Sum+r.Count)/(2*r.Count)) / 10
}

// Category is a category the product stands in, and its place there.
type Category struct {
	ID       int64 `json:"id"`
	Position int64 `json:"position"`
}

// Text is what the product is called in one language.
type Text struct {
	Lang        string `json:"lang"`
	Title       string `json:"title"`
	Slug        string `json:"slug"`
	Description string `json:"description,omitempty"`
}

// Variant is one SKU with its own price and stock. What it costs at a moment is PriceAt's to say.
type Variant struct {
	SKU        string          `json:"sku"`
	Options    json.RawMessage `json:"options,omitempty"`
	GTIN       string          `json:"gtin,omitempty"`
	Amount     int64           `json:"amount"`
	ListAmount int64           `json:"list_amount,omitempty"`
	ValidFrom  string          `json:"valid_from,omitempty"`
	ValidTo    string          `json:"valid_to,omitempty"`
	Available  int64           `json:"available"`           // on hand less reserved, 0 without an inventory row
	LowStock   bool            `json:"low_stock,omitempty"` // few are left; not when none is
}

// PriceAt is what the variant costs at a moment, what it costs without a discount (0 for none), and whether it is sold.
func (v *Variant) PriceAt(t time.Time) (price, list int64, sold bool) {
	p := offer.Price{Amount: v.Amount, ListAmount: v.ListAmount, ValidFrom: v.ValidFrom, ValidTo: v.ValidTo}
	return p.At(t)
}

// InStock says whether any variant can be bought.
func (o *Offer) InStock() bool { return o.Available > 0 }

// TextIn returns the text in the first language of langs that has one; failing those English, failing that the first by
// code, so that the choice depends on the view and the caller's languages alone. The zero Text when there is none.
func (o *Offer) TextIn(langs ...string) Text {
	for _, lang := range append(langs[:len(langs):len(langs)], "en") {
		for _, t := range o.Texts {
			if t.Lang == lang {
				return t
			}
		}
	}
	if len(o.Texts) > 0 {
		return o.Texts[0]
	}
	return Text{}
}

package search

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"freshet/ingest/change"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// Document is what the index holds of one offer in one language. Everything in it comes from the offer view and the
// attribute registry alone: the names and places of categories, labels and units are looked up when a page is read, so
// that moving or renaming a category writes nothing here.
type Document struct {
	Store       string               `json:"store"`
	Lang        string               `json:"lang"`
	Product     int64                `json:"product"`
	Deleted     bool                 `json:"deleted"`
	Title       Text                 `json:"title,omitempty"`
	Description Text                 `json:"description,omitempty"`
	Refs        []string             `json:"refs,omitempty"`     // SKUs and GTINs, see references
	Measures    []string             `json:"measures,omitempty"` // in the title, see measures
	Brand       string               `json:"brand,omitempty"`    // id
	BrandName   Text                 `json:"brand_name,omitempty"`
	Categories  []string             `json:"categories,omitempty"` // ids of the product's own categories, not of their parents
	Facets      []string             `json:"facets,omitempty"`     // keyword attributes that are facets, see pair; booleans as "true" and "false"
	Filters     []string             `json:"filters,omitempty"`    // the same of those that are none
	Numbers     map[string][]float64 `json:"numbers,omitempty"`    // by slot: "n7"
	Price       *int64               `json:"price,omitempty"`      // minor units
	InStock     *bool                `json:"in_stock,omitempty"`
	Available   *int64               `json:"available,omitempty"`
	Popularity  *float64             `json:"popularity,omitempty"`
	Boost       *float64             `json:"boost,omitempty"`
	Rank        *float64             `json:"rank,omitempty"` // popularity times boost, as the category pages order by
	Created     string               `json:"created,omitempty"`
	Card        *Card                `json:"card,omitempty"`
	Source      Source               `json:"source"`
}

// Text is words in the language of their document, which is the one key: each language has a field of its own. Nil for none.
type Text map[string]string

func textIn(lang, words string) Text {
	if words == "" {
		return nil
	}
	return Text{lang: words}
}

// Card is what a result list shows of an offer; it is stored and not searched.
type Card struct {
	Product   int64   `json:"product"`
	Title     string  `json:"title"`
	Slug      string  `json:"slug"`
	Price     int64   `json:"price"`
	ListPrice int64   `json:"list_price,omitempty"`
	Image     string  `json:"image,omitempty"`
	Brand     string  `json:"brand,omitempty"`
	InStock   bool    `json:"in_stock"`
	LowStock  bool    `json:"low_stock,omitempty"`
	Rating    float64 `json:"rating,omitempty"` // average of the reviews to a tenth
	Reviews   int64   `json:"reviews,omitempty"`
}

// Source says where a document comes from, for audits and for people.
type Source struct {
	View       int64           `json:"view"`       // version of the offer view
	Dimensions int64           `json:"dimensions"` // version of the dimensions
	Position   change.Position `json:"position"`   // newest change folded in
	Time       time.Time       `json:"time"`
}

// dimensionBits is the room for the dimensions' version in a document's version.
const dimensionBits = 24

// MaxDimensions is the highest version of the dimensions that document versions have room for.
const MaxDimensions = 1<<dimensionBits - 1

// Version returns the external version of a document: the view's, then the dimensions', since a change of the attribute
// registry makes other documents of equal views.
func Version(viewVersion, dimensions int64) int64 {
	return viewVersion<<dimensionBits | min(dimensions, MaxDimensions)
}

// ID returns the id of an offer's document in a language.
func ID(store, product int64, lang string) string {
	return fmt.Sprintf("%d:%d:%s", store, product, lang)
}

// FromView makes the document of an offer in a language. One that shoppers may not see becomes a tombstone that keeps its
// version: Elasticsearch forgets a delete within a minute, and a late write would bring the offer back.
func FromView(v *view.Offer, lang string, dims *dimension.Set) Document {
	doc := Tombstone(v, lang, dims)
	if v.Deleted || !v.Visible {
		return doc
	}
	text := v.TextIn(lang)
	rank := math.Round(v.Popularity*v.Boost*1e6) / 1e6
	inStock := v.InStock()
	doc.Deleted = false
	doc.Title, doc.Description = textIn(lang, text.Title), textIn(lang, text.Description)
	doc.Refs, doc.Measures = references(v), measures(text.Title)
	doc.BrandName = textIn(lang, v.BrandName)
	if v.Brand != 0 {
		doc.Brand = key(v.Brand)
	}
	for _, c := range v.Categories {
		doc.Categories = append(doc.Categories, key(c.ID))
	}
	doc.attributes(v, dims)
	doc.Price, doc.Available, doc.InStock = &v.Price, &v.Available, &inStock
	doc.Popularity, doc.Boost, doc.Rank = &v.Popularity, &v.Boost, &rank
	doc.Created = v.CreatedAt
	doc.Card = card(v, text)
	return doc
}

// Tombstone makes the document of an offer that is not, or no longer, in the index in a language.
func Tombstone(v *view.Offer, lang string, dims *dimension.Set) Document {
	return Document{
		Store: key(v.Store), Lang: lang, Product: v.Product, Deleted: true,
		Source: Source{View: v.Version, Dimensions: dims.Version(), Position: v.Source.Position, Time: v.Source.Time},
	}
}

// Op returns the operation that stores the document under an alias.
func (d *Document) Op(alias string) (Op, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return Op{}, fmt.Errorf("encode search document %s:%d:%s: %w", d.Store, d.Product, d.Lang, err)
	}
	return Op{
		Alias: alias, ID: d.Store + ":" + key(d.Product) + ":" + d.Lang, Routing: d.Store,
		Version: Version(d.Source.View, d.Source.Dimensions), Body: body,
	}, nil
}

// key writes an id as the keyword it is indexed as.
func key(id int64) string { return strconv.FormatInt(id, 10) }

func card(v *view.Offer, text view.Text) *Card {
	c := &Card{
		Product: v.Product, Title: text.Title, Slug: text.Slug, Price: v.Price, ListPrice: v.ListPrice,
		Image: firstImage(v.Images), Brand: v.BrandName, InStock: v.InStock(),
		Rating: v.Reviews.Rating(), Reviews: v.Reviews.Count,
	}
	for _, variant := range v.Variants {
		c.LowStock = c.LowStock || (variant.LowStock && variant.Available > 0)
	}
	return c
}

func firstImage(raw json.RawMessage) string {
	var images []struct {
		URL string `json:"url"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &images) != nil || len(images) == 0 {
		return ""
	}
	return images[0].URL
}

package search

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"freshet/ingest/change"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// Document is what the index holds of one offer, in all languages of its store. Everything in it comes from the offer view,
// the store's languages and the attribute registry: the names and places of categories, labels and units are looked up when
// a page is read, so that moving or renaming a category writes nothing here.
type Document struct {
	Store       string               `json:"store"`
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
	Card        *Card                `json:"card,omitempty"`  // without title and slug
	Names       map[string]Name      `json:"names,omitempty"` // by language
	Source      Source               `json:"source"`
}

// Text is words by their language, each of which has a field of its own. Nil for none.
type Text map[string]string

// add adds words, if there are any.
func (t *Text) add(lang, words string) {
	if words == "" {
		return
	}
	if *t == nil {
		*t = Text{}
	}
	(*t)[lang] = words
}

// Name is what a card shows of an offer in one language; it is stored and not searched.
type Name struct {
	Title string `json:"title"`
	Slug  string `json:"slug"`
}

// Card is what a result list shows of an offer; it is stored and not searched.
type Card struct {
	Product   int64   `json:"product"`
	Title     string  `json:"title,omitempty"`
	Slug      string  `json:"slug,omitempty"`
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

// ID returns the id of an offer's document.
func ID(store, product int64) string { return fmt.Sprintf("%d:%d", store, product) }

// FromView makes the document of an offer, in the languages that the dimensions have of its store. One that shoppers may not
// see becomes a tombstone that keeps its version: Elasticsearch forgets a delete within a minute, and a late write would
// bring the offer back.
func FromView(v *view.Offer, dims *dimension.Set) Document {
	store, _ := dims.Store(v.Store) // one that is gone has no languages
	return inLanguages(v, store.Languages, dims)
}

func inLanguages(v *view.Offer, langs []string, dims *dimension.Set) Document {
	doc := Document{
		Store: key(v.Store), Product: v.Product, Deleted: true,
		Source: Source{View: v.Version, Dimensions: dims.Version(), Position: v.Source.Position, Time: v.Source.Time},
	}
	if v.Deleted || !v.Visible || len(langs) == 0 {
		return doc
	}
	rank := math.Round(v.Popularity*v.Boost*1e6) / 1e6
	inStock := v.InStock()
	doc.Deleted = false
	doc.say(v, langs)
	doc.Refs = references(v)
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
	doc.Card = card(v)
	return doc
}

// say adds what the offer is called. A measure counts in whichever of the titles it is.
func (d *Document) say(v *view.Offer, langs []string) {
	d.Names = make(map[string]Name, len(langs))
	for _, lang := range langs {
		text := v.TextIn(lang)
		d.Names[lang] = Name{text.Title, text.Slug}
		d.Title.add(lang, text.Title)
		d.Description.add(lang, text.Description)
		d.BrandName.add(lang, v.BrandName)
		d.Measures = append(d.Measures, measures(text.Title)...)
	}
	slices.Sort(d.Measures)
	d.Measures = slices.Compact(d.Measures)
}

// CardIn is what a result list shows in a language. An offer whose store has just begun to speak it is shown in another
// until its document is written again.
func (d *Document) CardIn(lang string) Card {
	if d.Card == nil {
		return Card{}
	}
	c := *d.Card
	c.name(d.Names, lang)
	return c
}

func (c *Card) name(names map[string]Name, lang string) {
	n, ok := names[lang]
	if !ok && len(names) > 0 {
		n = names[slices.Min(slices.Collect(maps.Keys(names)))]
	}
	c.Title, c.Slug = n.Title, n.Slug
}

// Op returns the operation that stores the document under an alias.
func (d *Document) Op(alias string) (Op, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return Op{}, fmt.Errorf("encode search document %s:%d: %w", d.Store, d.Product, err)
	}
	return Op{
		Alias: alias, ID: d.Store + ":" + key(d.Product), Routing: d.Store,
		Version: Version(d.Source.View, d.Source.Dimensions), Body: body,
	}, nil
}

// key writes an id as the keyword it is indexed as.
func key(id int64) string { return strconv.FormatInt(id, 10) }

func card(v *view.Offer) *Card {
	c := &Card{
		Product: v.Product, Price: v.Price, ListPrice: v.ListPrice,
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

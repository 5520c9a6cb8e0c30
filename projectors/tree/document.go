// Package tree keeps the pages of each store's category tree in MongoDB, one document per page and language: the home page
// ("homes", "<store>:<lang>") and a node per category ("nodes", "<store>:<category>:<lang>") with its breadcrumbs, children
// with counts and best cards.
//
// No document grows with the shop: a page that is more than a reader should load at once is cut into parts. The first is
// under the page's own id and says what its readers look at first; what doesn't go into it follows in "<id>#2", "<id>#3" and
// so on, and each part says which is the next (part.go).
//
// The worker that owns a store (its partition of the offer views and commands) keeps the store's Assortment in memory,
// loaded from the offers and products on first touch, and rewrites the documents that a view or a dimension touches. The
// API reads them through Store, one read by _id per page. Guarantee: when Handle has returned, every document of the
// touched stores says what the newest view of each offer and the newest dimensions say; views may come in any order and
// any number of times; a worker that lost its partition can't overwrite its successor (docs/adr/0012).
package tree

import (
	"strconv"

	"freshet/ingest/change"
)

// How many cards a page shows of a category.
const (
	HomeCards = 8
	NodeCards = 24
)

// How large a document may be, in bytes of BSON, and how many sections of a home page or children of a category it lists at
// most. What is more is in the page's next parts. The numbers end a part in shops as they are: where a part ends then
// doesn't move when a count grows a digit. The bytes end it where texts are as long as the tables let them be.
const (
	HomeCap      = 256 << 10
	NodeCap      = 64 << 10
	HomeSections = 40
	NodeChildren = 200
)

// Crumbs is how many breadcrumbs a page shows: of a way that is longer, the root and the last ones.
const Crumbs = 32

// maxImage is the longest address of an image that a card shows, in bytes; the column is free-form.
const maxImage = 2048

// Home is the document of a store's home page in one language, or of a part of it: the shown categories at the top of its tree.
type Home struct {
	ID         string            `bson:"_id" json:"-"`
	Ver        int64             `bson:"ver" json:"-"`
	Hash       int64             `bson:"hash" json:"-"` // of what a reader sees; equal content is not written again
	Deleted    bool              `bson:"deleted,omitempty" json:"-"`
	Store      int64             `bson:"store" json:"store"`
	Lang       string            `bson:"lang" json:"lang"`
	Part       int               `bson:"part" json:"part"` // from 1
	Categories []Section         `bson:"categories" json:"categories"`
	Next       int               `bson:"next,omitempty" json:"next,omitempty"` // part, 0 behind the last
	Source     change.Provenance `bson:"source" json:"source"`
}

// Section is a category on a home page.
type Section struct {
	ID    int64  `bson:"id" json:"id"`
	Slug  string `bson:"slug" json:"slug"`
	Name  string `bson:"name" json:"name"`
	Count int    `bson:"count" json:"count"`
	Cards []Card `bson:"cards" json:"cards"`
}

// Node is the document of a category page of a store in one language, or of a part of it. Only the first has Slug, Name,
// Breadcrumbs and Count.
type Node struct {
	ID          string            `bson:"_id" json:"-"`
	Ver         int64             `bson:"ver" json:"-"`
	Hash        int64             `bson:"hash" json:"-"`
	Deleted     bool              `bson:"deleted,omitempty" json:"-"`
	Store       int64             `bson:"store" json:"store"`
	Category    int64             `bson:"category" json:"category"`
	Lang        string            `bson:"lang" json:"lang"`
	Part        int               `bson:"part" json:"part"` // from 1
	Slug        string            `bson:"slug" json:"slug"`
	Name        string            `bson:"name" json:"name"`
	Breadcrumbs []Crumb           `bson:"breadcrumbs" json:"breadcrumbs"` // root first, the category itself last
	Children    []Child           `bson:"children" json:"children"`       // shown ones by position, also without offers
	Count       int               `bson:"count" json:"count"`             // distinct visible offers in or below the category, less those its rules hide
	Cards       []Card            `bson:"cards" json:"cards"`
	Facets      []Facet           `bson:"facets" json:"facets"`
	Next        int               `bson:"next,omitempty" json:"next,omitempty"` // part, 0 behind the last
	Source      change.Provenance `bson:"source" json:"source"`
}

// Facet is how often the values of an attribute occur among the offers in or below the category, or within which bounds its
// numbers are.
type Facet struct {
	Code   string       `bson:"code" json:"code"`
	Values []FacetValue `bson:"values" json:"values"`                     // the most frequent first; none of a number
	Bounds []float64    `bson:"bounds,omitempty" json:"bounds,omitempty"` // of a number, the least and the greatest
}

// FacetValue is a value and how many offers have it.
type FacetValue struct {
	Value string `bson:"value" json:"value"`
	Count int    `bson:"count" json:"count"`
}

// Crumb is a category on the way from the root.
type Crumb struct {
	ID   int64  `bson:"id" json:"id"`
	Slug string `bson:"slug" json:"slug"`
	Name string `bson:"name" json:"name"`
}

// Child is a category right below.
type Child struct {
	ID    int64  `bson:"id" json:"id"`
	Slug  string `bson:"slug" json:"slug"`
	Name  string `bson:"name" json:"name"`
	Count int    `bson:"count" json:"count"`
}

// Card is what a page shows of an offer; amounts are minor units of the store's currency.
type Card struct {
	Product   int64   `bson:"product" json:"product"`
	Title     string  `bson:"title" json:"title"`
	Slug      string  `bson:"slug" json:"slug"`
	Price     int64   `bson:"price" json:"price"`
	ListPrice int64   `bson:"list_price" json:"list_price"` // 0 for none
	Image     string  `bson:"image" json:"image"`           // "" for none
	Brand     string  `bson:"brand" json:"brand"`           // "" for none
	InStock   bool    `bson:"in_stock" json:"in_stock"`
	LowStock  bool    `bson:"low_stock" json:"low_stock"`
	Rating    float64 `bson:"rating" json:"rating"`   // average of the reviews to a tenth
	Reviews   int64   `bson:"reviews" json:"reviews"` // how many there are
}

// HomeID returns the _id of a store's home page. The documents of one store are one range in both collections:
// ["12:", "12;").
func HomeID(store int64, lang string) string { return strconv.FormatInt(store, 10) + ":" + lang }

// NodeID returns the _id of a category's page in a store.
func NodeID(store, category int64, lang string) string {
	return strconv.FormatInt(store, 10) + ":" + strconv.FormatInt(category, 10) + ":" + lang
}

// PartID returns the _id of a part of the page of an id, which is that of the first part itself.
func PartID(page string, part int) string {
	if part <= 1 {
		return page
	}
	return page + "#" + strconv.Itoa(part)
}

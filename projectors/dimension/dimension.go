// Package dimension keeps the small tables that others look things up in (stores, category trees, categories and their
// names, brands, sellers, attribute definitions) as documents in MongoDB, and loads them whole for whoever needs them.
//
// The projector folds the tables' topics into the collection "dimensions", one document per row, and then tells the stores
// that a change concerns through the command topic, so that their trees and search documents follow. Set is the loaded
// whole: an immutable value; Cache keeps a fresh one.
package dimension

import (
	"encoding/json"
	"time"
)

// Store is a row of stores.
type Store struct {
	ID        int64    `json:"id"`
	Code      string   `json:"code"`
	Name      string   `json:"name"`
	Market    string   `json:"market"`   // it, fr, de, es or en
	Currency  string   `json:"currency"` // ISO 4217
	Languages []string `json:"languages"`
	TreeID    int64    `json:"tree_id"`
	Active    bool     `json:"active"`
}

// Category is a row of categories; ParentID is nil at the top of a tree.
type Category struct {
	ID       int64  `json:"id"`
	TreeID   int64  `json:"tree_id"`
	ParentID *int64 `json:"parent_id"`
	Position int64  `json:"position"`
	Slug     string `json:"slug"`
	Active   bool   `json:"active"`
}

// CategoryText is a row of category_texts.
type CategoryText struct {
	CategoryID int64  `json:"category_id"`
	Lang       string `json:"lang"`
	Name       string `json:"name"`
}

// Brand is a row of brands.
type Brand struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Slug string `json:"slug"`
}

// Seller is a row of sellers.
type Seller struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Slug string `json:"slug"`
}

// Attribute is a row of attribute_defs.
type Attribute struct {
	Code        string  `json:"code"`
	Kind        string  `json:"kind"` // "keyword", "number" or "boolean"
	Facet       bool    `json:"facet"`
	NumericSlot *int64  `json:"numeric_slot"` // the search field n<slot> of a number; nil for other kinds
	Unit        *string `json:"unit"`
	Labels      string  `json:"labels"` // JSON object: language to label
	// Bounds are where the ranges of a number's facet end and begin, ascending; nil for a facet without ranges.
	Bounds []float64 `json:"bounds"`
}

// labels are by language. The column holds what a person wrote; one that is no map of strings has none.
func (a *Attribute) labels() map[string]string {
	var labels map[string]string
	if json.Unmarshal([]byte(a.Labels), &labels) != nil {
		return nil
	}
	return labels
}

// Synonyms is a row of search_synonyms: terms that mean the same, in one store or in all.
type Synonyms struct {
	ID      int64    `json:"id"`
	StoreID *int64   `json:"store_id"` // nil for every store
	Lang    string   `json:"lang"`
	Terms   []string `json:"terms"`
	Active  bool     `json:"active"`
}

// The actions of a Rule.
const (
	ActionPin   = "pin"   // show the product at Place
	ActionHide  = "hide"  // don't show it
	ActionBoost = "boost" // multiply its rank by Factor
)

// Rule is a row of search_rules: what a merchant wants of a product where all that the rule names is so.
type Rule struct {
	ID         int64    `json:"id"`
	StoreID    *int64   `json:"store_id"`    // nil for every store
	Query      *string  `json:"query"`       // nil for every query, and for none
	CategoryID *int64   `json:"category_id"` // nil for every category, and for none
	ProductID  int64    `json:"product_id"`
	Action     string   `json:"action"`
	Place      *int64   `json:"place"`  // of a pin, from 1
	Factor     *float64 `json:"factor"` // of a boost
	Active     bool     `json:"active"`
}

// Facets is a row of search_facets: which facets pages show, in their order.
type Facets struct {
	ID         int64    `json:"id"`
	StoreID    *int64   `json:"store_id"`    // nil for every store
	CategoryID *int64   `json:"category_id"` // nil for pages of no category
	Facets     []string `json:"facets"`
	Active     bool     `json:"active"`
}

// Banner is a row of search_banners: a picture above a result where all that it names is so.
type Banner struct {
	ID         int64   `json:"id"`
	StoreID    *int64  `json:"store_id"`
	Query      *string `json:"query"`
	CategoryID *int64  `json:"category_id"`
	Lang       *string `json:"lang"`
	Title      string  `json:"title"`
	Image      string  `json:"image"`
	URL        string  `json:"url"`
	Place      int64   `json:"place"`
	ValidFrom  *string `json:"valid_from"` // RFC 3339
	ValidTo    *string `json:"valid_to"`
	Active     bool    `json:"active"`
}

// Freshness says how far a loaded Set is: its version in the store, and when it was loaded.
type Freshness struct {
	Version int64
	Loaded  time.Time
}

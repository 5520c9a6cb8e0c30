package dimension

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"freshet/ingest/change"
)

// Tables are the tables that the projector keeps.
var Tables = []string{
	"stores", "category_trees", "categories", "category_texts", "brands", "sellers", "attribute_defs", "search_synonyms", "search_rules",
	"search_facets", "search_banners",
}

// Edit is an event made ready to be folded into its row's document.
type Edit struct {
	Row   string // id of the document
	table string
	tree  int64  // of a row of categories, 0 when not known
	store int64  // of a row of search_rules, everyStore for one of all, 0 when not known
	form  string // of a row that has forms, "" when not known
	ev    change.Event
}

// everyStore stands in Row.Stores for a rule of no store in particular.
const everyStore = -1

// key holds what the primary keys of the tables are made of.
type key struct {
	ID         int64  `json:"id"`
	CategoryID int64  `json:"category_id"`
	Lang       string `json:"lang"`
	Code       string `json:"code"`
}

// shapes are what a row of each table must decode into, so that a Set can be made of it.
var shapes = map[string]func() any{
	"stores":          func() any { return new(Store) },
	"category_trees":  func() any { return new(key) },
	"categories":      func() any { return new(Category) },
	"category_texts":  func() any { return new(CategoryText) },
	"brands":          func() any { return new(Brand) },
	"sellers":         func() any { return new(Seller) },
	"attribute_defs":  func() any { return new(Attribute) },
	"search_synonyms": func() any { return new(Synonyms) },
	"search_rules":    func() any { return new(Rule) },
	"search_facets":   func() any { return new(Facets) },
	"search_banners":  func() any { return new(Banner) },
}

// Read decodes an event and finds out which document it belongs to. The error wraps change.ErrMalformed.
func Read(ev change.Event) (Edit, error) {
	table, isPublic := strings.CutPrefix(ev.Table, "public.")
	shape := shapes[table]
	if !isPublic || shape == nil {
		return Edit{}, fmt.Errorf("%w: table %q is none of the dimensions", change.ErrMalformed, ev.Table)
	}
	if err := ev.Foldable(); err != nil {
		return Edit{}, err
	}
	e := Edit{table: table, ev: ev}
	var err error
	if e.Row, err = rowID(table, ev); err != nil {
		return Edit{}, err
	}
	if ev.Op == change.Delete {
		if table == "stores" || table == "attribute_defs" {
			e.form = formGone
		}
		return e, nil
	}
	row := shape()
	if err := ev.Row(row); err != nil {
		return Edit{}, err
	}
	switch row := row.(type) {
	case *Store:
		if !ev.IsUnchanged("languages") { // else TOAST has left them out, and they are as they were
			e.form = formOf(row)
		}
	case *Attribute:
		e.form = formOf(row)
	case *Category:
		e.tree = row.TreeID
	case *Rule:
		if e.store = everyStore; row.StoreID != nil {
			e.store = *row.StoreID
		}
	}
	return e, nil
}

// rowID returns the _id of the row's document.
func rowID(table string, ev change.Event) (string, error) {
	var k key
	if err := ev.Row(&k); err != nil {
		return "", err
	}
	switch {
	case table == "category_texts" && k.CategoryID != 0 && k.Lang != "":
		return fmt.Sprintf("%s:%d:%s", table, k.CategoryID, k.Lang), nil
	case table == "attribute_defs" && k.Code != "":
		return table + ":" + k.Code, nil
	case table != "category_texts" && table != "attribute_defs" && k.ID != 0:
		return numbered(table, k.ID), nil
	}
	return "", fmt.Errorf("%w: row of %s does not say its key", change.ErrMalformed, ev.Table)
}

func numbered(table string, id int64) string { return table + ":" + strconv.FormatInt(id, 10) }

// storeOf decodes a stored row of stores.
func storeOf(raw json.RawMessage) (Store, error) {
	var s Store
	if err := json.Unmarshal(raw, &s); err != nil {
		return Store{}, fmt.Errorf("stored row of stores: %w", err)
	}
	return s, nil
}

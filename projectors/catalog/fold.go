package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"freshet/ingest/change"
)

// Edit is an event made ready to be folded into the document of its product, any number of times.
type Edit struct {
	Product int64 // id of the document
	source  change.Provenance
	apply   func(*Product) bool
	lost    func(*Product) bool // nil when nothing can be lost
}

// Fold folds an event of products, product_texts, product_categories or variants into its product's document, and says
// whether that changed it. The error wraps change.ErrMalformed.
//
// Events may come repeatedly and in any order; the same set of them always makes the same document. There is one
// exception: a row that moves to another key without its TOASTed value takes the value over from where it was, so it must
// be folded after the events of the old key, as a topic's partition delivers them.
func Fold(p *Product, ev change.Event) (changed bool, err error) {
	e, err := Read(ev)
	if err != nil {
		return false, err
	}
	return e.Fold(p), nil
}

// Read decodes an event and finds out which product it belongs to.
func Read(ev change.Event) (Edit, error) {
	if err := ev.Foldable(); err != nil {
		return Edit{}, err
	}
	var e Edit
	var err error
	switch ev.Table {
	case "public.products":
		e, err = readProduct(ev)
	case "public.product_texts":
		e, err = readText(ev)
	case "public.product_categories":
		e, err = readCategory(ev)
	case "public.variants":
		e, err = readVariant(ev)
	default:
		err = fmt.Errorf("%w: table %q is none of the catalog's", change.ErrMalformed, ev.Table)
	}
	if err != nil {
		return Edit{}, err
	}
	if e.Product == 0 {
		return Edit{}, fmt.Errorf("%w: %s of %s does not say its product", change.ErrMalformed, string(ev.Op), ev.Table)
	}
	// MongoDB keeps milliseconds: a document is the same whether it was just folded or loaded.
	e.source = change.Provenance{Position: ev.Position, Time: ev.CommitTime.Truncate(time.Millisecond)}
	return e, nil
}

// Fold folds the edit, and says whether that changed the document.
func (e Edit) Fold(p *Product) bool {
	if !e.apply(p) {
		return false
	}
	p.ID = e.Product
	p.Source = p.Source.Newest(e.source)
	p.forget()
	return true
}

// Lost says whether the document, after the fold, lacks a value that the row has: a row that moved here from another
// product without its TOASTed value, which nothing but a new write of the column can tell.
func (e Edit) Lost(p *Product) bool { return e.lost != nil && e.lost(p) }

// forget clears what tombstones still hold. A row that moves to another key is a delete and a create of one transaction,
// and the create may have to take a TOASTed value over from the deleted section; so those values live until a row of the
// same table has come from a later transaction. Another table's says nothing: its topic may be far ahead.
func (p *Product) forget() {
	var text, variant change.LSN
	for i := range p.Texts {
		text = max(text, p.Texts[i].Pos.Commit)
	}
	for i := range p.Variants {
		variant = max(variant, p.Variants[i].Pos.Commit)
	}
	for i := range p.Texts {
		if t := &p.Texts[i]; t.Deleted && t.Pos.Commit < text {
			t.Title, t.Description = "", ""
		}
	}
	for i := range p.Variants {
		if v := &p.Variants[i]; v.Deleted && v.Pos.Commit < variant {
			v.Options = nil
		}
	}
}

// jsonText is a jsonb column: the envelope carries its text in a JSON string.
type jsonText string

func (j jsonText) raw(ev change.Event, column string) (json.RawMessage, error) {
	if ev.Op == change.Delete || ev.IsUnchanged(column) {
		return nil, nil
	}
	if !json.Valid([]byte(j)) {
		return nil, fmt.Errorf("%w: column %s of %s is no JSON", change.ErrMalformed, column, ev.Table)
	}
	return json.RawMessage(j), nil
}

type productRow struct {
	ID         int64    `json:"id"`
	SellerID   int64    `json:"seller_id"`
	BrandID    int64    `json:"brand_id"`
	Type       string   `json:"type"`
	Status     string   `json:"status"`
	GTIN       string   `json:"gtin"`
	Attributes jsonText `json:"attributes"`
	Images     jsonText `json:"images"`
	CreatedAt  string   `json:"created_at"`
}

func readProduct(ev change.Event) (Edit, error) {
	var r productRow
	if err := ev.Row(&r); err != nil {
		return Edit{}, err
	}
	attributes, err := r.Attributes.raw(ev, "attributes")
	if err != nil {
		return Edit{}, err
	}
	images, err := r.Images.raw(ev, "images")
	if err != nil {
		return Edit{}, err
	}
	if ev.Op == change.Create && (ev.IsUnchanged("attributes") || ev.IsUnchanged("images")) {
		return Edit{}, fmt.Errorf("%w: product %d changed its id and the log does not carry its %v: write those columns again", change.ErrMalformed, r.ID, ev.Unchanged)
	}
	row := Row{
		Pos: ev.Position, SellerID: r.SellerID, BrandID: r.BrandID, Type: r.Type,
		Status: r.Status, GTIN: r.GTIN, CreatedAt: r.CreatedAt,
	}
	if ev.Op == change.Delete {
		row = Row{Pos: ev.Position, Deleted: true}
	}
	return Edit{Product: r.ID, apply: func(p *Product) bool {
		changed := false
		if ev.Position.After(p.Row.Pos) {
			p.Row, changed = row, true
			if p.Brand.ID != row.BrandID {
				p.Brand = Brand{} // of the brand before; the handler folds the new one's name in
			}
		}
		if !ev.IsUnchanged("attributes") && ev.Position.After(p.Attributes.Pos) {
			p.Attributes, changed = Attributes{Pos: ev.Position, Value: attributes}, true
		}
		if !ev.IsUnchanged("images") && ev.Position.After(p.Images.Pos) {
			p.Images, changed = Images{Pos: ev.Position, Value: images}, true
		}
		return changed
	}}, nil
}

type categoryRow struct {
	ProductID  int64 `json:"product_id"`
	CategoryID int64 `json:"category_id"`
	Position   int64 `json:"position"`
}

func readCategory(ev change.Event) (Edit, error) {
	var r categoryRow
	if err := ev.Row(&r); err != nil {
		return Edit{}, err
	}
	section := Category{ID: r.CategoryID, Pos: ev.Position, Position: r.Position}
	if ev.Op == change.Delete {
		section = Category{ID: r.CategoryID, Pos: ev.Position, Deleted: true}
	}
	return Edit{Product: r.ProductID, apply: func(p *Product) bool {
		c := at(&p.Categories, r.CategoryID, func(c Category) int64 { return c.ID }, Category{ID: r.CategoryID})
		if !ev.Position.After(c.Pos) {
			return false
		}
		*c = section
		return true
	}}, nil
}

// at returns the section with that key, which it inserts at its place where there is none.
func at[S any, K cmp.Ordered](list *[]S, key K, keyOf func(S) K, fresh S) *S {
	i, found := slices.BinarySearchFunc(*list, key, func(s S, k K) int { return cmp.Compare(keyOf(s), k) })
	if !found {
		*list = slices.Insert(*list, i, fresh)
	}
	return &(*list)[i]
}

package catalog

import (
	"encoding/json"
	"fmt"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// A column that TOAST can leave out of an update has a position of its own beside its value: an update that does not carry
// it moves the row on and leaves the value as it is, and the older event that does carry it may come later.
//
// A row that moves to another key (a text to another language, say) is a delete and a create; the create too carries only
// what the statement wrote. The value is then the one of the section that was deleted one place before in the same
// transaction.

// before says whether p is the place in its transaction right before q.
func before(p, q change.Position) bool { return p.Commit == q.Commit && p.Index+1 == q.Index }

type textRow struct {
	ProductID   int64  `json:"product_id"`
	Lang        string `json:"lang"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Slug        string `json:"slug"`
}

func readText(ev change.Event) (Edit, error) {
	var r textRow
	if err := ev.Row(&r); err != nil {
		return Edit{}, err
	}
	if r.Lang == "" {
		return Edit{}, fmt.Errorf("%w: text of product %d does not say its language", change.ErrMalformed, r.ProductID)
	}
	e := Edit{Product: r.ProductID, apply: func(p *Product) bool {
		t := at(&p.Texts, r.Lang, func(t Text) string { return t.Lang }, Text{Lang: r.Lang})
		changed := false
		if ev.Position.After(t.Pos) {
			t.Pos, t.Deleted, t.Slug, changed = ev.Position, ev.Op == change.Delete, r.Slug, true
			if t.Deleted {
				t.Slug = ""
			}
		}
		if ev.Op == change.Delete {
			return changed
		}
		var old Text
		for _, o := range p.Texts {
			if ev.Op == change.Create && o.Deleted && before(o.Pos, ev.Position) {
				old = o
			}
		}
		changed = carry(ev, "title", r.Title, old.Title, !old.Pos.IsZero(), &t.Title, &t.TitlePos) || changed
		return carry(ev, "description", r.Description, old.Description, !old.Pos.IsZero(), &t.Description, &t.DescPos) || changed
	}}
	if ev.Op == change.Create && len(ev.Unchanged) > 0 {
		e.lost = func(p *Product) bool {
			t := at(&p.Texts, r.Lang, func(t Text) string { return t.Lang }, Text{Lang: r.Lang})
			return t.Pos == ev.Position && (t.TitlePos != ev.Position || t.DescPos != ev.Position)
		}
	}
	return e, nil
}

type variantRow struct {
	SKU       string   `json:"sku"`
	ProductID int64    `json:"product_id"`
	Options   jsonText `json:"options"`
	GTIN      string   `json:"gtin"`
}

func readVariant(ev change.Event) (Edit, error) {
	var r variantRow
	if err := ev.Row(&r); err != nil {
		return Edit{}, err
	}
	if r.SKU == "" {
		return Edit{}, fmt.Errorf("%w: variant of product %d does not say its SKU", change.ErrMalformed, r.ProductID)
	}
	options, err := r.Options.raw(ev, "options")
	if err != nil {
		return Edit{}, err
	}
	e := Edit{Product: r.ProductID, apply: func(p *Product) bool {
		v := at(&p.Variants, r.SKU, func(v Variant) string { return v.SKU }, Variant{SKU: r.SKU})
		changed := false
		if ev.Position.After(v.Pos) {
			v.Pos, v.Deleted, v.GTIN, changed = ev.Position, ev.Op == change.Delete, r.GTIN, true
			if v.Deleted {
				v.GTIN = ""
			}
		}
		if ev.Op == change.Delete {
			return changed
		}
		var old Variant
		for _, o := range p.Variants {
			if ev.Op == change.Create && o.Deleted && before(o.Pos, ev.Position) {
				old = o
			}
		}
		return carry[json.RawMessage](ev, "options", options, old.Options, !old.Pos.IsZero(), &v.Options, &v.OptionsPos) || changed
	}}
	if ev.Op == change.Create && len(ev.Unchanged) > 0 {
		e.lost = func(p *Product) bool {
			v := at(&p.Variants, r.SKU, func(v Variant) string { return v.SKU }, Variant{SKU: r.SKU})
			return v.Pos == ev.Position && v.OptionsPos != ev.Position
		}
	}
	return e, nil
}

// carry takes the column's value from the event, or for a moved row from its old section, if it is later than the one there.
func carry[V any](ev change.Event, column string, value, moved V, isMoved bool, into *V, pos *change.Position) bool {
	if !ev.Position.After(*pos) {
		return false
	}
	switch {
	case !ev.IsUnchanged(column) || (column == "description" && failpoint.Enabled("take-placeholder")):
		*into, *pos = value, ev.Position
	case isMoved:
		*into, *pos = moved, ev.Position
	default:
		return false
	}
	return true
}

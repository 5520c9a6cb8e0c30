package catalog

import (
	"fmt"

	"freshet/ingest/change"
)

// BrandName is the document brand_names/{brand id}: what the catalog knows of a brand, from which products take the name.
type BrandName struct {
	ID      int64           `bson:"_id"`
	Rev     int64           `bson:"rev"`
	Pos     change.Position `bson:"pos"`
	Deleted bool            `bson:"deleted,omitempty"`
	Name    string          `bson:"name"`
}

// DocumentID is the field stored as _id.
func (b *BrandName) DocumentID() *int64 { return &b.ID }

// Revision is the field stored as rev.
func (b *BrandName) Revision() *int64 { return &b.Rev }

// ReadBrand decodes an event of brands; Rev is left 0.
func ReadBrand(ev change.Event) (BrandName, error) {
	switch ev.Op {
	case change.Create, change.Update, change.Delete, change.Read:
	default:
		return BrandName{}, fmt.Errorf("%w: op %q on %s", change.ErrMalformed, rune(ev.Op), ev.Table)
	}
	var r struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	if err := ev.Row(&r); err != nil {
		return BrandName{}, err
	}
	if r.ID == 0 {
		return BrandName{}, fmt.Errorf("%w: brand without id", change.ErrMalformed)
	}
	if ev.Op == change.Delete {
		return BrandName{ID: r.ID, Pos: ev.Position, Deleted: true}, nil
	}
	return BrandName{ID: r.ID, Pos: ev.Position, Name: r.Name}, nil
}

// Fold takes over what a later event says, and says whether that changed the document.
func (b *BrandName) Fold(later BrandName) bool {
	if !later.Pos.After(b.Pos) {
		return false
	}
	b.Pos, b.Deleted, b.Name = later.Pos, later.Deleted, later.Name
	return true
}

// newerFor says whether the product should take this name over.
func (b *BrandName) newerFor(p *Product) bool {
	return p.Row.BrandID == b.ID && (p.Brand.ID != b.ID || b.Pos.After(p.Brand.Pos))
}

// FoldBrand gives the product the name of its brand, if b, which may be nil, is its brand and newer than what it has.
func FoldBrand(p *Product, b *BrandName) bool {
	if b == nil || !b.newerFor(p) {
		return false
	}
	p.Brand = Brand{ID: b.ID, Pos: b.Pos, Name: b.Name}
	return true
}

package catalog

import (
	"fmt"

	"freshet/ingest/change"
)

// Review is the document reviews/{product id}:{review id}: the part of a row that its product's summary is counted from. The
// product is in the id, so that a review that moves to another product leaves a tombstone where it was.
type Review struct {
	ID      string          `bson:"_id"`
	Rev     int64           `bson:"rev"`
	Product int64           `bson:"product"`
	Pos     change.Position `bson:"pos"`
	Rating  int64           `bson:"rating"` // 1 to 5; 0 of one that is deleted or not published
}

// DocumentID is the field stored as _id.
func (r *Review) DocumentID() *string { return &r.ID }

// Revision is the field stored as rev.
func (r *Review) Revision() *int64 { return &r.Rev }

// Reviews is the section of what a product's published reviews say. Seq is the sum of the reviews' revisions: none of them
// ever goes back, so of two counts the one that has seen more changes is the higher, whoever counted.
type Reviews struct {
	Seq   int64 `bson:"seq"`
	Count int64 `bson:"count"`
	Sum   int64 `bson:"sum"` // of the ratings
}

// ReadReview decodes an event of reviews; Rev is left 0.
func ReadReview(ev change.Event) (Review, error) {
	switch ev.Op {
	case change.Create, change.Update, change.Delete, change.Read:
	default:
		return Review{}, fmt.Errorf("%w: op %q on %s", change.ErrMalformed, rune(ev.Op), ev.Table)
	}
	var row struct {
		ID        int64  `json:"id"`
		ProductID int64  `json:"product_id"`
		Rating    int64  `json:"rating"`
		Status    string `json:"status"`
	}
	if err := ev.Row(&row); err != nil {
		return Review{}, err
	}
	if row.ID == 0 || row.ProductID == 0 || ev.Position.IsZero() {
		return Review{}, fmt.Errorf("%w: %s of %s does not say its id, product and position", change.ErrMalformed, string(ev.Op), ev.Table)
	}
	r := Review{ID: fmt.Sprintf("%d:%d", row.ProductID, row.ID), Product: row.ProductID, Pos: ev.Position}
	if ev.Op != change.Delete && row.Status == "published" {
		r.Rating = row.Rating
	}
	return r, nil
}

// Fold takes over what a later event says, and says whether that changed the document.
func (r *Review) Fold(later Review) bool {
	if !later.Pos.After(r.Pos) {
		return false
	}
	r.Product, r.Pos, r.Rating = later.Product, later.Pos, later.Rating
	return true
}

// count adds a review to the summary.
func (s *Reviews) count(r *Review) {
	s.Seq += r.Rev
	if r.Rating > 0 {
		s.Count++
		s.Sum += r.Rating
	}
}

// FoldReviews gives the product a summary of its reviews, if it has seen more of them than the one it has.
func FoldReviews(p *Product, s Reviews) bool {
	if s.Seq <= p.Reviews.Seq {
		return false
	}
	p.Reviews = s
	return true
}

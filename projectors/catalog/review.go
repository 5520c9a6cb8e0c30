package catalog

import (
	"fmt"

	"freshet/ingest/change"
)

// ratingParts is how many documents the reviews of a product are spread over, so that one of a hundred thousand reviews does
// not rewrite all the others.
const ratingParts = 16

// Ratings is the document ratings/{product id}:{part}: what a part of a product's reviews count for.
type Ratings struct {
	ID      string   `bson:"_id"`
	Rev     int64    `bson:"rev"`
	Reviews []Review `bson:"reviews"` // by id
}

// Review is the section of a reviews row. The log does not tell what a review was before, so each keeps what it counts for.
type Review struct {
	ID     int64           `bson:"id"`
	Pos    change.Position `bson:"pos"`
	Rating int64           `bson:"rating"` // 1 to 5; 0 of one that is deleted, not published, or another product's by now
}

// Tally is the section of a product that one of its Ratings makes: how many of the reviews in it are published, and the sum of
// their ratings. The revision of that document orders tallies.
type Tally struct {
	Part  int64 `bson:"part"`
	Rev   int64 `bson:"rev"`
	Count int64 `bson:"count"`
	Sum   int64 `bson:"sum"`
}

// DocumentID is the field stored as _id.
func (r *Ratings) DocumentID() *string { return &r.ID }

// Revision is the field stored as rev.
func (r *Ratings) Revision() *int64 { return &r.Rev }

// judgement is an event of reviews made ready to be folded.
type judgement struct {
	product, part int64
	review        Review
}

// document is the id of the Ratings that the review belongs to.
func (j judgement) document() string { return ratingID(j.product, j.part) }

func ratingID(product, part int64) string { return fmt.Sprintf("%d:%d", product, part) }

// RatingIDs are the ids of all Ratings that a product may have.
func RatingIDs(product int64) []string {
	ids := make([]string, ratingParts)
	for part := range ids {
		ids[part] = ratingID(product, int64(part))
	}
	return ids
}

// readReview decodes an event of reviews.
func readReview(ev change.Event) (judgement, error) {
	switch ev.Op {
	case change.Create, change.Update, change.Delete, change.Read:
	default:
		return judgement{}, fmt.Errorf("%w: op %q on %s", change.ErrMalformed, rune(ev.Op), ev.Table)
	}
	var row struct {
		ID        int64  `json:"id"`
		ProductID int64  `json:"product_id"`
		Rating    int64  `json:"rating"`
		Status    string `json:"status"`
	}
	if err := ev.Row(&row); err != nil {
		return judgement{}, err
	}
	if row.ID <= 0 || row.ProductID == 0 || ev.Position.IsZero() {
		return judgement{}, fmt.Errorf("%w: %s of %s does not say its id, product and position", change.ErrMalformed, string(ev.Op), ev.Table)
	}
	j := judgement{product: row.ProductID, part: row.ID % ratingParts, review: Review{ID: row.ID, Pos: ev.Position}}
	if ev.Op != change.Delete && row.Status == "published" {
		j.review.Rating = row.Rating
	}
	return j, nil
}

// fold takes over what a later event says of a review, and says whether that changed the document.
func (r *Ratings) fold(j judgement) bool {
	section := at(&r.Reviews, j.review.ID, func(v Review) int64 { return v.ID }, Review{ID: j.review.ID})
	if !j.review.Pos.After(section.Pos) {
		return false
	}
	*section = j.review
	return true
}

// tally counts the reviews.
func (r *Ratings) tally(part int64) Tally {
	t := Tally{Part: part, Rev: r.Rev}
	for i := range r.Reviews {
		if rating := r.Reviews[i].Rating; rating > 0 {
			t.Count++
			t.Sum += rating
		}
	}
	return t
}

// take gives the product a tally, if it is newer than the one it has of that part.
func (p *Product) take(t Tally) bool {
	section := at(&p.Reviews, t.Part, func(t Tally) int64 { return t.Part }, Tally{Part: t.Part})
	if t.Rev <= section.Rev {
		return false
	}
	*section = t
	return true
}

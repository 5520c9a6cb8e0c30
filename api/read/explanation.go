package read

import (
	"context"

	"freshet/projectors/dimension"
	"freshet/search"
)

// Explanation says why a product is where it is in a list.
type Explanation struct {
	Product int64    `json:"product"`
	Score   float64  `json:"score,omitempty"`
	Reasons []Reason `json:"reasons"`
}

// Reason is one thing that moves it.
type Reason struct {
	Kind   string  `json:"kind"`
	Factor float64 `json:"factor,omitempty"` // what it multiplies the score by
	Text   string  `json:"text"`
}

// explanations asks why the hits of a page are where they are.
func (s *Shop) explanations(ctx context.Context, q search.Query, r *search.Result, dims *dimension.Set) ([]Explanation, error) {
	q.Offset = 0 // the hits are known; where the page was cut is no matter
	found, err := s.cfg.Searcher.Explain(ctx, q, r, dims)
	if err != nil {
		return nil, err
	}
	list := make([]Explanation, len(found))
	for i, e := range found {
		list[i] = Explanation{Product: e.Product, Score: e.Score, Reasons: make([]Reason, len(e.Reasons))}
		for n, reason := range e.Reasons {
			list[i].Reasons[n] = Reason(reason)
		}
	}
	return list, nil
}

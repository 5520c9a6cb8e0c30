package tree

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/projectors/offer"
)

// again is what commands ask to be stored again of a store: an operator, or an audit, has found it damaged.
type again struct {
	products   []int64 // the pages of all categories that they stand in
	categories []int64 // their own pages
}

// reproject joins the views of the products again and has the pages stored whatever is stored of them.
func (h *Handler) reproject(ctx context.Context, st *state, a again) error {
	if len(a.products) > 0 {
		ids := make(bson.A, len(a.products))
		for i, product := range a.products {
			ids[i] = offer.ID(st.plan.store, product)
		}
		cur, err := h.store.offers.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
		if err != nil {
			return fmt.Errorf("read offers of store %d: %w", st.plan.store, err)
		}
		var offers []*offer.Offer
		if err := cur.All(ctx, &offers); err != nil {
			return fmt.Errorf("read offers of store %d: %w", st.plan.store, err)
		}
		for _, product := range a.products {
			st.distrustItem(st.items[product]) // where it stood
		}
		views, err := h.store.join(ctx, st.plan.store, offers)
		if err != nil {
			return err
		}
		for i := range views {
			st.Apply(&views[i])
		}
		for _, product := range a.products {
			st.distrustItem(st.items[product]) // where it stands
		}
	}
	for _, category := range a.categories {
		st.distrust(category)
	}
	st.swept = st.swept && len(a.products)+len(a.categories) == 0
	return nil
}

// distrustItem has every page stored again that may show the item.
func (s *state) distrustItem(it *item) {
	if it == nil {
		return
	}
	for _, place := range it.places {
		for at := s.plan.places[place.category]; at != nil; at = at.parent {
			s.distrust(at.id)
		}
	}
	s.home = true
	s.forget(0)
}

// distrust has the pages of a category stored again; those of one that is not shown are only swept.
func (s *state) distrust(category int64) {
	if s.plan.places[category] == nil {
		return
	}
	s.changed[category] = true
	s.forget(category)
}

// forget drops what is known to be stored of a page: the next write puts it there if it is missing, and over what is there.
func (s *state) forget(category int64) {
	for _, lang := range s.plan.langs {
		page := key{category, lang, 0}
		for part := 1; part <= max(1, s.parts[page]); part++ {
			delete(s.stored, page.at(part))
		}
	}
}

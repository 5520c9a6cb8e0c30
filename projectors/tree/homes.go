package tree

import (
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// Homes makes the home pages of one store from the views of its offers, as the stage would, where no stage runs: a
// benchmark keeps a thousand stores' pages with it. Where they are stored, and under which guard, is the caller's affair.
// It belongs to one goroutine at a time.
type Homes struct{ assortment *Assortment }

// NewHomes returns the pages of a store without offers.
func NewHomes(dims *dimension.Set, store int64) *Homes {
	return &Homes{newAssortment(newPlan(dims, store))}
}

// Apply takes a view in, if none newer was taken before.
func (h *Homes) Apply(v *view.Offer) { h.assortment.Apply(v) }

// Changed builds the page of each language, not cut into parts, or none at all where they show what they showed when it was
// last called.
func (h *Homes) Changed() []Home {
	a := h.assortment
	a.settle()
	defer a.clean()
	if !a.home {
		return nil
	}
	pages := make([]Home, len(a.plan.langs))
	for lang := range pages {
		pages[lang] = a.homePage(lang)
	}
	return pages
}

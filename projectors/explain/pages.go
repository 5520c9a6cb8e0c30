package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"freshet/projectors/dimension"
	"freshet/projectors/tree"
)

// maxPages bounds how many pages are looked at: a product may stand in many categories of deep trees.
const maxPages = 60

// treeStages are those that a page is made by.
var treeStages = []string{"ingest", "dimension", "catalog", "offer", "tree"}

// tree looks at every page of the store that the product may be on: the categories that it stands in and all above, and the
// home page, in each language.
func (t *tour) tree(ctx context.Context) error {
	if err := t.cfg.Dimensions.Refresh(ctx); err != nil {
		return err
	}
	set := t.cfg.Dimensions.Get()
	store, known := set.Store(t.Store)
	if !known {
		h := Hop{Hop: "node", Where: fmt.Sprintf("dimensions/stores:%d", t.Store)}
		t.short(&h, []string{"ingest", "dimension"}, "store-unknown", "freshet snapshot stores", "the dimensions do not have store %s", t.Code)
		t.add(h)
		return nil
	}
	looked := 0
	for _, lang := range store.Languages {
		for _, category := range t.categories(set, store.TreeID) {
			if looked++; looked > maxPages {
				h := Hop{Hop: "node"}
				h.find(Note, "more-pages", "", "only %d pages were looked at", maxPages)
				t.add(h)
				return nil
			}
			if err := t.node(ctx, store, category, lang); err != nil {
				return err
			}
		}
		if err := t.home(ctx, set, store, lang); err != nil {
			return err
		}
	}
	return nil
}

// categories are those that the view names and that are in the tree, with all above them, each once.
func (t *tour) categories(set *dimension.Set, treeID int64) (all []dimension.Category) {
	for _, c := range t.docs.view.Categories {
		for _, p := range set.Path(c.ID) {
			if p.TreeID == treeID && !slices.ContainsFunc(all, func(x dimension.Category) bool { return x.ID == p.ID }) {
				all = append(all, p)
			}
		}
	}
	return all
}

func (t *tour) node(ctx context.Context, store dimension.Store, category dimension.Category, lang string) error {
	h := Hop{Hop: "node", Where: "nodes/" + tree.NodeID(t.Store, category.ID, lang)}
	n, err := t.pages.WholeNode(ctx, t.Store, category.ID, lang)
	shown := store.Active && t.cfg.Dimensions.Get().Shown(category.ID)
	mend := fmt.Sprintf("freshet reproject --store %s --category %d", t.Code, category.ID)
	switch {
	case errors.Is(err, tree.ErrNotFound) && shown:
		t.short(&h, treeStages, "page-missing", mend, "the page of category %s is not there", category.Slug)
	case errors.Is(err, tree.ErrNotFound):
		h.find(Filter, "category-not-shown", "show the category and all above it", "category %s has no page: it, one above it or the store is not active", category.Slug)
	case err != nil:
		return err
	default:
		h.Found, h.Version = true, n.Ver
		h.from(n.Source)
		h.Holds = fmt.Sprintf("%d offers in %s", n.Count, category.Slug)
		t.card(&h, mend, n.Cards, n.Count, tree.NodeCards)
	}
	t.add(h)
	return nil
}

// card compares the product's card on a page, or its absence, with the view.
func (t *tour) card(h *Hop, mend string, cards []tree.Card, count, room int) {
	v := &t.docs.view
	at := slices.IndexFunc(cards, func(c tree.Card) bool { return c.Product == t.Product })
	visible := v.Visible && !v.Deleted
	switch {
	case at >= 0 && !visible:
		t.short(h, treeStages, "card-remains", mend, "the page still shows the product as number %d", at+1)
	case at >= 0 && cards[at].Price != v.Price:
		t.short(h, treeStages, "card-differs", mend, "the card's price is %d, the view's %d", cards[at].Price, v.Price)
	case at >= 0:
		h.Holds += fmt.Sprintf(", the product is number %d", at+1)
	case !visible:
	case count > room:
		h.find(Note, "not-among-best", "raise offers.boost, or sell more of it",
			"it is not among the %d best of %d: pages list what is in stock first, then by popularity times boost", len(cards), count)
	default:
		t.short(h, treeStages, "card-missing", mend, "the page shows all its %d offers, and not this one", count)
	}
}

// home looks whether the product is among the best of a section of the home page.
func (t *tour) home(ctx context.Context, set *dimension.Set, store dimension.Store, lang string) error {
	h := Hop{Hop: "home", Where: "homes/" + tree.HomeID(t.Store, lang)}
	page, err := t.pages.WholeHome(ctx, t.Store, lang)
	switch {
	case errors.Is(err, tree.ErrNotFound) && store.Active:
		t.short(&h, treeStages, "page-missing", "freshet rebuild "+t.Code, "the home page is not there")
	case errors.Is(err, tree.ErrNotFound):
		h.find(Filter, "store-inactive", fmt.Sprintf("update stores set active = true where id = %d", t.Store), "a closed store has no home page")
	case err != nil:
		return err
	default:
		h.Found, h.Version = true, page.Ver
		h.from(page.Source)
		h.Holds = fmt.Sprintf("%d sections", len(page.Categories))
		for _, c := range t.categories(set, store.TreeID) {
			i := slices.IndexFunc(page.Categories, func(s tree.Section) bool { return s.ID == c.ID })
			if c.ParentID != nil || i < 0 {
				continue
			}
			s := page.Categories[i]
			h.Holds = fmt.Sprintf("section %s with %d offers", s.Slug, s.Count)
			t.card(&h, "freshet rebuild "+t.Code, s.Cards, s.Count, tree.HomeCards)
		}
	}
	t.add(h)
	return nil
}

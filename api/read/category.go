package read

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"freshet/api"
	"freshet/projectors/dimension"
	"freshet/projectors/tree"
	"freshet/search"
)

// The pages of the category tree are stored as the JSON that they are answered in. What is resolved when read is put around
// it, and the lists in it are passed on as they are.

func (s *Shop) home(ctx context.Context, r *request) (response, error) {
	st, lang, part, err := r.page()
	if err != nil {
		return response{}, err
	}
	h, err := s.cfg.Pages.HomeText(ctx, st.ID, lang, part)
	if err != nil {
		return response{}, err
	}
	page := newObject(len(h.Categories))
	page.value("store", ref(st))
	page.value("lang", lang)
	page.text("categories", h.Categories)
	page.next("/api/v1/stores/"+st.Code+"/home", lang, h.Next)
	return page.answer(lang)
}

func (s *Shop) category(ctx context.Context, r *request) (response, error) {
	n, err := s.node(ctx, r)
	if err != nil {
		return response{}, err
	}
	page := n.begin()
	page.text("slug", n.Slug)
	page.text("name", n.Name)
	page.text("breadcrumbs", n.Breadcrumbs)
	page.text("children", n.Children)
	page.text("count", n.Count)
	return n.finish(page, r.dims)
}

func (s *Shop) categoryPart(ctx context.Context, r *request) (response, error) {
	n, err := s.node(ctx, r)
	if err != nil {
		return response{}, err
	}
	page := n.begin()
	page.text("children", n.Children)
	return n.finish(page, r.dims)
}

// node is a part of a category's page, and whose it is.
type node struct {
	tree.NodeText
	store dimension.Store
	id    int64
	lang  string
}

// node reads the part of a category's page that the path names.
func (s *Shop) node(ctx context.Context, r *request) (n node, err error) {
	var part int
	if n.store, n.lang, part, err = r.page(); err != nil {
		return n, err
	}
	var ok bool
	if n.id, ok = category(r.dims, n.store, r.item); !ok {
		return n, api.Errorf(api.NotFound, "The store has no category %q.", cut(r.item))
	}
	n.NodeText, err = s.cfg.Pages.NodeText(ctx, n.store.ID, n.id, n.lang, part)
	return n, err
}

// begin writes what every part says first, finish what it says last.
func (n *node) begin() *object {
	size := len(n.Breadcrumbs) + len(n.Children) + len(n.Cards)
	for _, f := range n.Facets {
		size += len(f.Values) + 128
	}
	page := newObject(size)
	page.value("store", ref(n.store))
	page.value("lang", n.lang)
	page.value("id", n.id)
	return page
}

func (n *node) finish(page *object, dims *dimension.Set) (response, error) {
	page.text("cards", n.Cards)
	page.list("facets", func() {
		for i := range n.Facets {
			page.facet(&n.Facets[i], n.lang, dims)
		}
	})
	page.next("/api/v1/stores/"+n.store.Code+"/categories/"+strconv.FormatInt(n.id, 10), n.lang, n.Next)
	return page.answer(n.lang)
}

// facet writes a facet, labelled in the language. One of an attribute that the registry no longer has is gone with the next version of
// the page, and left out until then.
func (o *object) facet(f *tree.FacetText, lang string, dims *dimension.Set) {
	def, ok := dims.Attribute(f.Code)
	if !ok {
		return
	}
	o.element(func() {
		o.value("code", f.Code)
		o.value("label", dims.Label(f.Code, lang))
		if def.Unit != nil && *def.Unit != "" {
			o.value("unit", *def.Unit)
		}
		if def.Kind == "boolean" {
			o.yesOrNo(f.Values, lang)
		} else {
			o.text("values", f.Values)
		}
		if len(f.Bounds) == 2 {
			o.text("min", f.Bounds[0])
			o.text("max", f.Bounds[1])
		}
	})
}

// yesOrNo writes the values of a boolean with what they are called, as search does. There are two at most; the lists that are
// long are passed on as they are.
func (o *object) yesOrNo(values json.RawMessage, lang string) {
	var list []struct {
		Value string `json:"value"`
		Label string `json:"label,omitempty"`
		Count int    `json:"count"`
	}
	if err := json.Unmarshal(values, &list); err != nil && o.err == nil {
		o.err = fmt.Errorf("decode the values of a facet: %w", err)
	}
	for i := range list {
		list[i].Label = search.YesNo(list[i].Value, lang)
	}
	o.value("values", list)
}

// page reads what every page of the tree is asked with: a store, a language and a part.
func (r *request) page() (st dimension.Store, lang string, part int, err error) {
	if st, lang, err = r.front(r.store); err != nil {
		return st, lang, 0, err
	}
	if err = r.query.end(); err != nil {
		return st, lang, 0, err
	}
	part, err = r.number()
	return st, lang, part, err
}

// number is the part that the path names, which is behind the first, or the first.
func (r *request) number() (int, error) {
	if r.part == "" {
		return 1, nil
	}
	part, err := strconv.Atoi(r.part)
	if err != nil || part < 2 {
		return 0, api.Errorf(api.NotFound, "There is no part %q: the first is the page itself, and each names the next.", cut(r.part))
	}
	return part, nil
}

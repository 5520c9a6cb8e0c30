package explain

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"freshet/search"
)

// indexStages are those that a search document is made by.
var indexStages = []string{"ingest", "dimension", "catalog", "offer", "index"}

// index compares the search document with the view.
func (t *tour) index(ctx context.Context) error {
	store, known := t.cfg.Dimensions.Get().Store(t.Store)
	if !known {
		return nil // told by tree
	}
	v := &t.docs.view
	visible := v.Visible && !v.Deleted
	h := Hop{Hop: "search", Where: search.Alias(t.cfg.Prefix) + "/" + search.ID(t.Store, t.Product)}
	stored, found, err := t.cfg.Search.Get(ctx, t.cfg.Prefix, t.Store, t.Product)
	if err != nil {
		return err
	}
	if h.Found = found; !found {
		if visible {
			t.short(&h, indexStages, "document-missing", t.reproject(), "the index has no document of the product")
		}
		t.add(h)
		return nil
	}
	d := &stored.Document
	h.Where, h.Version = stored.Index+"/"+search.ID(t.Store, t.Product), stored.Version
	h.Position, h.Time = &d.Source.Position, &d.Source.Time
	h.Holds = fmt.Sprintf("view %d, dimensions %d, a tombstone", d.Source.View, d.Source.Dimensions)
	if !d.Deleted && d.Price != nil {
		h.Holds = fmt.Sprintf("view %d, dimensions %d, price %d, in %v", d.Source.View, d.Source.Dimensions, *d.Price, slices.Sorted(maps.Keys(d.Names)))
	}
	switch {
	case d.Source.View < v.Version:
		t.short(&h, indexStages, "document-old", t.reproject(), "the document is of view %d, the documents make %d", d.Source.View, v.Version)
	case d.Source.View > v.Version:
		h.find(Note, "newer", "", "it is of view %d, newer than the one that was joined", d.Source.View)
	case d.Deleted == visible:
		t.short(&h, indexStages, "document-differs", t.reproject(), "the view is visible: %t, the document is a tombstone: %t", visible, d.Deleted)
	case visible && !slices.Equal(slices.Sorted(maps.Keys(d.Names)), slices.Sorted(slices.Values(store.Languages))):
		t.short(&h, indexStages, "document-differs", t.reproject(), "the store's languages are %v, and not the document's", store.Languages)
	case visible && (d.Price == nil || *d.Price != v.Price):
		t.short(&h, indexStages, "document-differs", t.reproject(), "the view's price is %d, and not the document's", v.Price)
	}
	if found && !d.Deleted && !store.Active {
		h.find(Filter, "store-inactive", fmt.Sprintf("update stores set active = true where id = %d", t.Store), "a closed store is not searched; its documents wait for it to open")
	}
	t.add(h)
	return nil
}

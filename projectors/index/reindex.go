package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"freshet/projectors/dimension"
	"freshet/projectors/view"
	"freshet/search"
)

// obey indexes a store again if its order calls for it, and returns the mark to leave; nil where nothing was to do.
func (h *Handler) obey(ctx context.Context, o *order, set *dimension.Set, touched map[string]bool) (*Mark, error) {
	last, err := h.store.marked(ctx, o.store)
	if err != nil {
		return nil, err
	}
	if last.Dimensions > set.Version() { // indexed by another worker, from later dimensions than this one has seen
		if err := h.dims.Refresh(ctx); err != nil {
			return nil, fmt.Errorf("refresh the dimensions: %w", err)
		}
		set = h.dims.Get()
	}
	next := Mark{ID: o.store, Dimensions: set.Version(), Digest: digest(set, o.store)}
	if !o.rebuild && next.Digest == last.Digest {
		return nil, h.reindexProducts(ctx, o, set, touched)
	}
	started, documents := time.Now(), 0
	err = h.store.views(ctx, o.store, func(views []view.Offer) error {
		n, err := h.reindex(ctx, o, views, set, touched)
		documents += n
		return err
	})
	if err != nil {
		return nil, err
	}
	h.log.InfoContext(ctx, "store indexed", "store", o.store, "documents", documents, "took", time.Since(started),
		"rebuild", o.rebuild, "reason", o.reason)
	return &next, nil
}

// reindexProducts indexes single products of a store again, over what is there.
func (h *Handler) reindexProducts(ctx context.Context, o *order, set *dimension.Set, touched map[string]bool) error {
	if len(o.products) == 0 {
		return nil
	}
	views, err := h.store.viewsOf(ctx, o.store, o.products)
	if err != nil {
		return err
	}
	_, err = h.reindex(ctx, o, views, set, touched)
	return err
}

// reindex writes views over documents of the same version: a rebuild mends what was damaged, and a Set may hold rows that are
// newer than its version says.
func (h *Handler) reindex(ctx context.Context, o *order, views []view.Offer, set *dimension.Set, touched map[string]bool) (int, error) {
	var ops []search.Op
	for i := range views {
		if views[i].Version <= 0 {
			continue // nothing was ever stored of it
		}
		op, err := h.op(&views[i], set)
		if err != nil {
			return 0, err
		}
		ops = append(ops, op...)
	}
	for i := range ops {
		ops[i].Overwrite = true
		touched[ops[i].Alias] = true
	}
	results, err := h.writer.Write(ctx, ops)
	if err != nil {
		return 0, err
	}
	for i, r := range results {
		if r.Outcome == search.Refused {
			// There is no record to park: the one that brought this view was parked when it came.
			h.log.ErrorContext(ctx, "a document can't be indexed", "document", ops[i].ID, "index", ops[i].Alias, "error", r.Reason)
		}
	}
	if o.beside {
		return len(ops), h.writeBeside(ctx, ops, h.writer.Write)
	}
	return len(ops), nil
}

// digest names all that a store's documents depend on beside their views. What was and is no more is among it: views may have
// been written by a form that came and went between two marks.
func digest(set *dimension.Set, store int64) string {
	sum := sha256.New()
	if st, ok := set.Store(store); ok {
		fmt.Fprintf(sum, "%q\n", st.Languages)
	}
	for _, former := range set.Formerly(store) {
		fmt.Fprintln(sum, former)
	}
	for _, a := range set.Attributes() {
		slot := int64(-1)
		if a.NumericSlot != nil {
			slot = *a.NumericSlot
		}
		fmt.Fprintf(sum, "%q %q %t %d\n", a.Code, a.Kind, a.Facet, slot)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

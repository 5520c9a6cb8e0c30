package index

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
	"freshet/search"
)

// dimensions is where a handler gets the newest Set.
type dimensions interface {
	Get() *dimension.Set
	Refresh(ctx context.Context) error
}

// Handler indexes the stores of one partition. It holds nothing between two batches and may handle several at a time:
// the versions order what they write.
type Handler struct {
	cfg    Config
	store  *Store
	writer *search.Writer
	dims   dimensions
	log    *slog.Logger

	// obeying is held from the reading of a store's mark to the storing of the next, so that of two batches that are told of
	// the same change the second finds that the store has been indexed again.
	obeying sync.Mutex

	// fresh is set once the dimensions were refreshed since the partition came here: whoever had it before may have obeyed
	// commands of dimensions newer than ours, and those commands don't come again.
	fresh atomic.Bool
}

func newHandler(cfg Config, store *Store, writer *search.Writer, dims dimensions, partition int) *Handler {
	return &Handler{cfg: cfg, store: store, writer: writer, dims: dims, log: cfg.Log.With("stage", StageName, "partition", partition)}
}

// Handle writes the batch's views, then the stores that its commands ask for, and makes all of it searchable.
func (h *Handler) Handle(ctx context.Context, batch []projectors.Record) error {
	b, poison := h.decode(batch)
	generation, err := h.store.Generation(ctx)
	if err != nil {
		return err
	}
	b.beside = generation.Beside != 0
	set, err := h.set(ctx, b)
	if err != nil {
		return err
	}
	if err := h.writeViews(ctx, b, set, poison); err != nil {
		return err
	}
	if err := h.obeyAll(ctx, b, set); err != nil {
		return err
	}
	return poison.Err()
}

// obeyAll carries the orders out and leaves their marks.
func (h *Handler) obeyAll(ctx context.Context, b *batch, set *dimension.Set) error {
	orders := b.ordered()
	if len(orders) == 0 {
		return nil
	}
	h.obeying.Lock()
	defer h.obeying.Unlock()
	touched := make(map[string]bool) // aliases, by stores that are indexed again
	var marks []Mark
	for _, o := range orders {
		o.beside = b.beside
		mark, err := h.obey(ctx, o, set, touched)
		if err != nil {
			return fmt.Errorf("index store %d again: %w", o.store, err)
		}
		if mark != nil {
			marks = append(marks, *mark)
		}
	}
	if err := h.writer.Refresh(ctx, slices.Sorted(maps.Keys(touched))...); err != nil {
		return err
	}
	// Last of all: a store that is marked is searchable as the mark says.
	for _, m := range marks {
		if err := h.store.mark(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// set returns dimensions that are at least of the version the commands name, and know the stores of the views if anyone
// does.
//
// The rows were stored before the command was published and are read from the primary, so one refresh has them. The
// version can still be short when the dimensions were dropped and folded again, since it counts batches; waiting for ever
// would then stop the partition for nothing.
func (h *Handler) set(ctx context.Context, b *batch) (*dimension.Set, error) {
	deadline := time.Now().Add(h.cfg.DimensionWait)
	want, refreshed := b.dimensions(), false
	for {
		set := h.dims.Get()
		switch {
		case set.Version() > search.MaxDimensions:
			return nil, fmt.Errorf("the dimensions are at version %d and documents have room for %d: make the indices anew", set.Version(), search.MaxDimensions)
		case set.Version() >= want && (refreshed || h.fresh.Load() && b.known(set)):
			return set, nil
		case refreshed && time.Now().After(deadline):
			h.log.WarnContext(ctx, "the dimensions are below the version a command names; going on with them", "version", set.Version(), "named", want)
			return set, nil
		}
		if refreshed {
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return nil, err
			}
		}
		if err := h.dims.Refresh(ctx); err != nil {
			return nil, fmt.Errorf("refresh the dimensions: %w", err)
		}
		refreshed = true
		h.fresh.Store(true)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// writeViews writes the newest view of every offer. A store that is not known yet has no languages; the command that
// announces its row indexes it whole.
func (h *Handler) writeViews(ctx context.Context, b *batch, set *dimension.Set, poison *projectors.Poison) error {
	var ops []search.Op
	var origins []projectors.Record
	for _, n := range b.views {
		if _, known := set.Store(n.view.Store); !known || failpoint.OneIn("drop-document-N") {
			continue
		}
		op, err := h.op(&n.view, set)
		if err != nil {
			return err
		}
		ops, origins = append(ops, op...), append(origins, slices.Repeat([]projectors.Record{n.record}, len(op))...)
	}
	results, err := h.writer.Publish(ctx, ops)
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.Outcome == search.Refused {
			poison.Add(origins[i], r.Reason)
		}
	}
	if !b.beside {
		return nil
	}
	return h.writeBeside(ctx, ops, h.writer.Publish)
}

// writeBeside writes the operations to the generation beside the live one. What it refuses keeps nobody's search from being
// right: the gate before a switch finds it missing.
func (h *Handler) writeBeside(ctx context.Context, ops []search.Op, write func(context.Context, []search.Op) ([]search.OpResult, error)) error {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i].Alias = search.Beside(ops[i].Alias)
	}
	results, err := write(ctx, ops)
	if err != nil {
		return fmt.Errorf("write beside the live generation: %w", err)
	}
	for i, r := range results {
		if r.Outcome == search.Refused {
			h.log.ErrorContext(ctx, "a document can't be indexed", "document", ops[i].ID, "index", ops[i].Alias, "error", r.Reason)
		}
	}
	return nil
}

// op makes the operation of a view: none where a seeded bug forgets it.
func (h *Handler) op(v *view.Offer, set *dimension.Set) ([]search.Op, error) {
	doc := search.FromView(v, set)
	if failpoint.Enabled("first-language") {
		store, _ := set.Store(v.Store)
		maps.DeleteFunc(doc.Names, func(lang string, _ search.Name) bool { return lang != store.Languages[0] })
	}
	if doc.Deleted && failpoint.Enabled("forget-tombstone") {
		return nil, nil
	}
	op, err := doc.Op(search.Alias(h.cfg.Prefix))
	if err != nil {
		return nil, err
	}
	return []search.Op{op}, nil
}

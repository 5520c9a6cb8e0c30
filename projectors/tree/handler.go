package tree

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/view"
)

// attempts bounds how often one batch takes a store back from another worker: two owners that both live would take turns
// for ever, and the runtime stops the one whose generation has ended between two batches.
const attempts = 3

// Handler keeps the pages of the stores of one partition. It belongs to one worker.
type Handler struct {
	store  *Store
	dims   source
	cfg    Config
	log    *slog.Logger
	states map[int64]*state
	clock  int64 // counts uses of stores

	partition    int
	stats, shown stats
	metrics      *metrics
}

func newHandler(cfg Config, store *Store, dims source, m *metrics, partition int) *Handler {
	return &Handler{
		store: store, dims: dims, cfg: cfg, log: cfg.Log.With("stage", StageName, "partition", partition), states: map[int64]*state{},
		partition: partition, metrics: m,
	}
}

// task is what a batch asks of one store.
type task struct {
	store   int64
	views   []*view.Offer
	rebuild *Rebuilt // what the newest Rebuild command asks, nil for none
	reason  string
	dims    int64 // version that the commands name, 0 for no command
	again   again // what is to be stored again, whatever is stored of it
}

// Handle applies a batch and returns when all pages it changes are stored.
func (h *Handler) Handle(ctx context.Context, batch []projectors.Record) error {
	tasks, poison := h.decode(batch)
	if len(tasks) == 0 {
		return poison.Err()
	}
	defer h.show()
	if err := h.awaitDimensions(ctx, tasks); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := h.perform(ctx, tasks)
		if err == nil {
			break
		}
		var fenced *fencedStores
		if !errors.As(err, &fenced) {
			return err
		}
		for _, st := range fenced.lost {
			h.stats.Fenced++
			h.log.WarnContext(ctx, "another worker took a store over, loading it again", "store", st.plan.store, "epoch", st.epoch)
			delete(h.states, st.plan.store)
		}
		if attempt == attempts {
			return err
		}
	}
	h.evict()
	return poison.Err()
}

// decode sorts the records by store. What can't be decoded is poison; the rest is still applied.
func (h *Handler) decode(batch []projectors.Record) ([]*task, *projectors.Poison) {
	var tasks []*task
	byStore := map[int64]*task{}
	of := func(store int64) *task {
		if byStore[store] == nil {
			byStore[store] = &task{store: store}
			tasks = append(tasks, byStore[store])
		}
		return byStore[store]
	}
	poison := &projectors.Poison{}
	for _, r := range batch {
		var err error
		switch r.Topic {
		case h.cfg.views():
			var v *view.Offer
			if v, err = decodeView(r.Value); err == nil {
				of(v.Store).views = append(of(v.Store).views, v)
			}
		case h.cfg.commands():
			var c projectors.Command
			if c, err = projectors.DecodeCommand(r.Value); err == nil {
				of(c.Store).order(c, r)
			}
		default:
			err = fmt.Errorf("%w: topic %s is none of the tree's", change.ErrMalformed, r.Topic)
		}
		if err != nil {
			poison.Add(r, err)
		}
	}
	return tasks, poison
}

// order adds a command; of several of one kind the newest stands for all.
func (t *task) order(c projectors.Command, r projectors.Record) {
	switch c.Kind {
	case projectors.Rebuild:
		t.rebuild = &Rebuilt{Partition: r.Partition, Offset: r.Offset, ID: c.ID}
		t.reason = c.Reason
		t.dims = max(t.dims, c.Dimensions)
	case projectors.Dimensions:
		t.dims = max(t.dims, c.Dimensions, 1)
	case projectors.Product:
		t.again.products = append(t.again.products, c.Product)
	case projectors.Node:
		t.again.categories = append(t.again.categories, c.Category)
	}
}

// perform does all tasks: it loads the stores that are not in memory or not ours any more, applies the views, and stores
// what changed, all stores' pages together.
func (h *Handler) perform(ctx context.Context, tasks []*task) error {
	if err := h.verify(ctx, tasks); err != nil {
		return err
	}
	var states []*state
	var writes []write
	for _, t := range tasks {
		st, err := h.ready(ctx, t)
		if err != nil {
			return err
		}
		for _, v := range t.views {
			h.stats.Views++
			if !st.Apply(v) {
				h.stats.Stale++
			}
		}
		if err := h.reproject(ctx, st, t.again); err != nil {
			return err
		}
		changed, left, err := st.changes(false)
		if err != nil {
			return err
		}
		h.stats.LeftOut += left
		h.stats.Rescans += st.rescans
		st.rescans = 0
		writes, states = append(writes, changed...), append(states, st)
	}
	if err := h.store.write(ctx, writes); err != nil {
		return err
	}
	h.stats.Written += len(writes)
	failpoint.Hit("tree-after-write")
	for _, st := range states {
		st.done()
	}
	return nil
}

// verify drops the states whose store another worker loaded since we did. The other may have stored pages from newer
// offers than ours, so a page that we believe to be stored may not be. Whoever takes a store over after this look reads
// everything that this batch could tell us.
func (h *Handler) verify(ctx context.Context, tasks []*task) error {
	var held []*state
	for _, t := range tasks {
		if st := h.states[t.store]; st != nil {
			held = append(held, st)
		}
	}
	lost, err := h.store.overtaken(ctx, held)
	if err != nil {
		return err
	}
	for _, st := range lost {
		h.stats.Fenced++
		delete(h.states, st.plan.store)
	}
	return nil
}

// ready returns the store's state as the commands want it. A store that is not in memory is loaded and compared with what
// is stored; so is one whose languages or facets changed or that opens, since its items lack them.
func (h *Handler) ready(ctx context.Context, t *task) (*state, error) {
	h.clock++
	st := h.states[t.store]
	if t.rebuild != nil {
		return h.rebuild(ctx, t)
	}
	if st != nil && t.dims > 0 {
		if p := newPlan(h.dims.Get(), t.store); failpoint.Enabled("ignore-dimensions") {
			return st, nil
		} else if p.sameItems(st.plan) {
			st.replan(p)
		} else {
			st = nil
		}
	}
	if st == nil {
		var err error
		if st, err = h.load(ctx, t.store, func(int) error { return nil }); err != nil {
			return nil, err
		}
		h.stats.Loads++
		h.states[t.store] = st
	}
	st.used = h.clock
	return st, nil
}

// rebuild loads the store and stores all its pages again, whatever is stored of them.
func (h *Handler) rebuild(ctx context.Context, t *task) (*state, error) {
	r := *t.rebuild
	r.Started = time.Now().UTC()
	report := func(offers int) error {
		r.Offers = offers
		return h.store.report(ctx, t.store, r)
	}
	if err := report(0); err != nil {
		return nil, err
	}
	delete(h.states, t.store)
	st, err := h.load(ctx, t.store, report)
	if err != nil {
		return nil, err
	}
	h.stats.Loads++
	writes, left, err := st.changes(true)
	if err != nil {
		return nil, err
	}
	if err := h.store.write(ctx, writes); err != nil {
		return nil, err
	}
	st.done()
	h.stats.Written, h.stats.LeftOut = h.stats.Written+len(writes), h.stats.LeftOut+left
	st.used = h.clock
	h.states[t.store] = st
	finished := time.Now().UTC()
	r.Finished, r.Documents = &finished, len(writes)
	h.log.InfoContext(ctx, "store rebuilt", "store", t.store, "reason", t.reason, "offers", r.Offers, "documents", r.Documents,
		"took", finished.Sub(r.Started))
	return st, h.store.report(ctx, t.store, r)
}

func decodeView(value []byte) (*view.Offer, error) {
	v := new(view.Offer)
	if err := json.Unmarshal(value, v); err != nil {
		return nil, fmt.Errorf("%w: offer view: %w", change.ErrMalformed, err)
	}
	if v.Store <= 0 || v.Product <= 0 || v.Version <= 0 {
		return nil, fmt.Errorf("%w: offer view of store %d, product %d, version %d", change.ErrMalformed, v.Store, v.Product, v.Version)
	}
	return v, nil
}

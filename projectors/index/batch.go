package index

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/dimension"
	"freshet/projectors/view"
)

// batch is what a batch of records comes to.
type batch struct {
	views  []newest // the highest version of each offer, in order of arrival
	orders map[int64]*order
	beside bool // there is a generation beside the live one, which is written too
}

// newest is a view and the record that brought it.
type newest struct {
	view   view.Offer
	record projectors.Record
}

// order is what the commands of a batch ask of one store.
type order struct {
	store      int64
	rebuild    bool
	dimensions int64   // version to have, 0 for any
	products   []int64 // to be indexed again
	reason     string
	beside     bool // as in the batch
}

// ordered returns the orders by store.
func (b *batch) ordered() []*order {
	return slices.SortedFunc(maps.Values(b.orders), func(x, y *order) int { return cmp.Compare(x.store, y.store) })
}

// dimensions is the highest version that any command names.
func (b *batch) dimensions() int64 {
	var v int64
	for _, o := range b.orders {
		v = max(v, o.dimensions)
	}
	return v
}

// known says whether the set has the stores of all views.
func (b *batch) known(set *dimension.Set) bool {
	return !slices.ContainsFunc(b.views, func(n newest) bool { _, ok := set.Store(n.view.Store); return !ok })
}

// decode keeps the highest view of every offer and joins the commands of a store. What can't be decoded is poison; the
// rest is still applied.
func (h *Handler) decode(records []projectors.Record) (*batch, *projectors.Poison) {
	b, poison := &batch{orders: map[int64]*order{}}, &projectors.Poison{}
	places := make(map[[2]int64]int)
	for _, r := range records {
		var err error
		switch r.Topic {
		case h.cfg.views():
			err = b.addView(r, places)
		case h.cfg.commands():
			err = b.addCommand(r)
		default:
			err = fmt.Errorf("%w: topic %s is none of the index's", change.ErrMalformed, r.Topic)
		}
		if err != nil {
			poison.Add(r, err)
		}
	}
	return b, poison
}

func (b *batch) addView(r projectors.Record, places map[[2]int64]int) error {
	var v view.Offer
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return fmt.Errorf("%w: offer view: %w", change.ErrMalformed, err)
	}
	if v.Store <= 0 || v.Product <= 0 || v.Version <= 0 {
		return fmt.Errorf("%w: offer view of store %d, product %d, version %d", change.ErrMalformed, v.Store, v.Product, v.Version)
	}
	id := [2]int64{v.Store, v.Product}
	i, seen := places[id]
	switch {
	case !seen:
		places[id] = len(b.views)
		b.views = append(b.views, newest{v, r})
	case v.Version >= b.views[i].view.Version:
		b.views[i] = newest{v, r}
	}
	return nil
}

func (b *batch) addCommand(r projectors.Record) error {
	c, err := projectors.DecodeCommand(r.Value)
	if err != nil {
		return err
	}
	o := b.orders[c.Store]
	if o == nil {
		o = &order{store: c.Store}
		b.orders[c.Store] = o
	}
	o.rebuild = o.rebuild || c.Kind == projectors.Rebuild
	o.dimensions = max(o.dimensions, c.Dimensions)
	if c.Kind == projectors.Product {
		o.products = append(o.products, c.Product)
	}
	o.reason = cmp.Or(c.Reason, o.reason)
	return nil
}

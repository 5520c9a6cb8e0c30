package view

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/catalog"
	"freshet/projectors/document"
	"freshet/projectors/offer"
)

// producer publishes durably.
type producer interface {
	Publish(ctx context.Context, messages []projectors.Message) (map[string][]int64, error)
}

// Publisher publishes the views of documents that their writers have just stored or found unchanged.
//
// The order is what makes the views true: the caller's document was stored before; then the other one is read, from the
// primary; then the own revision once more. If it is still the same, both documents stood together at the moment of the
// first read; if not, the newer one is taken and the other read again. Of two writers that race the later so sees both,
// views of one offer form a chain, and the sum of the revisions orders them (docs/adr/0006).
type Publisher struct {
	products *document.Collection[int64, catalog.Product]
	beside   *document.Reader[int64, catalog.Product] // the same, as an offer's view is joined with it
	offers   *document.Collection[string, offer.Offer]
	out      producer
	topic    string
}

// besideKept is how many products are remembered, some 40 MB: what has its price or stock changed keeps its texts.
const besideKept = 8192

// NewPublisher returns a publisher to the view topic of the prefix.
func NewPublisher(products *document.Collection[int64, catalog.Product], offers *document.Collection[string, offer.Offer], out producer, prefix string) *Publisher {
	return &Publisher{products: products, beside: products.Reader(besideKept), offers: offers, out: out, topic: change.OfferViewTopic(prefix)}
}

// How many documents' views are made at a time; they bound memory, since a product may be offered by every store.
const (
	productGroup = 100
	offerGroup   = 1000
)

// Products publishes the views of all offers of the products, many of them as bulk. Documents of revision 0, which were never
// stored, are left out.
func (p *Publisher) Products(ctx context.Context, stored map[int64]*catalog.Product) error {
	return inGroups(stored, productGroup, func(held map[int64]*catalog.Product) error {
		var views []Offer
		for len(held) > 0 {
			ids := slices.Collect(maps.Keys(held))
			var offers []*offer.Offer
			err := p.offers.Where(ctx, "product", ids, func(o *offer.Offer) error { offers = append(offers, o); return nil })
			if err != nil {
				return err
			}
			moved, err := newer(ctx, p.products, held)
			if err != nil {
				return err
			}
			for _, o := range offers {
				if moved[o.Product] == nil {
					views = append(views, Join(held[o.Product], o))
				}
			}
			held = moved
		}
		return p.publish(ctx, views, func(*Offer) bool { return len(views) > projectors.HotRows })
	})
}

// Offers publishes the views of the offers, those that bulk names as bulk. Documents of revision 0, which were never stored,
// are left out.
func (p *Publisher) Offers(ctx context.Context, stored map[string]*offer.Offer, bulk map[string]bool) error {
	return inGroups(stored, offerGroup, func(held map[string]*offer.Offer) error {
		var views []Offer
		for len(held) > 0 {
			var ids []int64
			for _, o := range held {
				ids = append(ids, o.Product)
			}
			slices.Sort(ids)
			products, err := p.beside.Load(ctx, slices.Compact(ids))
			if err != nil {
				return err
			}
			moved, err := newer(ctx, p.offers, held)
			if err != nil {
				return err
			}
			for id, o := range held {
				if moved[id] == nil {
					views = append(views, Join(products[o.Product], o))
				}
			}
			held = moved
		}
		return p.publish(ctx, views, func(v *Offer) bool { return bulk[offer.ID(v.Store, v.Product)] })
	})
}

// revised is a document that knows its revision.
type revised[T any] interface {
	*T
	Revision() *int64
}

// newer returns, as they are now, those of the documents that have moved on from the revision held.
func newer[K int64 | string, T any, P revised[T]](ctx context.Context, c *document.Collection[K, T], held map[K]P) (map[K]P, error) {
	revs, err := c.Revisions(ctx, slices.Collect(maps.Keys(held)))
	if err != nil {
		return nil, err
	}
	var ids []K
	for id, doc := range held {
		if revs[id] != *doc.Revision() {
			ids = append(ids, id)
		}
	}
	loaded, err := c.Load(ctx, ids)
	if err != nil {
		return nil, err
	}
	moved := make(map[K]P, len(ids))
	for _, id := range ids {
		if loaded[id] == nil {
			return nil, fmt.Errorf("document %v has vanished: only a purge removes documents, and never one that is being written", id)
		}
		moved[id] = loaded[id]
	}
	return moved, nil
}

// inGroups calls fn with the stored documents, at most so many at a time. Views that are too large to publish don't keep
// the others from being published.
func inGroups[K int64 | string, T any, P revised[T]](stored map[K]P, size int, fn func(map[K]P) error) error {
	var large TooLargeError
	group := make(map[K]P, min(size, len(stored)))
	run := func() error {
		err := fn(group)
		if e := (*TooLargeError)(nil); errors.As(err, &e) {
			large.Views = append(large.Views, e.Views...)
			err = nil
		}
		clear(group)
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(stored)) {
		if *stored[id].Revision() == 0 {
			continue
		}
		if group[id] = stored[id]; len(group) == size {
			if err := run(); err != nil {
				return err
			}
		}
	}
	if err := run(); err != nil {
		return err
	}
	if len(large.Views) > 0 {
		return &large
	}
	return nil
}

// TooLargeError says which views no topic takes; all others of the call are published.
type TooLargeError struct {
	Views []Offer // only Store, Product and Version
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%d views are too large for a record, the first is of product %d in store %d", len(e.Views), e.Views[0].Product, e.Views[0].Store)
}

// TooLarge returns the products and offers whose views are not published.
func (e *TooLargeError) TooLarge() (products []int64, offers []string) {
	for _, v := range e.Views {
		products = append(products, v.Product)
		offers = append(offers, offer.ID(v.Store, v.Product))
	}
	return products, offers
}

func (p *Publisher) publish(ctx context.Context, views []Offer, bulk func(*Offer) bool) error {
	messages := make([]projectors.Message, 0, len(views))
	for i := range views {
		if failpoint.OneIn("drop-view-N") {
			continue
		}
		value, err := json.Marshal(&views[i])
		if err != nil {
			return fmt.Errorf("encode view of product %d in store %d: %w", views[i].Product, views[i].Store, err)
		}
		m := projectors.Message{Topic: p.topic, Key: strconv.AppendInt(nil, views[i].Store, 10), Value: value}
		if bulk(&views[i]) {
			m.Headers = []change.Header{{Key: projectors.HeaderLane, Value: []byte(projectors.LaneBulk)}}
		}
		messages = append(messages, m)
	}
	var large TooLargeError
	for len(messages) > 0 {
		_, err := p.out.Publish(ctx, messages)
		var oversize *projectors.OversizeError
		if !errors.As(err, &oversize) {
			if err != nil {
				return fmt.Errorf("publish %d views: %w", len(messages), err)
			}
			break
		}
		for _, i := range slices.Backward(slices.Sorted(slices.Values(oversize.Indexes))) {
			large.Views = append(large.Views, Offer{Store: views[i].Store, Product: views[i].Product, Version: views[i].Version})
			messages, views = slices.Delete(messages, i, i+1), slices.Delete(views, i, i+1)
		}
	}
	if len(large.Views) > 0 {
		return &large
	}
	return nil
}

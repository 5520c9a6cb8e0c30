package tree

import (
	"context"
	"fmt"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"freshet/ingest/failpoint"
	"freshet/projectors/catalog"
	"freshet/projectors/offer"
	"freshet/projectors/view"
)

// loadBatch is how many offers are joined at a time; it bounds the memory of a load beside the assortment.
const loadBatch = 500

// loadAhead is how many batches are joined at once: while one waits for the server another is decoded.
const loadAhead = 3

// load takes the store over and reads its state: first the fence, so that nobody else's write passes from here on; then
// the dimensions, the offers and products, and what is stored of the pages. Everything that was published before the
// fence was raised is so in what is read. The pages are still to be compared; all are marked.
func (h *Handler) load(ctx context.Context, store int64, progress func(offers int) error) (*state, error) {
	epoch, err := h.store.takeOver(ctx, store)
	if err != nil {
		return nil, err
	}
	failpoint.Hit("tree-after-fence")
	if err := h.dims.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("refresh the dimensions: %w", err)
	}
	if err := h.store.bar(ctx, store, epoch); err != nil {
		return nil, err
	}
	st := &state{Assortment: newAssortment(newPlan(h.dims.Get(), store)), epoch: epoch}
	if st.plan.open() { // a closed store has no pages, whatever it offers
		if err := h.store.assort(ctx, st.Assortment, progress); err != nil {
			return nil, err
		}
	}
	if st.stored, err = h.store.hashes(ctx, store); err != nil {
		return nil, err
	}
	for k := range st.stored {
		st.reach(k)
	}
	return st, nil
}

// assort applies the joined views of all offers of the store.
//
// The two documents of a view are read one after the other, so a view may be of no instant: then its version is below the
// one of the change in between, whose view is still to come.
func (s *Store) assort(ctx context.Context, a *Assortment, progress func(offers int) error) error {
	joins, ctx := errgroup.WithContext(ctx)
	joins.SetLimit(loadAhead)
	var mu sync.Mutex // of a and total: the batches come in any order
	total := 0
	read := s.eachBatch(ctx, a.plan.store, func(batch []*offer.Offer) {
		joins.Go(func() error {
			views, err := s.join(ctx, a.plan.store, batch)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range views {
				a.Apply(&views[i])
			}
			total += len(views)
			return progress(total)
		})
	})
	if err := joins.Wait(); err != nil {
		return err // it has ended the reading too
	}
	return read
}

// eachBatch reads the offers of the store.
func (s *Store) eachBatch(ctx context.Context, store int64, take func([]*offer.Offer)) error {
	cur, err := s.offers.Find(ctx, within(store), options.Find().SetBatchSize(loadBatch))
	if err != nil {
		return fmt.Errorf("read offers of store %d: %w", store, err)
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }() // the server forgets an idle cursor by itself
	var batch []*offer.Offer
	for cur.Next(ctx) {
		o := new(offer.Offer)
		if err := cur.Decode(o); err != nil {
			return fmt.Errorf("decode offer of store %d: %w", store, err)
		}
		if batch = append(batch, o); len(batch) == loadBatch {
			take(batch)
			batch = nil
		}
	}
	if err := cur.Err(); err != nil {
		return fmt.Errorf("read offers of store %d: %w", store, err)
	}
	take(batch)
	return nil
}

// join reads the products of the offers and makes the views of both.
func (s *Store) join(ctx context.Context, store int64, offers []*offer.Offer) ([]view.Offer, error) {
	if len(offers) == 0 {
		return nil, nil
	}
	ids := make(bson.A, len(offers))
	for i, o := range offers {
		ids[i] = o.Product
	}
	// No page shows descriptions, and they are most of a product.
	cur, err := s.products.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}},
		options.Find().SetBatchSize(loadBatch).SetProjection(bson.D{{Key: "texts.description", Value: 0}}))
	if err != nil {
		return nil, fmt.Errorf("read products of store %d: %w", store, err)
	}
	var products []*catalog.Product
	if err := cur.All(ctx, &products); err != nil {
		return nil, fmt.Errorf("read products of store %d: %w", store, err)
	}
	byID := make(map[int64]*catalog.Product, len(products))
	for _, p := range products {
		byID[p.ID] = p
	}
	views := make([]view.Offer, len(offers))
	for i, o := range offers {
		views[i] = view.Join(byID[o.Product], o)
	}
	return views, nil
}

// hashes reads what is stored of the store's pages.
func (s *Store) hashes(ctx context.Context, store int64) (map[key]int64, error) {
	stored := map[key]int64{}
	fields := options.Find().SetBatchSize(1000).SetProjection(bson.D{{Key: "hash", Value: 1}})
	for _, c := range []*mongo.Collection{s.homes, s.nodes} {
		cur, err := c.Find(ctx, within(store), fields)
		if err != nil {
			return nil, fmt.Errorf("read hashes of store %d in %s: %w", store, c.Name(), err)
		}
		var docs []struct {
			ID   string `bson:"_id"`
			Hash int64  `bson:"hash"`
		}
		if err := cur.All(ctx, &docs); err != nil {
			return nil, fmt.Errorf("read hashes of store %d in %s: %w", store, c.Name(), err)
		}
		for _, d := range docs {
			k, err := parseKey(d.ID)
			if err != nil {
				return nil, err
			}
			stored[k] = d.Hash
		}
	}
	return stored, nil
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Shown is where a changed price showed, and how long after its commit.
type Shown struct {
	Model string        `json:"model"` // "product page", "category page" or "search"
	URL   string        `json:"url"`
	Took  time.Duration `json:"took_ns"`
}

// Change is one measured change of a price.
type Change struct {
	Store     int64   `json:"store"`
	StoreCode string  `json:"store_code"`
	Product   int64   `json:"product"`
	Title     string  `json:"title"`
	Was       int64   `json:"was"`
	Set       int64   `json:"set"`
	Shown     []Shown `json:"shown"` // in the order of the flow
}

// Once waits until the readers have caught up, changes the price of one offer on a home page by SQL, measures how long it
// takes to show everywhere, and puts the price back.
func Once(ctx context.Context, t Target, timeout time.Duration) (change Change, err error) {
	pool, err := openPool(ctx, t.PostgresURL, 4)
	if err != nil {
		return change, err
	}
	defer pool.Close()
	c, err := newClient(t.Read, "", 16)
	if err != nil {
		return change, err
	}
	defer c.close()
	if err := caughtUp(ctx, t.Note, c, pool); err != nil {
		return change, err
	}
	chosen, err := readCandidates(ctx, c, pool, 1)
	if err != nil {
		return change, err
	}
	offer := chosen[0]
	change = Change{Store: offer.store, Product: offer.product, Was: offer.prices[0].amount, Set: firstAmount()}
	if err := describe(ctx, c, &change, offer); err != nil {
		return change, err
	}
	defer func() { err = errors.Join(err, offer.putBack(context.WithoutCancel(ctx), pool)) }()
	committed, err := offer.set(ctx, pool, change.Set)
	if err != nil {
		return change, err
	}
	taken := newSamples()
	views := offer.views(change.Set)
	if err := newWatcher(c).awaitAll(ctx, views, committed, timeout, taken.add); err != nil {
		return change, err
	}
	for _, v := range views {
		if taken.bad[v.model] > 0 {
			return change, fmt.Errorf("%s (%s): %w", v.model, t.Read+v.path, taken.why)
		}
		change.Shown = append(change.Shown, Shown{v.model, t.Read + v.path, taken.took[v.model][0]})
	}
	return change, nil
}

// describe adds the names that people know the offer by.
func describe(ctx context.Context, c *client, change *Change, offer *candidate) error {
	var page struct {
		Title string
		Store struct{ Code string }
	}
	if err := c.read(ctx, productPath(offer.store, offer.product, offer.lang), &page); err != nil {
		return fmt.Errorf("read the product page: %w", err)
	}
	change.Title, change.StoreCode = page.Title, page.Store.Code
	return nil
}

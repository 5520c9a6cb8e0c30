package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"freshet/api/currency"
)

// The read models that a price shows in.
const (
	modelProduct  = kindProduct
	modelCategory = kindCategory
	modelSearch   = "search"
)

var models = []string{modelProduct, modelCategory, modelSearch}

// errLate is a change that did not show in time.
var errLate = errors.New("the new price did not show in time")

// view is where one read model shows an offer's price, and how to see it.
type view struct {
	model string
	path  string        // of the page, for people
	ask   sent          // what a probe asks, if not for the page
	pause time.Duration // between an answer and the next question
	shows func(body []byte) (bool, error)
}

// views are the three places where the offer's new price must show.
func (c *candidate) views(amount int64) []view {
	figure := strconv.FormatInt(amount, 10)
	return []view{
		{model: modelProduct, path: productPath(c.store, c.product, c.lang), pause: 2 * time.Millisecond, shows: func(body []byte) (bool, error) {
			page, err := decodeIfShown[productPage](body, figure)
			return page.Price == amount, err
		}},
		{model: modelCategory, path: categoryPath(c.store, c.category, c.lang), pause: 5 * time.Millisecond, shows: func(body []byte) (bool, error) {
			page, err := decodeIfShown[categoryPage](body, figure)
			return c.among(page.Cards, amount), err
		}},
		{
			model: modelSearch, path: searchPath(c.store, c.lang) + "&limit=5&price_min=" + figure + "&price_max=" + figure, ask: c.priced(amount),
			pause: 5 * time.Millisecond, shows: func(body []byte) (bool, error) {
				page, err := decodeIfShown[instantAnswer](body, strconv.FormatInt(c.product, 10))
				return c.found(page), err
			},
		},
	}
}

// priced asks InstantSearch for what costs the amount, without facets: the page of the search counts them all each time,
// and probes that ask so much of the server that they measure would measure themselves.
func (c *candidate) priced(amount int64) sent {
	units := strconv.FormatFloat(float64(amount)/math.Pow10(currency.Digits(c.currency)), 'f', -1, 64)
	return instantCall(map[string]any{"indexName": c.code + "_" + c.lang, "query": "", "hitsPerPage": 5, "numericFilters": []string{"price=" + units}})
}

func (c *candidate) found(answer instantAnswer) bool {
	return slices.ContainsFunc(answer.Results, func(r instantResult) bool {
		return slices.ContainsFunc(r.Hits, func(h instantHit) bool { return h.Product == c.product })
	})
}

func (c *candidate) among(cards []card, amount int64) bool {
	return slices.ContainsFunc(cards, func(item card) bool { return item.Product == c.product && item.Price == amount })
}

// decodeIfShown decodes a body that has the figure in it anywhere. Most answers of a poll don't, and are not worth it.
func decodeIfShown[T any](body []byte, figure string) (page T, err error) {
	if !bytes.Contains(body, []byte(figure)) {
		return page, nil
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return page, fmt.Errorf("decode a page: %w", err)
	}
	return page, nil
}

// pacer keeps questions apart, whoever asks. Without it slow answers would mean more changes that are watched at once,
// more questions, and slower answers: the benchmark would measure itself.
type pacer struct {
	apart time.Duration
	next  atomic.Int64 // when the next question may be asked, as Unix nanoseconds
}

// wait returns when it is the caller's turn, false if the context ended before.
func (p *pacer) wait(ctx context.Context) bool {
	for {
		next, now := p.next.Load(), time.Now().UnixNano()
		turn := max(next, now)
		if p.next.CompareAndSwap(next, turn+int64(p.apart)) {
			return sleepUntil(ctx, time.Unix(0, turn))
		}
	}
}

// watcher asks the read API for views.
type watcher struct {
	c      *client
	pacers map[string]*pacer // by model
}

// newWatcher bounds the questions per second so that they stay a small part of the machine: at the usual times a change is
// shown within, the bounds are hardly met.
func newWatcher(c *client) *watcher {
	perSecond := func(n int) *pacer { return &pacer{apart: time.Second / time.Duration(n)} }
	return &watcher{c: c, pacers: map[string]*pacer{modelProduct: perSecond(50), modelCategory: perSecond(20), modelSearch: perSecond(20)}}
}

// await polls until the view shows the price and returns how long after the commit that was; errLate when the context's
// time was not enough.
func (w *watcher) await(ctx context.Context, v view, committed time.Time) (time.Duration, error) {
	for {
		if !w.pacers[v.model].wait(ctx) {
			return time.Since(committed), late(ctx)
		}
		a, err := w.question(ctx, v)
		seen := time.Since(committed)
		switch {
		case ctx.Err() != nil:
			return seen, late(ctx)
		case err != nil:
			return seen, err
		case a.status == http.StatusOK:
			shown, err := v.shows(a.body)
			if err != nil {
				return seen, fmt.Errorf("%s: %w", v.path, err)
			}
			if shown {
				return seen, nil
			}
		case a.status < http.StatusInternalServerError:
			// Busy answers are asked again: they are part of how long it takes.
			return seen, statusError(v.path, a.status, a.body)
		}
		if !sleepUntil(ctx, time.Now().Add(v.pause)) {
			return time.Since(committed), late(ctx)
		}
	}
}

func (w *watcher) question(ctx context.Context, v view) (answer, error) {
	if v.ask.path == "" {
		return w.c.get(ctx, v.path)
	}
	a, err := w.c.send(ctx, v.ask)
	return answer{status: a.status, body: a.body}, err
}

// late tells a probe whose time is over from a benchmark that is interrupted.
func late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errLate
	}
	return ctx.Err()
}

// awaitAll watches all views at once and tells when each showed the price, or why not.
func (w *watcher) awaitAll(ctx context.Context, views []view, committed time.Time, timeout time.Duration, tell func(model string, took time.Duration, err error)) error {
	bounded, cancel := context.WithDeadline(ctx, committed.Add(timeout))
	defer cancel()
	var group errgroup.Group
	for _, v := range views {
		group.Go(func() error {
			took, err := w.await(bounded, v, committed)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			tell(v.model, took, err)
			return nil
		})
	}
	return group.Wait()
}

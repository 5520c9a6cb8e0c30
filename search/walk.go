package search

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"freshet/projectors/dimension"
)

// Limits of a walk.
const (
	walkIdle = time.Minute      // from one page to the next
	walkLife = 15 * time.Minute // from the first page to the last
	// maxWalks is how many walks one Searcher keeps going: each keeps segments on the server that it would drop else.
	maxWalks = 1000
)

// Place is how far a walk through the hits of a query has come, and all that the next page needs to know. It comes back
// from clients: whoever hands it out signs it.
type Place struct {
	Moment string            `json:"m"`           // the server's name for the index as it was
	Opened int64             `json:"t"`           // when that was, in seconds
	Plan   string            `json:"p"`           // digest of what is asked, as the dimensions resolved it
	Offset int               `json:"o"`           // hits so far
	After  []json.RawMessage `json:"a"`           // what the furthest of them is sorted by
	Fuzzy  bool              `json:"f,omitempty"` // misspellings are allowed for
}

// Expired is the error of a walk that can't go on; it can begin again.
type Expired struct{ Reason string }

func (e *Expired) Error() string { return "the walk is over: " + e.Reason }

var (
	errIdle    = &Expired{"the index is no longer kept as it was when it began"}
	errChanged = &Expired{"what its text or category means, or a rule, has changed since it began"}
)

// Page answers a query as one page of a walk. All pages of it are cut from the index as it was when the first was asked:
// whatever is written meanwhile, each hit is on exactly one of them, and there is no depth at which they end. from is nil
// for the first page and what the page before returned for the next; it returns nil with the last. Facets come with the
// first alone. Beside Search's errors there is *Expired.
func (s *Searcher) Page(ctx context.Context, q Query, from *Place, dims *dimension.Set) (Result, *Place, error) {
	if err := q.Validate(); err != nil {
		return Result{}, nil, err
	}
	if q.Limit == 0 || q.Offset != 0 {
		return Result{}, nil, invalid("limit", "pages of a walk have 1 to %d hits, and no offset", MaxLimit)
	}
	p, err := s.plan(&q, dims)
	if err != nil {
		return Result{}, nil, err
	}
	deadline, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	w := walk{searcher: s, plan: p, dims: dims}
	var page Result
	var next Place
	if from == nil {
		page, next, err = w.begin(deadline)
	} else {
		page, next, err = w.resume(deadline, *from)
	}
	if err != nil {
		return Result{}, nil, s.classify(ctx, err)
	}
	if len(page.Hits) == 0 || int64(next.Offset) >= page.Total {
		s.forget(deadline, next.Moment)
		return page, nil, nil
	}
	return page, &next, nil
}

// walk is a page being made.
type walk struct {
	searcher *Searcher
	plan     *plan
	dims     *dimension.Set
}

// begin has the server keep the index as it is, and asks for the first page. As with Search, it decides whether
// misspellings are allowed for.
func (w *walk) begin(ctx context.Context) (Result, Place, error) {
	at, err := w.open(ctx)
	if err != nil {
		return Result{}, at, err
	}
	strict, next, err := w.ask(ctx, at)
	if err != nil || !w.searcher.few(w.plan, strict.matched, strict.Partial) {
		return strict, next, err
	}
	at.Moment, at.Fuzzy = next.Moment, true
	fuzzy, further, err := w.ask(ctx, at)
	if err != nil || fuzzy.Total <= strict.Total {
		return strict, next, err
	}
	fuzzy.misspelt(w.plan.q, &strict)
	return fuzzy, further, nil
}

func (w *walk) open(ctx context.Context) (Place, error) {
	s, q := w.searcher, w.plan.q
	if !s.walks.room(time.Now()) {
		return Place{}, &Unavailable{RetryAfter: 5 * time.Second, Err: errors.New("too many walks at once")}
	}
	at := Place{Opened: time.Now().Unix()}
	var opened struct {
		ID string `json:"id"`
	}
	path := "/" + url.PathEscape(Alias(s.cfg.Prefix)) + "/_pit?routing=" + key(q.Store) + "&keep_alive=" + milliseconds(walkIdle)
	err := s.client.json(ctx, http.MethodPost, path, nil, &opened)
	at.Moment = opened.ID
	return at, err
}

// resume goes on from a place if the query still means what it did: else hits would be ordered in another way than
// those before them.
func (w *walk) resume(ctx context.Context, at Place) (Result, Place, error) {
	w.plan.facets = nil
	switch {
	case time.Since(time.Unix(at.Opened, 0)) > walkLife:
		return Result{}, at, errIdle
	case w.digest(&at) != at.Plan:
		return Result{}, at, errChanged
	}
	page, next, err := w.ask(ctx, at)
	page.Fuzzy = at.Fuzzy
	var status *statusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		return page, next, errIdle
	}
	return page, next, err
}

// digest names what decides which hits there are and in which order.
func (w *walk) digest(at *Place) string {
	body := w.plan.request(at.Fuzzy, at.popularityNow(), 0)
	b, err := json.Marshal([]any{body["query"], body["post_filter"], body["sort"]})
	if err != nil {
		panic("a search is not JSON: " + err.Error()) // it is made of strings and finite numbers
	}
	return digest(b)
}

// popularityNow is of when the walk began: a later now would score the hits otherwise.
func (at *Place) popularityNow() float64 { return popularityAt(time.Unix(at.Opened, 0)) }

// ask asks for the hits after a place, and says which place is behind them.
func (w *walk) ask(ctx context.Context, at Place) (Result, Place, error) {
	p, s := w.plan, w.searcher
	p.q.Offset = at.Offset
	body := p.request(at.Fuzzy, at.popularityNow(), s.cfg.Timeout*8/10)
	body["pit"] = object{"id": at.Moment, "keep_alive": milliseconds(walkIdle)}
	if !p.placing() {
		if body["from"] = 0; at.After != nil {
			body["search_after"] = at.After
		}
	}
	var a answer
	if err := s.client.json(ctx, http.MethodPost, "/_search?allow_partial_search_results=false", body, &a); err != nil {
		return Result{}, at, err
	}
	page, err := p.result(&a, w.dims)
	if errors.Is(err, errWide) {
		s.wide.note(p)
		at.Moment = a.PIT
		return w.ask(ctx, at)
	}
	if err == nil && page.Partial { // what was not looked at would be on no page
		err = &Unavailable{RetryAfter: time.Second, Err: errors.New("a page took too long")}
	}
	if err != nil {
		return Result{}, at, err
	}
	s.walks.keep(at.Moment, a.PIT, time.Now())
	at.Moment, at.After = a.PIT, p.furthest(&a)
	at.Offset += len(page.Hits)
	at.Plan = w.digest(&at)
	return page, at, nil
}

// furthest is what the furthest of the hits so far is sorted by, in the server's order.
func (p *plan) furthest(a *answer) []json.RawMessage {
	hits := a.Hits.Hits
	if len(hits) == 0 {
		return nil
	}
	last := len(hits) - 1
	if p.placing() {
		at := make(map[int64]int, len(hits))
		for i := range hits {
			at[hits[i].Source.Card.Product] = i
		}
		last = 0
		for _, h := range p.arrange(a.cards(p.q.Lang))[:min(p.q.Offset+p.q.Limit, len(hits))] {
			last = max(last, at[h.Product])
		}
	}
	return hits[last].Sort
}

// forget tells the server that a walk is over. If it doesn't hear, it forgets by itself in a minute.
func (s *Searcher) forget(ctx context.Context, moment string) {
	s.walks.drop(moment)
	_ = s.client.json(ctx, http.MethodDelete, "/_pit", object{"id": moment}, nil)
}

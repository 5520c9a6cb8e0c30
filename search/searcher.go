package search

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"freshet/projectors/dimension"
	"freshet/projectors/offer"
)

// Unavailable is the error of a search that can't be answered now: Elasticsearch is away, overloaded, or not set up yet.
type Unavailable struct {
	RetryAfter time.Duration
	Err        error
}

func (e *Unavailable) Error() string { return "search is unavailable: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Unavailable) Unwrap() error { return e.Err }

// SearcherConfig tunes a Searcher; zero values take the defaults.
type SearcherConfig struct {
	Prefix string // of the index names
	// Timeout bounds a search, default 2 s. Elasticsearch is told to stop a little earlier and give what it has.
	Timeout time.Duration
	// FuzzyBelow is how few hits the text as typed may have before misspellings are allowed for, default 3.
	FuzzyBelow int64
	Settings   *Settings // relevance.yaml's if nil
}

// Searcher answers queries. It is safe for concurrent use.
type Searcher struct {
	client *Client
	cfg    SearcherConfig
	words  lexicons
	walks  walks
	wide   wide
}

// NewSearcher returns a searcher over the client.
func NewSearcher(c *Client, cfg SearcherConfig) *Searcher {
	defaultTo(&cfg.Timeout, 2*time.Second)
	if cfg.FuzzyBelow <= 0 {
		cfg.FuzzyBelow = 3
	}
	return &Searcher{client: c, cfg: cfg}
}

// hasText says whether there is anything to look for.
func (q *Query) hasText() bool { return strings.TrimSpace(q.Text) != "" }

// Search answers a query by one request, or by two when the text as typed finds next to nothing. The error is an *Invalid
// for a query that can't be answered, an *Unavailable when asking again later may help.
func (s *Searcher) Search(ctx context.Context, q Query, dims *dimension.Set) (Result, error) {
	if err := q.Validate(); err != nil {
		return Result{}, err
	}
	p, err := s.plan(&q, dims)
	if err != nil {
		return Result{}, err
	}
	deadline, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	strict, err := s.ask(deadline, p, dims, false)
	if err != nil {
		return Result{}, s.classify(ctx, err)
	}
	if !s.few(p, strict.matched, strict.Partial) {
		return strict, nil
	}
	fuzzy, err := s.ask(deadline, p, dims, true)
	if err != nil {
		return Result{}, s.classify(ctx, err)
	}
	if fuzzy.Total <= strict.Total {
		return strict, nil
	}
	fuzzy.misspelt(&q, &strict)
	return fuzzy, nil
}

// few says whether a text found next to nothing as it was typed, so that misspellings are to be allowed for. matched is what it
// finds before the selections of facets: one that leaves two of many is no reason to show what its facet didn't count.
func (s *Searcher) few(p *plan, matched int64, partial bool) bool {
	return p.q.hasText() && !p.q.StrictText && !partial && matched < s.cfg.FuzzyBelow && !p.exact(matched)
}

// popularityAt is the popularity, on view.Popularity's scale, of a product that sells its only unit at that time.
func popularityAt(t time.Time) float64 {
	return float64(t.Sub(offer.Landmark)) / float64(offer.HalfLife)
}

func (s *Searcher) ask(ctx context.Context, p *plan, dims *dimension.Set, fuzzy bool) (Result, error) {
	body := p.request(fuzzy, popularityAt(time.Now()), s.cfg.Timeout*8/10)
	var a answer
	if err := s.client.json(ctx, http.MethodPost, s.path(p.q), body, &a); err != nil {
		return Result{}, err
	}
	r, err := p.result(&a, dims)
	if errors.Is(err, errWide) {
		s.wide.note(p)
		return s.ask(ctx, p, dims, fuzzy)
	}
	return r, err
}

// plan resolves a valid query.
func (s *Searcher) plan(q *Query, dims *dimension.Set) (*plan, error) {
	p, err := makePlan(q, dims, s.words.get(dims, q.Lang))
	if err != nil {
		return nil, err
	}
	s.wide.heed(p)
	if s.cfg.Settings != nil {
		p.relevance = s.cfg.Settings.of(q.Lang)
	}
	return p, nil
}

// classify tells a server that may be well again from a fault of ours. ctx is the caller's: when that has ended, nobody
// waits for the answer and its error is the one to return.
func (s *Searcher) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("search: %w", context.Cause(ctx))
	}
	var status *statusError
	missing := errors.As(err, &status) && (status.Status == http.StatusNotFound || status.Type == "index_closed_exception")
	if missing || passing(err) {
		return &Unavailable{RetryAfter: time.Second, Err: err}
	}
	return fmt.Errorf("search: %w", err)
}

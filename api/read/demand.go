package read

import (
	"context"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"freshet/api"
	"freshet/api/auth"
	"freshet/api/read/tally"
	"freshet/projectors/demand"
	"freshet/search"
)

// Tally is told what is searched for and clicked, and never waits; tally.Tally does it.
type Tally interface {
	Searched(client tally.Client, store int64, lang, text string, total int64, fuzzy bool)
	Clicked(client tally.Client, store int64, lang, text string, product int64)
}

// Demand knows which texts are popular; demand.Store does.
type Demand interface {
	Popular(ctx context.Context, store int64, lang string, now time.Time) ([]string, error)
}

// searched reports a search for a text that nothing narrows: its number of hits is the text's own. What staff looks up is
// no shopper's wish.
func (s *Shop) searched(r *request, q *search.Query, result *search.Result) {
	if r.who.role == auth.Support || r.who.role == auth.Data {
		return
	}
	if s.cfg.Tally == nil || q.Text == "" || q.Limit == 0 || q.Offset > 0 || r.cursor != "" || q.Narrowed() || result.Partial {
		return
	}
	s.cfg.Tally.Searched(r.client, q.Store, q.Lang, q.Text, result.Total, result.Fuzzy)
}

// click is the body of a report of a click.
type click struct {
	Text    string `json:"q"`
	Lang    string `json:"lang"`
	Product int64  `json:"product"`
}

// Clicked is the answer to a report of a click.
type Clicked struct {
	Taken bool `json:"taken"`
}

// clicked takes the report of a page that a hit of a search was clicked. It is counted and nothing more, so it is believed.
func (s *Shop) clicked(_ context.Context, r *request) (response, error) {
	var body click
	if err := r.query.end(); err != nil {
		return response{}, err
	}
	if err := api.Decode(r.body, &body); err != nil {
		return response{}, err
	}
	st, ok := r.dims.StoreNamed(r.store)
	if !ok || !st.Active || len(st.Languages) == 0 {
		return response{}, api.Errorf(api.NotFound, "There is no store %q.", cut(r.store))
	}
	lang, err := r.matchers.choose(st.Languages, body.Lang, body.Lang != "", r.accept)
	switch {
	case err != nil:
		return response{}, err
	case body.Product < 1:
		return response{}, api.Errorf(api.Invalid, "Name the product that was clicked.").At("product")
	case strings.TrimSpace(body.Text) == "" || utf8.RuneCountInString(body.Text) > search.MaxText:
		return response{}, api.Errorf(api.Invalid, "Say what was searched for, in 1 to %d characters.", search.MaxText).At("q")
	}
	if s.cfg.Tally != nil {
		s.cfg.Tally.Clicked(r.client, st.ID, lang, body.Text, body.Product)
	}
	return response{document: Clicked{Taken: s.cfg.Tally != nil}, lang: lang}, nil
}

const (
	// popularFor is how long a list of popular texts is used before it is read again.
	popularFor = 10 * time.Second
	// popularWait is how long a suggestion waits for it; it is answered without rather than late.
	popularWait = 20 * time.Millisecond
	// maxPopular is how many stores' lists are kept, of some kilobytes each.
	maxPopular = 2000
)

// popularLists keeps the popular texts of the stores that suggest, so that who types waits for no second server.
type popularLists struct {
	mu    sync.Mutex
	lists map[front]popularList
}

type front struct {
	store int64
	lang  string
}

type popularList struct {
	texts []string
	until time.Time
}

// queries are the popular texts that begin as typed. A list that can't be read is the last one, or empty.
func (s *Shop) queries(ctx context.Context, store int64, lang, typed string, limit int) []string {
	found := []string{}
	begin := demand.Normal(typed)
	if s.cfg.Demand == nil || begin == "" {
		return found
	}
	for _, text := range s.popularTexts(ctx, store, lang) {
		if len(found) < limit && strings.HasPrefix(text, begin) {
			found = append(found, text)
		}
	}
	return found
}

func (s *Shop) popularTexts(ctx context.Context, store int64, lang string) []string {
	key, now := front{store, lang}, time.Now()
	p := &s.popular
	p.mu.Lock()
	list, known := p.lists[key]
	due := !known || !now.Before(list.until)
	if due { // who comes meanwhile takes the old one
		list.until = now.Add(popularFor)
		if !known && len(p.lists) >= maxPopular {
			clear(p.lists)
		}
		p.lists[key] = list
	}
	p.mu.Unlock()
	if !due {
		return list.texts
	}
	ctx, cancel := context.WithTimeout(ctx, popularWait)
	defer cancel()
	texts, err := s.cfg.Demand.Popular(ctx, store, lang, now)
	if err != nil {
		s.cfg.Log.Debug("popular searches can't be read, the last ones stay in use", "error", err.Error())
		return list.texts
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lists[key] = popularList{texts: texts, until: now.Add(popularFor)}
	return texts
}

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/ingest/change"
	"freshet/search"
)

// sight is what a reader saw of a document.
type sight struct {
	version int64           // revision, version of the page, or external version
	row     change.Position // of the row, where the document is folded from one
	deleted bool
}

// reader looks at every document again and again, as a reader that tails the stores would, and notes what must not be: a
// version that goes back, a document that vanishes, one that is deleted and returns though nothing newer says so.
type reader struct {
	s        *shop
	seen     map[string]sight
	looks    int
	moves    int // versions seen to grow
	problems []string
}

// tail reads until the returned function is called, which fails the test on what it noted.
func (s *shop) tail(ctx context.Context) (stop func()) {
	s.t.Helper()
	r := &reader{s: s, seen: map[string]sight{}}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			if err := r.look(ctx); err != nil || ctx.Err() != nil {
				done <- err
				return
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() {
		s.t.Helper()
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			s.t.Errorf("the tailing reader: %v", err)
		}
		for _, p := range r.problems[:min(20, len(r.problems))] {
			s.t.Errorf("seed %d: a tailing reader saw %s", *seedFlag, p)
		}
		if r.looks < 10 || r.moves < 100 {
			s.t.Errorf("the tailing reader looked %d times and saw %d documents move, which proves nothing", r.looks, r.moves)
		}
		s.t.Logf("a tailing reader looked %d times at %d documents and saw %d move", r.looks, len(r.seen), r.moves)
	}
}

// look reads every store once.
func (r *reader) look(ctx context.Context) error {
	now := map[string]sight{}
	for _, name := range []string{"products", "offers", "homes", "nodes"} {
		if err := r.collection(ctx, name, now); err != nil {
			return err
		}
	}
	if err := r.index(ctx, now); err != nil {
		return err
	}
	r.compare(now)
	r.looks++
	return nil
}

// compare notes what must not follow what was seen before.
func (r *reader) compare(now map[string]sight) {
	for key := range r.seen {
		if _, there := now[key]; !there {
			r.problems = append(r.problems, key+" vanish")
			delete(r.seen, key)
		}
	}
	for key, s := range now {
		last, known := r.seen[key]
		switch {
		case !known:
		case s.version < last.version || last.row.After(s.row):
			r.problems = append(r.problems, fmt.Sprintf("%s go back from %+v to %+v", key, last, s))
		case s.version == last.version && s.deleted != last.deleted:
			r.problems = append(r.problems, fmt.Sprintf("%s change from %+v to %+v under one version", key, last, s))
		case last.deleted && !s.deleted && !last.row.IsZero() && !s.row.After(last.row):
			r.problems = append(r.problems, fmt.Sprintf("%s return from the dead: %+v, then %+v", key, last, s))
		case s.version > last.version:
			r.moves++
		}
		r.seen[key] = s
	}
}

func (r *reader) collection(ctx context.Context, name string, now map[string]sight) error {
	fields := bson.D{{Key: "rev", Value: 1}, {Key: "ver", Value: 1}, {Key: "deleted", Value: 1}, {Key: "row", Value: 1}}
	cur, err := r.s.db.Collection(name).Find(ctx, bson.D{}, options.Find().SetProjection(fields))
	if err != nil {
		return err
	}
	var docs []struct {
		ID      any   `bson:"_id"`
		Rev     int64 `bson:"rev"`
		Ver     int64 `bson:"ver"`
		Deleted bool  `bson:"deleted"`
		Row     struct {
			Pos     change.Position `bson:"pos"`
			Deleted bool            `bson:"deleted"`
		} `bson:"row"`
	}
	if err := cur.All(ctx, &docs); err != nil {
		return err
	}
	for _, d := range docs {
		now[fmt.Sprintf("%s/%v", name, d.ID)] = sight{d.Rev + d.Ver, d.Row.Pos, d.Deleted || d.Row.Deleted}
	}
	return nil
}

func (r *reader) index(ctx context.Context, now map[string]sight) error {
	alias := search.Alias(r.s.prefix)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.s.elastic+"/"+alias+"/_search?version=true&size=10000&_source=deleted", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	if res.StatusCode == http.StatusNotFound {
		return nil // not made yet
	}
	var answer struct {
		Hits struct {
			Hits []struct {
				ID      string          `json:"_id"`
				Version int64           `json:"_version"`
				Source  search.Document `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	for _, h := range answer.Hits.Hits {
		now[alias+"/"+h.ID] = sight{version: h.Version, deleted: h.Source.Deleted}
	}
	return nil
}

// TestTheTailingReaderBites feeds it what it must not accept.
func TestTheTailingReaderBites(t *testing.T) {
	pos := func(n int) change.Position { return change.Position{Commit: change.LSN(n)} }
	for name, c := range map[string]struct {
		last, now sight
		bad       bool
	}{
		"grows":             {sight{1, pos(1), false}, sight{2, pos(2), false}, false},
		"dies":              {sight{1, pos(1), false}, sight{2, pos(2), true}, false},
		"is born again":     {sight{2, pos(2), true}, sight{3, pos(3), false}, false},
		"goes back":         {sight{2, pos(2), false}, sight{1, pos(2), false}, true},
		"takes an old row":  {sight{2, pos(2), false}, sight{3, pos(1), false}, true},
		"returns":           {sight{2, pos(2), true}, sight{3, pos(2), false}, true},
		"changes in secret": {sight{2, pos(2), true}, sight{2, pos(2), false}, true},
	} {
		r := &reader{seen: map[string]sight{"x": c.last}}
		r.compare(map[string]sight{"x": c.now})
		if (len(r.problems) > 0) != c.bad {
			t.Errorf("%s: %v", name, r.problems)
		}
	}
	r := &reader{seen: map[string]sight{"x": {1, pos(1), false}}}
	if r.compare(nil); len(r.problems) == 0 {
		t.Error("a document may vanish")
	}
}

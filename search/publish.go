package search

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"golang.org/x/sync/errgroup"

	"freshet/ingest/failpoint"
)

// Publish writes the documents as Write does and makes them searchable before it returns, also those that an earlier
// attempt may have stored and not made searchable. Callers share requests and refreshes: of each index one group at a time
// is on its way, at least WriterConfig.RefreshEvery after the one before. An error may be that of another caller's
// documents in the same group; to repeat the call is harmless.
func (w *Writer) Publish(ctx context.Context, ops []Op) ([]OpResult, error) {
	places := map[string][]int{} // in ops, by alias
	for i := range ops {
		places[ops[i].Alias] = append(places[ops[i].Alias], i)
	}
	results := make([]OpResult, len(ops))
	group, ctx := errgroup.WithContext(ctx)
	for alias, at := range places {
		group.Go(func() error {
			own := make([]Op, len(at))
			for i, place := range at {
				own[i] = ops[place]
			}
			answers, err := w.pass(ctx, alias, own)
			for i := range answers {
				results[at[i]] = answers[i]
			}
			return err
		})
	}
	return results, group.Wait()
}

// Refresh makes everything written to the aliases before the call searchable before it returns.
func (w *Writer) Refresh(ctx context.Context, aliases ...string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, alias := range aliases {
		group.Go(func() error {
			_, err := w.pass(ctx, alias, nil)
			return err
		})
	}
	return group.Wait()
}

func (w *Writer) pass(ctx context.Context, alias string, ops []Op) ([]OpResult, error) {
	return w.lane(alias).pass(ctx, ops, func(ctx context.Context, ops []Op) ([]OpResult, error) {
		results, err := w.Write(ctx, ops)
		if err != nil {
			return nil, err
		}
		failpoint.Hit("index-after-bulk-before-refresh")
		return results, w.refresh(ctx, alias)
	})
}

func (w *Writer) refresh(ctx context.Context, alias string) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	var answer struct {
		Shards struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
	}
	if err := w.client.do(ctx, http.MethodPost, "/"+url.PathEscape(alias)+"/_refresh", "", nil, &answer); err != nil {
		return fmt.Errorf("refresh: %w", err)
	}
	if answer.Shards.Failed > 0 {
		return fmt.Errorf("refresh %s: %d shards failed", alias, answer.Shards.Failed)
	}
	return nil
}

// lane returns the alias's.
func (w *Writer) lane(alias string) *lane {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lanes[alias]
	if l == nil {
		l = &lane{every: w.cfg.RefreshEvery}
		w.lanes[alias] = l
	}
	return l
}

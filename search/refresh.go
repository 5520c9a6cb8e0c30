package search

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Refresh makes everything written to the aliases before the call searchable before it returns. Callers share: one refresh
// of an alias serves all who asked before it began, and two of them begin at least WriterConfig.RefreshEvery apart, since
// each makes a segment that must be merged again.
func (w *Writer) Refresh(ctx context.Context, aliases ...string) error {
	// One caller's end must not fail the others who wait for the same refresh.
	ctx = context.WithoutCancel(ctx)
	var group errgroup.Group
	for _, alias := range aliases {
		group.Go(func() error { return w.turnstile(alias).pass(func() error { return w.refresh(ctx, alias) }) })
	}
	return group.Wait()
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

// turnstile returns the alias's.
func (w *Writer) turnstile(alias string) *turnstile {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.turnstiles[alias]
	if t == nil {
		t = &turnstile{every: w.cfg.RefreshEvery}
		w.turnstiles[alias] = t
	}
	return t
}

// turnstile lets callers through in groups: all who come before a pass begins share it.
type turnstile struct {
	every time.Duration
	turn  sync.Mutex // held by the pass that waits or runs
	began time.Time  // of the last pass; guarded by turn

	mu   sync.Mutex
	next *pass // that newcomers join; nil when none waits to begin
}

type pass struct {
	done chan struct{}
	err  error
}

// pass runs do, or shares the outcome of a do that began after the call.
func (t *turnstile) pass(do func() error) error {
	t.mu.Lock()
	if p := t.next; p != nil {
		t.mu.Unlock()
		<-p.done
		return p.err
	}
	p := &pass{done: make(chan struct{})}
	t.next = p
	t.mu.Unlock()

	t.turn.Lock()
	defer t.turn.Unlock()
	<-time.After(t.every - time.Since(t.began))
	t.mu.Lock()
	t.next = nil // who comes now may have written after do begins
	t.mu.Unlock()
	t.began = time.Now()
	p.err = do()
	close(p.done)
	return p.err
}

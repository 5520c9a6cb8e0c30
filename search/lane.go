package search

import (
	"context"
	"sync"
	"time"
)

// lane lets the writers of one index through in groups. While one group is written and refreshed the next gathers, so that
// one request and one refresh serve all who came meanwhile: the server pays for each of either as much as for a hundred
// documents, and every refresh makes a segment that has to be merged.
type lane struct {
	every time.Duration // between the beginnings of two groups, at least
	turn  sync.Mutex    // held by the group that waits or runs
	next  time.Time     // when the next group may begin; guarded by turn

	mu        sync.Mutex
	gathering *group // that newcomers join; nil when none gathers
}

// group is what several callers write together. Its context ends when none of them is left.
type group struct {
	ctx     context.Context
	cancel  context.CancelFunc
	members int // guarded by the lane's mu
	ops     []Op

	done    chan struct{}
	results []OpResult
	err     error
}

// pass writes the operations with those of all who come before the group begins, and returns the results of the caller's
// own. do runs once for a group; it begins after the call. The caller's context ends only its own waiting.
func (l *lane) pass(ctx context.Context, ops []Op, do func(context.Context, []Op) ([]OpResult, error)) ([]OpResult, error) {
	g, at, first := l.join(ctx, ops)
	defer context.AfterFunc(ctx, func() { l.leave(g) })()
	if first {
		l.run(g, do)
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if g.err != nil {
		return nil, g.err
	}
	return g.results[at : at+len(ops)], nil
}

// join adds the operations to the group that gathers and says where its results will be. The first of a group runs it.
func (l *lane) join(ctx context.Context, ops []Op) (g *group, at int, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first = l.gathering == nil; first {
		l.gathering = &group{done: make(chan struct{})}
		l.gathering.ctx, l.gathering.cancel = context.WithCancel(context.WithoutCancel(ctx))
	}
	g = l.gathering
	at = len(g.ops)
	g.members++
	g.ops = append(g.ops, ops...)
	return g, at, first
}

// leave is for a caller whose context has ended. The last one to leave ends the group: nobody waits for it.
func (l *lane) leave(g *group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.members--; g.members == 0 {
		g.cancel()
	}
}

func (l *lane) run(g *group, do func(context.Context, []Op) ([]OpResult, error)) {
	l.turn.Lock()
	defer l.turn.Unlock()
	pause := time.NewTimer(time.Until(l.next))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-g.ctx.Done():
	}
	l.mu.Lock()
	l.gathering = nil // who comes now would find its operations left out
	l.mu.Unlock()
	began := time.Now()
	g.results, g.err = do(g.ctx, g.ops)
	l.next = began.Add(l.every)
	g.cancel()
	close(g.done)
}

package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Everyone gets the results of its own operations from a group that began after the call, and many share few.
func TestLaneShares(t *testing.T) {
	l := &lane{every: time.Millisecond}
	var groups atomic.Int64
	do := func(_ context.Context, ops []Op) ([]OpResult, error) {
		groups.Add(1)
		results := make([]OpResult, len(ops))
		for i, op := range ops {
			results[i] = OpResult{Outcome: Written, Reason: errors.New(op.ID)}
		}
		return results, nil
	}
	var wg sync.WaitGroup
	const callers = 200
	for caller := range callers {
		wg.Go(func() {
			before := groups.Load()
			var ops []Op
			for i := range caller % 4 { // none is a plain refresh
				ops = append(ops, Op{ID: fmt.Sprintf("%d/%d", caller, i)})
			}
			results, err := l.pass(t.Context(), ops, do)
			if err != nil || len(results) != len(ops) {
				t.Errorf("pass: %d results of %d, %v", len(results), len(ops), err)
				return
			}
			for i := range ops {
				if results[i].Reason.Error() != ops[i].ID {
					t.Errorf("the result of %s for %s", results[i].Reason, ops[i].ID)
				}
			}
			if groups.Load() == before {
				t.Error("no group began after the call")
			}
		})
	}
	wg.Wait()
	if n := groups.Load(); n == callers {
		t.Errorf("%d callers made %d groups: nothing was shared", callers, n)
	}
}

// Who gives up waits no longer and takes nothing from the others; a group that all gave up ends.
func TestLaneOutlivesAMember(t *testing.T) {
	l := &lane{}
	started, release := make(chan struct{}), make(chan struct{})
	blocking := func(ctx context.Context, ops []Op) ([]OpResult, error) {
		close(started)
		select {
		case <-release:
			return make([]OpResult, len(ops)), ctx.Err()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	first := make(chan error, 1)
	go func() { _, err := l.pass(t.Context(), make([]Op, 1), blocking); first <- err }()
	<-started // the second group gathers while the first is on its way

	var did []Op
	plain := func(_ context.Context, ops []Op) ([]OpResult, error) {
		did = slices.Clone(ops)
		return make([]OpResult, len(ops)), nil
	}
	stays := make(chan error, 1)
	go func() { _, err := l.pass(t.Context(), []Op{{ID: "stays"}}, plain); stays <- err }()
	gather(t, l, 1)
	leaving, leave := context.WithCancel(t.Context())
	leaves := make(chan error, 1)
	go func() { _, err := l.pass(leaving, []Op{{ID: "leaves"}}, plain); leaves <- err }()
	gather(t, l, 2)
	leave()
	if err := <-leaves; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	close(release)
	if err := errors.Join(<-first, <-stays); err != nil || len(did) != 2 {
		t.Errorf("those who stayed: %v, with %d operations", err, len(did))
	}

	started = make(chan struct{})
	release = make(chan struct{})
	alone, giveUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := l.pass(alone, make([]Op, 1), blocking); ended <- err }()
	<-started
	giveUp()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a group that all gave up ended with %v", err)
	}
}

// gather waits until so many have joined the group that gathers.
func gather(t *testing.T, l *lane, members int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		l.mu.Lock()
		n := 0
		if l.gathering != nil {
			n = l.gathering.members
		}
		l.mu.Unlock()
		if n == members {
			return
		}
		<-time.After(time.Millisecond)
	}
	t.Fatalf("%d callers never joined", members)
}

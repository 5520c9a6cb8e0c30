package search

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRefreshesAreShared: whoever asks gets a refresh that began after the call, and many who ask together share few.
func TestRefreshesAreShared(t *testing.T) {
	ts := &turnstile{every: time.Millisecond}
	var began atomic.Int64
	var wg sync.WaitGroup
	const callers = 200
	for range callers {
		wg.Go(func() {
			before := began.Load()
			if err := ts.pass(func() error { began.Add(1); return nil }); err != nil {
				t.Errorf("pass: %v", err)
			}
			if began.Load() == before {
				t.Error("no refresh began after the call")
			}
		})
	}
	wg.Wait()
	if n := began.Load(); n == callers {
		t.Errorf("%d callers made %d refreshes: nothing was shared", callers, n)
	}
}

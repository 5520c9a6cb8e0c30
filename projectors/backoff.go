package projectors

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the pause between attempts: it doubles up to a limit, and each is shortened by up to half at random so that
// workers that failed together don't come back together.
type backoff struct {
	next, limit time.Duration
	logged      time.Time
	quiet       time.Duration
}

func newBackoff(least, limit time.Duration) backoff { return backoff{next: least, limit: limit} }

// wait pauses, and says whether the pause passed before the context ended.
func (b *backoff) wait(ctx context.Context) bool {
	pause := b.next/2 + rand.N(b.next/2+1)
	b.next = min(2*b.next, b.limit)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// loud says whether this failure should be logged: the first is, then at intervals that double up to a minute.
func (b *backoff) loud() bool {
	if time.Since(b.logged) < b.quiet {
		return false
	}
	b.logged = time.Now()
	b.quiet = min(max(2*b.quiet, time.Second), time.Minute)
	return true
}

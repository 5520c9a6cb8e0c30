package queue

import (
	"context"
	"time"
)

// place decides the orders, the oldest first, until ctx ends. One that isn't decided is tried again for as long as it
// takes: those behind it came later.
func (q *Queue) place(ctx context.Context, place Place) {
	pause, try := time.Duration(0), 1
	for {
		e, ok := q.oldest()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-q.wake:
			}
			continue
		}
		if !sleep(ctx, pause) {
			return
		}
		if err := q.decide(ctx, e, try, place); err != nil {
			if try == 1 {
				q.cfg.Log.Warn("a queued order waits", "queued", e.order.ID, "offset", e.offset, "error", err.Error())
			}
			q.retries.Inc()
			pause, try = min(max(2*pause, againMin), againMax), try+1
			continue
		}
		q.decided(e)
		q.settled.Inc()
		pause, try = 0, 1
	}
}

func (q *Queue) decide(ctx context.Context, e entry, try int, place Place) error {
	if e.bad != nil {
		// Nobody can have been told that this was taken: what Add writes can be read.
		q.cfg.Log.Error("a record of the queue of orders isn't one", "topic", q.topic, "offset", e.offset, "error", e.bad.Error())
		return nil
	}
	return place(ctx, e.order, try)
}

func (q *Queue) oldest() (entry, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return entry{}, false
	}
	return q.list[0], true
}

func (q *Queue) decided(e entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list[0] = entry{}
	q.list, q.done = q.list[1:], e.offset+1
	delete(q.waiting, e.order.ID)
	if q.done >= q.end {
		clear(q.waiting) // also of one that was decided before Add had noted it
	}
}

// sleep says whether ctx still lives afterwards.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

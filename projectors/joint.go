package projectors

import (
	"context"
	"sync"
	"time"
)

// joinFor is how long the first of a round waits for the other workers, which begin at the same time as far as their timers
// and the cores allow.
const joinFor = 5 * time.Millisecond

// joint is the one handler of a generation's workers, who join in rounds: a handle of it is of the batches of all who came
// meanwhile. It is for stages whose handles cost round trips, however small they are.
//
// What a round can't do each of its members does alone: nobody waits for another's bad record.
type joint struct {
	window  time.Duration
	members int
	began   time.Time     // rounds begin at this and whole windows later
	turn    chan struct{} // held by who calls the handler

	mu      sync.Mutex
	handler Handler
	open    *round
	ended   time.Time // of the last round
}

// round is what is handled together. Its first member leads it.
type round struct {
	batch  []Record
	joined int
	full   chan struct{} // closed when all are in
	done   chan struct{} // closed when err is there
	err    error
}

func newJoint(window time.Duration, members int) *joint {
	return &joint{window: window, members: members, began: time.Now(), turn: make(chan struct{}, 1)}
}

// build makes the handler if nobody has yet.
func (j *joint) build(handler func() (Handler, error)) (err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.handler == nil {
		j.handler, err = handler()
	}
	return err
}

// begin is the last time up to t at which the workers begin together.
func (j *joint) begin(t time.Time) time.Time {
	if j.window <= 0 {
		return t
	}
	return t.Add(-(t.Sub(j.began) % j.window))
}

// Handle implements Handler, for any number of goroutines.
func (j *joint) Handle(ctx context.Context, batch []Record) error {
	r, leads := j.join(batch)
	if leads {
		j.lead(ctx, r)
	}
	<-r.done // the leader's context is that of all
	if r.err == nil || r.joined == 1 {
		return r.err
	}
	return j.call(ctx, func() []Record { return batch })
}

// join enters the open round, or opens one.
func (j *joint) join(batch []Record) (r *round, leads bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if leads = j.open == nil; leads {
		j.open = &round{full: make(chan struct{}), done: make(chan struct{})}
	}
	r = j.open
	r.batch = append(r.batch, batch...)
	if r.joined++; r.joined == j.members {
		close(r.full)
	}
	return r, leads
}

// lead waits for the others, if there was a round just now, and for the handler, and then handles what has come.
func (j *joint) lead(ctx context.Context, r *round) {
	defer j.end(r)
	if j.busy() {
		timer := time.NewTimer(joinFor)
		defer timer.Stop()
		select {
		case <-r.full:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	r.err = j.call(ctx, func() []Record {
		j.close(r)
		return r.batch
	})
}

// busy says whether the others are likely to come now.
func (j *joint) busy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Since(j.ended) < 2*j.window
}

// close lets nobody enter the round any more.
func (j *joint) close(r *round) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.open == r {
		j.open = nil
	}
}

// end tells the members what came of the round, which may not have had its turn.
func (j *joint) end(r *round) {
	j.close(r)
	j.mu.Lock()
	j.ended = time.Now()
	j.mu.Unlock()
	close(r.done)
}

// call calls the handler when nobody else does.
func (j *joint) call(ctx context.Context, batch func() []Record) error {
	select {
	case j.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-j.turn }()
	return j.handler.Handle(ctx, batch())
}

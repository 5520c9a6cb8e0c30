package write

import (
	"context"
	"sync"
	"time"
)

// payer is one that is kept for the purchase that is being written down, so that nobody has to look for the task, and what
// is due is the exception. If it dies on the way the task is there, and another's after the lease.
type payer struct{ task *claimed }

// forget leaves what an attempt that was rolled back has written.
func (p *payer) forget() {
	if p != nil {
		p.task = nil
	}
}

// keepPayer takes a payer while one is free, nil for none. handOver has to follow.
func (s *Shop) keepPayer() *payer {
	if !s.paying.Load() {
		return nil
	}
	select {
	case s.busy <- struct{}{}:
		return &payer{}
	default:
		return nil
	}
}

// handOver has the payer do the task that was committed, or lets it go where there is none. What was written for nobody is
// anyone's who looks.
func (s *Shop) handOver(p *payer, committed bool) {
	switch {
	case p != nil && committed && p.task != nil:
		s.handed <- p.task // there is room for as many as there are payers
	case p != nil:
		<-s.busy
	case committed:
		s.poke()
	}
}

// poke tells the payers that there is something to look for, so that a customer waits for the provider and not for a clock.
func (s *Shop) poke() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// pay does payment tasks until ctx ends: those that are handed over, and what is due, looked for when poked, and every second, since
// others write tasks too.
func (s *Shop) pay(ctx context.Context) error {
	s.paying.Store(true)
	defer s.paying.Store(false)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	left := make(chan struct{}, 1)
	var under sync.WaitGroup
	defer under.Wait()
	start := func(t *claimed) {
		under.Go(func() {
			if err := s.pursue(ctx, t); err != nil && ctx.Err() == nil {
				s.log.Error("payment task", "task", t.task.Key, "error", err.Error())
			}
			<-s.busy
			select {
			case left <- struct{}{}:
			default:
			}
		})
	}
	for {
		tasks, all := s.claimFree(ctx)
		for _, t := range tasks {
			start(t)
		}
		var room chan struct{}
		if !all {
			room = left
		}
		for look := false; !look; {
			select {
			case <-ctx.Done():
				return nil
			case t := <-s.handed:
				start(t)
				continue
			case <-s.work:
			case <-room:
			case <-tick.C:
			}
			look = true
		}
	}
}

// claimFree takes what is due for as many payers as are free, by one statement, and says whether that is all there is.
func (s *Shop) claimFree(ctx context.Context) (tasks []*claimed, all bool) {
	free := 0
	for more := true; more && free < payers; {
		select {
		case s.busy <- struct{}{}:
			free++
		default:
			more = false
		}
	}
	if free == 0 {
		return nil, false
	}
	tasks, err := s.claim(ctx, free)
	if err != nil && ctx.Err() == nil {
		s.log.Error("payment tasks", "error", err.Error())
	}
	for range free - len(tasks) {
		<-s.busy
	}
	return tasks, len(tasks) < free
}

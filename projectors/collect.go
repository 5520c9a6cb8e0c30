package projectors

import (
	"context"
	"sync/atomic"
	"time"
)

// inputs is where a worker's records come from: in their order, and hot ones from ahead.
type inputs struct{ main, ahead <-chan []Record }

// lastHot is when a hot record was last handled by any stage of the process.
type lastHot struct{ at atomic.Int64 }

func (h *lastHot) note() { h.at.Store(time.Now().UnixNano()) }

func (h *lastHot) within(d time.Duration) bool { return time.Since(time.Unix(0, h.at.Load())) < d }

// slot is what a stage's bulk takes while hot records come.
func (r *Runtime) slot(stage string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots[stage] == nil {
		r.slots[stage] = make(chan struct{}, 1)
	}
	return r.slots[stage]
}

// due is when a worker's next batch may begin, for those who fetch it.
type due struct{ nanos atomic.Int64 }

func (d *due) set(t time.Time) { d.nanos.Store(t.UnixNano()) }

func (d *due) at() time.Time { return time.Unix(0, d.nanos.Load()) }

// collect returns the next batch: what has arrived since the last call of Handle, but not sooner than the stage's window
// after it began, and no more than MaxBatch.
func (w *worker) collect(ctx context.Context, in inputs) (job, bool) {
	for w.queue.empty() {
		if !w.more(ctx, in, nil) {
			return job{}, false
		}
	}
	timer := time.NewTimer(time.Until(w.notBefore()))
	defer timer.Stop()
	for len(w.queue.waiting) < w.stage.MaxBatch && w.more(ctx, in, timer.C) {
	}
	j, ok := w.choose(ctx, in)
	if ok && ctx.Err() != nil {
		j.release()
	}
	if !ok || ctx.Err() != nil {
		return job{}, false
	}
	w.lastBegun = time.Now()
	w.due.set(w.notBefore())
	if j.hot {
		w.hurry.note()
	}
	return j, true
}

// more waits for records; false when the alarm or the context's end came first.
func (w *worker) more(ctx context.Context, in inputs, alarm <-chan time.Time) bool {
	if len(w.queue.waiting) >= w.stage.MaxBatch {
		in.main = nil
	}
	if w.queue.earlies >= maxEarly {
		in.ahead = nil
	}
	select {
	case records := <-in.main:
		w.queue.add(records)
	case records := <-in.ahead:
		w.queue.addAhead(records)
	case <-alarm:
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

// choose takes the next job off the queue. Bulk waits until its stage has no other at work; what is hot goes first, though
// not twice in a row past bulk that could go.
func (w *worker) choose(ctx context.Context, in inputs) (job, bool) {
	if w.stage.BulkBatch == 0 {
		return w.inOrder(w.stage.MaxBatch), true
	}
	slot := w.slot(w.stage.Name)
	for {
		select { // a full queue must not hide what comes from ahead
		case records := <-in.ahead:
			w.queue.addAhead(records)
		default:
		}
		bulk, hot := w.queue.lanes()
		w.queue.jam.set(bulk)
		if hot {
			w.hurry.note()
		}
		switch {
		case !bulk && len(w.queue.ahead) == 0, !w.hurry.within(w.config.Hurry):
			return w.inOrder(w.stage.MaxBatch), true
		case hot && (!w.overtook || !bulk):
			return w.ahead(), true
		case hot:
			select {
			case slot <- struct{}{}:
				return w.slotted(slot), true
			default:
				return w.ahead(), true
			}
		}
		if j, ok := w.awaitSlot(ctx, in, slot); ok || ctx.Err() != nil {
			return j, ok
		}
	}
}

// awaitSlot waits for the slot, false when records came first, or the context's end.
func (w *worker) awaitSlot(ctx context.Context, in inputs, slot chan struct{}) (job, bool) {
	if len(w.queue.waiting) >= w.stage.MaxBatch {
		in.main = nil
	}
	select {
	case slot <- struct{}{}:
		return w.slotted(slot), true
	case records := <-in.main:
		w.queue.add(records)
	case records := <-in.ahead:
		w.queue.addAhead(records)
	case <-ctx.Done():
	}
	return job{}, false
}

func (w *worker) ahead() job {
	w.overtook = true
	j := w.queue.overtaking(w.stage.MaxBatch)
	j.release = func() {}
	return j
}

func (w *worker) inOrder(most int) job {
	w.overtook = false
	j := w.queue.inOrder(most)
	j.release = func() {}
	return j
}

// slotted is a job of bulk, which gives the slot back when it has rested as long as it took.
func (w *worker) slotted(slot chan struct{}) job {
	began := time.Now()
	j := w.inOrder(w.stage.BulkBatch)
	j.slotted = true
	j.release = func() { time.AfterFunc(min(time.Since(began), maxRest), func() { <-slot }) }
	return j
}

// maxRest bounds Stage.Rest after a single slow Handle, like one that loads a store.
const maxRest = time.Second

// notBefore is when the next Handle may begin.
func (w *worker) notBefore() time.Time {
	next := w.lastBegun.Add(w.stage.Window)
	rest := time.Duration(w.stage.Rest * float64(w.lastEnded.Sub(w.lastBegun)))
	if rested := w.lastEnded.Add(min(rest, maxRest)); rested.After(next) {
		next = rested
	}
	if w.joint != nil {
		return w.joint.begin(next)
	}
	return next
}

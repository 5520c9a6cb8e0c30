package projectors

import (
	"context"
	"sync"

	"github.com/segmentio/kafka-go"
)

// jam says whether a worker has bulk that waits.
type jam struct {
	mu    sync.Mutex
	on    bool
	there chan struct{} // closed while there is one
}

// set says whether there is one now.
func (j *jam) set(on bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if on == j.on {
		return
	}
	if j.on = on; on {
		close(j.channel())
	} else {
		j.there = nil
	}
}

// channel returns the current one. Callers hold mu.
func (j *jam) channel() chan struct{} {
	if j.there == nil {
		j.there = make(chan struct{})
	}
	return j.there
}

// met returns a channel that is closed once there is a jam.
func (j *jam) met() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.channel()
}

// mayFetch says whether to fetch on, before the context ends. The one who reads ahead waits until the worker has bulk that
// waits, and begins behind what it has taken.
func (f *fetcher) mayFetch(ctx context.Context, cursors []*cursor) bool {
	if f.aheadOf == nil {
		return ctx.Err() == nil
	}
	select {
	case <-f.aheadOf.jam.met():
	case <-ctx.Done():
		return false
	}
	for _, c := range cursors {
		c.offset = max(c.offset, f.aheadOf.taken[c.topic].Load())
	}
	return true
}

// passesOver says whether a record is left to the fetcher that we read ahead of.
func (f *fetcher) passesOver(raw *kafka.Record) bool {
	return f.aheadOf != nil && bulk(len(raw.Headers), func(i int) (string, []byte) { return raw.Headers[i].Key, raw.Headers[i].Value })
}

// fetchers returns the fetcher of the worker, and the one that reads ahead of it; nil where nothing may be handled before its
// turn.
func (w *worker) fetchers() (main, ahead *fetcher) {
	main = &fetcher{generation: w.generation, partition: w.partition, cursors: w.cursors, ledger: w.ledger, due: &w.due, out: make(chan []Record, 1)}
	var cursors []*cursor
	for _, c := range w.cursors {
		if w.queue.overtakes(c.topic) {
			cursors = append(cursors, &cursor{topic: c.topic, offset: c.offset})
		}
	}
	if len(cursors) > 0 {
		ahead = &fetcher{generation: w.generation, partition: w.partition, cursors: cursors, ledger: w.ledger, due: &w.due, out: make(chan []Record, 1), aheadOf: w.queue}
	}
	return main, ahead
}

package search

import (
	"maps"
	"sync"
	"time"
)

// walks counts the walks that a Searcher has going, by the moments they are in and until when the server keeps those.
type walks struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// room says whether another walk may begin.
func (w *walks) room(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.until) < maxWalks {
		return true
	}
	maps.DeleteFunc(w.until, func(_ string, end time.Time) bool { return end.Before(now) })
	return len(w.until) < maxWalks
}

// keep notes that a walk went on; the server may call its moment by another name from now on.
func (w *walks) keep(before, moment string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.until == nil {
		w.until = make(map[string]time.Time)
	}
	delete(w.until, before)
	w.until[moment] = now.Add(walkIdle)
}

func (w *walks) drop(moment string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.until, moment)
}

package projectors

import (
	"maps"
	"slices"
	"sync"

	"freshet/projectors/progress"
)

// maxPending bounds the cuts a worker that lags behind keeps; when they are more, every second is forgotten, which only
// makes its announcements coarser.
const maxPending = 64

// ledger is what one worker has finished: the next offset of each topic, what of it is committed, and the cuts it has not
// passed yet. Its worker, the committer and the watcher of cuts use it at the same time.
type ledger struct {
	partition int
	ids       map[string]string // of the topics whose offsets these are, as far as Kafka has told

	mu      sync.Mutex
	next    map[string]int64 // finished up to here
	stored  map[string]int64 // committed up to here
	end     map[string]int64 // of the topic, as of the last fetch
	pending []progress.Cut   // ascending by LSN; the ends of one topic never fall
	passed  *progress.Cut    // newest passed and not yet taken
}

func newLedger(partition int, ids map[string]string) *ledger {
	return &ledger{partition: partition, ids: ids, next: make(map[string]int64), stored: make(map[string]int64), end: make(map[string]int64)}
}

func (l *ledger) own(topic string, offset int64) {
	l.next[topic], l.stored[topic], l.end[topic] = offset, offset, offset
}

// finish notes that the batch, which holds each topic's records in order, is handled.
func (l *ledger) finish(batch []Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range batch {
		l.next[batch[i].Topic] = batch[i].Offset + 1
	}
	l.pass()
}

// offer adds a cut to be passed.
func (l *ledger) offer(cut progress.Cut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.pending); n > 0 {
		last := &l.pending[n-1]
		if cut.LSN < last.LSN || (cut.LSN == last.LSN && maps.Equal(cut.IDs, last.IDs)) {
			return
		}
		if cut.LSN == last.LSN || l.sameEnds(cut, *last) {
			*last = cut
			l.pass()
			return
		}
	}
	if len(l.pending) == maxPending {
		l.thin()
	}
	l.pending = append(l.pending, cut)
	l.pass()
}

// thin forgets every second cut but the newest.
func (l *ledger) thin() {
	kept := l.pending[:0]
	for i, cut := range l.pending {
		if i%2 == 1 {
			kept = append(kept, cut)
		}
	}
	l.pending = kept
}

func (l *ledger) sameEnds(a, b progress.Cut) bool {
	for topic := range l.next {
		if a.IDs[topic] != b.IDs[topic] || l.endIn(a, topic) != l.endIn(b, topic) {
			return false
		}
	}
	return true
}

// endIn returns the offset the cut asks of our partition of the topic, -1 for none.
func (l *ledger) endIn(cut progress.Cut, topic string) int64 {
	if ends := cut.Ends[topic]; l.partition < len(ends) {
		return ends[l.partition]
	}
	return -1
}

// pass takes the newest cut that all our topics have reached off the list, and those before it: what is covered by a cut is
// covered by the next, also where the first is of a topic that is no more and will never be reached. Callers hold mu.
func (l *ledger) pass() {
	done := len(l.pending)
	for done > 0 && !l.reached(l.pending[done-1]) {
		done--
	}
	if done > 0 {
		cut := l.pending[done-1]
		l.passed = &cut
		l.pending = slices.Delete(l.pending, 0, done)
	}
}

func (l *ledger) reached(cut progress.Cut) bool {
	for topic, next := range l.next {
		if foreign(cut, topic, l.ids) || next < l.endIn(cut, topic) {
			return false
		}
	}
	return true
}

// foreign says whether the cut speaks of another topic of that name than the one whose id is given: it was deleted, and one of
// the two is the one made again.
func foreign(cut progress.Cut, topic string, ids map[string]string) bool {
	asked, ours := cut.IDs[topic], ids[topic]
	return asked != "" && ours != "" && asked != ours
}

// take returns the newest cut passed since the last call.
func (l *ledger) take() (progress.Cut, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.passed == nil {
		return progress.Cut{}, false
	}
	cut := *l.passed
	l.passed = nil
	return cut, true
}

// sawEnd notes where a topic ends, for the lag.
func (l *ledger) sawEnd(topic string, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end[topic] = end
}

// lag returns how many records are not handled yet.
func (l *ledger) lag() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for topic, next := range l.next {
		n += max(0, l.end[topic]-next)
	}
	return n
}

// at returns what is to be finished next of a topic, 0 of one that is not ours.
func (l *ledger) at(topic string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next[topic]
}

// uncommitted calls f for each topic with finished records that are not committed.
func (l *ledger) uncommitted(f func(topic string, next int64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for topic, next := range l.next {
		if next > l.stored[topic] {
			f(topic, next)
		}
	}
}

// committed notes the offsets that the broker has stored.
func (l *ledger) committed(offsets map[string]map[int]int64, partition int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for topic := range l.stored {
		if next, ok := offsets[topic][partition]; ok {
			l.stored[topic] = next
		}
	}
}

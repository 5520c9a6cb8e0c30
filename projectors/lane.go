package projectors

import (
	"slices"
	"strconv"
	"sync/atomic"

	"freshet/ingest/change"
)

// HotRows is how many rows of a transaction are hot; those after them are bulk, and so are the views of a batch of products
// when they are more. A checkout is some twenty rows; what changes more at a time is an import, or a snapshot, whose rows
// are counted through.
const HotRows = 100

// HeaderLane says of a record that a stage publishes in which lane it is: LaneBulk, or without it the hot one.
const (
	HeaderLane = "lane"
	LaneBulk   = "bulk"
)

// Bulk says whether a record is one of many that were changed at a time, or was published as such: nobody waits for it by
// itself.
func (r Record) Bulk() bool {
	return bulk(len(r.Headers), func(i int) (string, []byte) { return r.Headers[i].Key, r.Headers[i].Value })
}

func bulk(headers int, header func(int) (key string, value []byte)) bool {
	for i := range headers {
		switch key, value := header(i); key {
		case HeaderLane:
			return string(value) == LaneBulk
		case change.HeaderTxIndex:
			n, err := strconv.ParseUint(string(value), 10, 64)
			return err == nil && n > HotRows
		}
	}
	return false
}

// queue is what a worker has fetched and not begun to handle: a partition's records in their order, of which hot ones of
// topics that allow it may be handled before their turn. It remembers which those were until their turn has come, so that
// offsets are committed in order.
type queue struct {
	overtake []string // topics
	waiting  []queued
	ahead    []Record                      // hot ones from beyond what is waiting
	begun    map[string]int64              // the next offset whose turn has not come
	early    map[string]map[int64]struct{} // handled, or in ahead, before their turn
	earlies  int

	jam   jam
	taken map[string]*atomic.Int64 // the next offset of each topic that is not in waiting yet; the one who reads ahead begins there
}

type queued struct {
	Record
	bulk, overtakes bool
}

// job is what is handled at a time.
type job struct {
	records []Record
	turn    []Record // those whose turn it was: records, and what was handled before; their offsets may be committed
	hot     bool     // it holds records that somebody waits for
	slotted bool     // it is bulk that others wait beside: its stage has one at a time, which rests afterwards
	release func()   // to be called when it is handled
}

// maxEarly bounds what is handled before its turn, and with it the memory that takes.
const maxEarly = 100_000

func newQueue(overtake []string) *queue {
	return &queue{overtake: overtake, begun: map[string]int64{}, early: map[string]map[int64]struct{}{}, taken: map[string]*atomic.Int64{}}
}

// own adds a topic. All are added before anybody else sees the queue.
func (q *queue) own(topic string, offset int64) {
	q.taken[topic] = new(atomic.Int64)
	q.taken[topic].Store(offset)
}

func (q *queue) overtakes(topic string) bool { return slices.Contains(q.overtake, topic) }

// add appends records in their order.
func (q *queue) add(records []Record) {
	for _, r := range records {
		q.waiting = append(q.waiting, queued{r, r.Bulk(), q.overtakes(r.Topic)})
		q.taken[r.Topic].Store(r.Offset + 1)
	}
}

// addAhead takes hot records from further on. What was begun meanwhile is left out.
func (q *queue) addAhead(records []Record) {
	for _, r := range records {
		if r.Offset >= q.begun[r.Topic] && q.hasten(&r) {
			q.ahead = append(q.ahead, r)
		}
	}
}

// hasten notes that a record is handled before its turn, false if it was already.
func (q *queue) hasten(r *Record) bool {
	if _, done := q.early[r.Topic][r.Offset]; done {
		return false
	}
	if q.early[r.Topic] == nil {
		q.early[r.Topic] = map[int64]struct{}{}
	}
	q.early[r.Topic][r.Offset] = struct{}{}
	q.earlies++
	return true
}

func (q *queue) empty() bool { return len(q.waiting) == 0 && len(q.ahead) == 0 }

// lanes says whether bulk is waiting, and whether hot records are that need not wait behind it.
func (q *queue) lanes() (bulk, hot bool) {
	hot = len(q.ahead) > 0
	for i := range q.waiting {
		w := &q.waiting[i]
		bulk = bulk || w.bulk
		hot = hot || q.mayOvertake(w)
	}
	return bulk, hot
}

func (q *queue) mayOvertake(w *queued) bool {
	_, done := q.early[w.Topic][w.Offset]
	return w.overtakes && !w.bulk && !done
}

// overtaking takes the hot records, those that have waited longest first.
func (q *queue) overtaking(most int) job {
	j := job{hot: true}
	for i := range q.waiting {
		w := &q.waiting[i]
		if len(j.records) < most && q.mayOvertake(w) {
			q.hasten(&w.Record)
			j.records = append(j.records, w.Record)
		}
	}
	n := min(most-len(j.records), len(q.ahead))
	j.records = append(j.records, q.ahead[:n]...)
	q.ahead = slices.Clone(q.ahead[n:])
	return j
}

// inOrder takes records whose turn has come.
func (q *queue) inOrder(most int) (j job) {
	n := 0
	for ; n < len(q.waiting) && len(j.records) < most; n++ {
		w := &q.waiting[n]
		j.turn = append(j.turn, w.Record)
		q.begun[w.Topic] = w.Offset + 1
		if _, done := q.early[w.Topic][w.Offset]; done {
			delete(q.early[w.Topic], w.Offset)
			q.earlies--
			continue
		}
		j.records = append(j.records, w.Record)
		j.hot = j.hot || (w.overtakes && !w.bulk)
	}
	q.waiting = slices.Clone(q.waiting[n:])
	return j
}

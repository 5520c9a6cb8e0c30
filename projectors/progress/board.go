package progress

import (
	"fmt"
	"time"

	"freshet/ingest/change"
)

// maxPartitions bounds what a record may claim, so that a damaged one can't make us allocate without end.
const maxPartitions = 1 << 14

// Cut is a point of the stream as seen from the inputs of a stage: whoever has consumed the named topics up to Ends has
// seen everything up to LSN.
type Cut struct {
	LSN  change.LSN
	Time time.Time
	Ends map[string][]int64 // topic -> next offset per partition; -1 where nothing need be waited for
	IDs  map[string]string  // topic -> id of the one that the ends are of, where it is known: no other can pass them
}

// Watermark is how far a stage has come in all its partitions.
type Watermark struct {
	LSN  change.LSN
	Time time.Time
}

// report is the sum of what one partition of a stage has announced.
type report struct {
	heard bool
	full  bool // a record that names every end was heard, so Ends is complete
	lsn   change.LSN
	time  time.Time
	ends  map[string]ends
}

// ends is where a topic ended, as far as it was announced: the topic of this id.
type ends struct {
	id   string     // "" where the announcer did not know it
	lsn  change.LSN // the newest that was announced with this id
	next []int64
}

// board merges progress records. Every merge takes the greater value, so records may repeat, and two announcers of one
// partition (the old owner and the new one) may interleave: a greater end is always safe to wait for, a greater LSN was
// true when it was announced and is true for ever. Ends of topics that differ have no greater one: what was announced of the
// greater LSN counts, and of two of the same the one that came later. An announcer that does not know yet that its topic was
// made again holds cuts up, until it does; it makes none too early.
type board struct {
	stages map[string][]report
}

func newBoard() *board { return &board{stages: make(map[string][]report)} }

// apply merges one record and says whether it moved anything.
func (b *board) apply(p change.Progress) (bool, error) {
	n := max(p.Partitions, 1)
	if p.Stage == "" || p.Partition < 0 || p.Partition >= n || n > maxPartitions {
		return false, fmt.Errorf("%w: progress of stage %q partition %d of %d", change.ErrMalformed, p.Stage, p.Partition, n)
	}
	reports := b.stages[p.Stage]
	for len(reports) < n {
		reports = append(reports, report{})
	}
	b.stages[p.Stage] = reports
	return reports[p.Partition].merge(p), nil
}

func (r *report) merge(p change.Progress) bool {
	moved := !r.heard || p.LSN > r.lsn || (p.Full && !r.full)
	r.heard = true
	r.full = r.full || p.Full
	if p.LSN > r.lsn || (p.LSN == r.lsn && r.time.IsZero()) {
		r.lsn, r.time = p.LSN, p.Time
	}
	if r.ends == nil {
		r.ends = make(map[string]ends, len(p.Ends))
	}
	for topic, next := range p.Ends {
		old, known := r.ends[topic]
		switch id := p.IDs[topic]; {
		case !known || old.id == id:
			r.ends[topic] = ends{id, max(old.lsn, p.LSN), raise(old.next, next)}
		case p.LSN >= old.lsn:
			r.ends[topic] = ends{id, p.LSN, raise(nil, next)}
			// What it leaves out it has told in a record of before, which we may not have heard.
			r.full = p.Full
		}
	}
	return moved
}

// raise returns the greater of the two, partition by partition; the result may share memory with old, never with ends.
func raise(old, ends []int64) []int64 {
	for len(old) < len(ends) {
		old = append(old, -1)
	}
	for i, end := range ends {
		old[i] = max(old[i], end)
	}
	return old
}

// forget makes every partition incomplete until it announces all its ends again: records were missed, and one of them may
// have moved an end that the next one leaves out.
func (b *board) forget() {
	for _, reports := range b.stages {
		for i := range reports {
			reports[i].full = false
		}
	}
}

// cut returns what has to be consumed of the topics to have seen everything that all of the upstream stages have
// finished. Its LSN is the least of theirs; its ends are the greatest: the newest ends cover every earlier LSN.
func (b *board) cut(upstream, topics []string) (Cut, bool) {
	cut := Cut{Ends: make(map[string][]int64, len(topics)), IDs: make(map[string]string, len(topics))}
	first := true
	for _, stage := range upstream {
		reports := b.stages[stage]
		if len(reports) == 0 {
			return Cut{}, false
		}
		for i := range reports {
			r := &reports[i]
			if !r.heard || !r.full {
				return Cut{}, false
			}
			if first || r.lsn < cut.LSN {
				cut.LSN, cut.Time, first = r.lsn, r.time, false
			}
			for _, topic := range topics {
				if !cut.demand(topic, r.ends[topic]) {
					return Cut{}, false
				}
			}
		}
	}
	return cut, !first
}

// demand adds what a report says of a topic. It says false where others have spoken of another topic of that name: until
// they agree, nobody can have read what all of them have published.
func (c *Cut) demand(topic string, e ends) bool {
	if e.id != "" {
		if id := c.IDs[topic]; id != "" && id != e.id {
			return false
		}
		c.IDs[topic] = e.id
	}
	if e.next != nil {
		c.Ends[topic] = raise(c.Ends[topic], e.next)
	}
	return true
}

// watermark returns the least of the stage's partitions, false until every one was heard.
func (b *board) watermark(stage string) (Watermark, bool) {
	reports := b.stages[stage]
	if len(reports) == 0 {
		return Watermark{}, false
	}
	w := Watermark{LSN: reports[0].lsn, Time: reports[0].time}
	for i := range reports {
		if !reports[i].heard {
			return Watermark{}, false
		}
		if reports[i].lsn < w.LSN {
			w = Watermark{LSN: reports[i].lsn, Time: reports[i].time}
		}
	}
	return w, true
}

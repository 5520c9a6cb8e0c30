package ingest

import (
	"fmt"
	"strconv"
	"strings"
)

// visibility is a pg_current_snapshot(): which transactions a statement saw.
type visibility struct {
	xmin, xmax uint64
	running    map[uint32]bool // those below xmax that had not ended, by the low half of their ids
}

// parseVisibility reads "xmin:xmax:xid,xid…".
func parseVisibility(s string) (visibility, error) {
	v := visibility{running: map[uint32]bool{}}
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return v, fmt.Errorf("parse snapshot %q: want three parts", s)
	}
	var err error
	number := func(text string) (n uint64) {
		if err == nil {
			n, err = strconv.ParseUint(text, 10, 64)
		}
		return n
	}
	v.xmin, v.xmax = number(parts[0]), number(parts[1])
	for xid := range strings.SplitSeq(parts[2], ",") {
		if xid != "" {
			v.running[uint32(number(xid))] = true
		}
	}
	if err != nil {
		return v, fmt.Errorf("parse snapshot %q: %w", s, err)
	}
	return v, nil
}

// sees says whether a transaction's changes were visible. The stream tells ids without their epoch: those in question are
// less than two thousand million away from xmax, on one side or the other.
func (v visibility) sees(xid uint32) bool {
	return int32(xid-uint32(v.xmax)) < 0 && !v.running[xid]
}

// touch is the last change of a key that the stream delivered.
type touch struct {
	xid uint32
	// whole says whether the event tells all of the row, so that whoever has read it needs nothing more.
	whole bool
}

// window is what the stream delivers of one table while its rows are read beside it: the keys touched by transactions
// that a chunk may not have seen. A commit is in the log, and so in the stream, before it is visible: the row that a chunk
// reads may be older than what was published already, however short the time between.
//
// It opens before the first chunk is read, and the first chunk waits until every transaction that ran at the opening has
// ended: so what the stream delivered before is visible to all chunks.
type window struct {
	table   string
	every   bool        // remember every touch, for a sweep
	last    *visibility // of the newest chunk
	touched map[string]touch
	emptied *uint32 // the transaction that truncated the table last
}

func newWindow(table string, every bool) *window {
	return &window{table: table, every: every, touched: map[string]touch{}}
}

// note remembers a change. What the last chunk saw, all later ones see as well.
func (w *window) note(xid uint32, key []byte, whole bool) {
	if w.every || w.last == nil || !w.last.sees(xid) {
		w.touched[string(key)] = touch{xid, whole}
	}
}

func (w *window) truncate(xid uint32) { w.emptied = &xid }

// isStale says whether a row that was read with this visibility must not be published: the stream has told of a later
// state already. lacking says that it has not told all of it.
func (w *window) isStale(v visibility, key []byte) (stale, lacking bool) {
	if w.emptied != nil && !v.sees(*w.emptied) {
		return true, false
	}
	t, ok := w.touched[string(key)]
	if !ok || v.sees(t.xid) {
		return false, false
	}
	return true, !t.whole
}

// advance forgets what a later chunk can't miss.
func (w *window) advance(v visibility) {
	w.last = &v
	if w.emptied != nil && v.sees(*w.emptied) {
		w.emptied = nil
	}
	for key, t := range w.touched {
		if v.sees(t.xid) {
			delete(w.touched, key)
		}
	}
}

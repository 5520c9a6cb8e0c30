package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// The prefixes of the logical messages that ingest writes to itself.
const (
	signalPrefix    = "freshet.signal"
	watermarkPrefix = "freshet.watermark"
)

// signalTable is where SQL users put their orders.
const signalTable = "public.freshet_signals"

// board is where the stream and the scanner meet. The stream's goroutine takes orders, watches a table for the scanner, and
// publishes what the scanner has read at the place of its watermark; the scanner reads. Whatever changes an order happens
// in the stream at a transaction, and is stored with the position that follows it.
type board struct {
	log *slog.Logger

	mu     sync.Mutex
	orders orders
	dirty  bool // since the last mark
	window *window
	step   *step
	steps  int
	nonce  string
	wake   chan struct{} // has a token when the orders changed

	watching atomic.Bool // there is a window: a look at it costs the stream less than the lock
}

// step is a piece of a snapshot's work that waits for its watermark to come by in the stream.
type step struct {
	id    string   // of the watermark
	of    Snapshot // as it stood when the step was made
	table *table
	rows  *chunk
	gone  []vanished
	// window is the one that was up when the step was made: without it nobody knows what the rows miss.
	window *window
	// open is the window to put up at the watermark, nil to leave it as it is.
	open *window
	// after is what the step has done to its snapshot, once it is published.
	after func(*Snapshot)
	// at is the watermark's place, known once done is closed.
	at   change.LSN
	done chan struct{}
}

func newBoard(log *slog.Logger, stored orders, nonce string) *board {
	return &board{log: log, orders: stored.clone(), nonce: nonce, wake: make(chan struct{}, 1)}
}

// mark returns how to store what changed since the last call, nil when nothing did.
func (b *board) mark() func(*position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dirty {
		return nil
	}
	b.dirty = false
	stored := b.orders.clone()
	return func(p *position) { p.Snapshots = stored }
}

// changed is called with the lock held.
func (b *board) changed() {
	b.dirty = true
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// active returns a copy of the snapshot to work on.
func (b *board) active() (Snapshot, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.orders.clone() {
		if s.State == SnapshotRunning {
			return s, true
		}
	}
	return Snapshot{}, false
}

// signal carries an order out that came by in the stream.
func (b *board) signal(sig Signal, err error, at change.LSN) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.orders, err = b.orders.apply(sig, at, time.Now().UTC())
	}
	b.changed()
	if err != nil {
		b.log.Error("signal refused", "kind", sig.Kind, "id", sig.ID, "lsn", at.String(), "reason", err.Error())
		return
	}
	b.log.Info("signal taken", "kind", sig.Kind, "id", sig.ID, "tables", sig.Tables, "lsn", at.String())
}

// spare takes a table out of the sweep that follows the first snapshot.
func (b *board) spare(table string) {
	b.mu.Lock()
	b.orders = b.orders.spare(table)
	b.changed()
	b.mu.Unlock()
}

// watch puts a window up, or takes it down.
func (b *board) watch(w *window) {
	b.mu.Lock()
	b.window = w
	b.watching.Store(w != nil)
	b.mu.Unlock()
}

// saw tells the window which transactions a chunk has seen, when nothing was read that a watermark will carry.
func (b *board) saw(v visibility) {
	b.mu.Lock()
	if b.window != nil {
		b.window.advance(v)
	}
	b.mu.Unlock()
}

// offer makes a step ready for its watermark and names it.
func (b *board) offer(s *step) {
	b.mu.Lock()
	b.steps++
	s.id = b.nonce + "/" + strconv.Itoa(b.steps)
	s.done = make(chan struct{})
	s.window = b.window
	b.step = s
	b.mu.Unlock()
}

// note tells the window of a change that is being published.
func (b *board) note(t *table, op change.Op, xid uint32, key []byte, image []change.Value) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.window
	if w == nil || w.table != t.name {
		return
	}
	if op == change.Truncate {
		w.truncate(xid)
		return
	}
	whole := op == change.Delete || !hasUnchanged(image)
	w.note(xid, key, whole)
	if op == change.Create && !whole {
		// The row moved here from another key, perhaps from rows not yet read to rows already read, and the log left its
		// large values out.
		b.again(t, image)
	}
}

func hasUnchanged(image []change.Value) bool {
	for _, v := range image {
		if v.Kind == change.ValueUnchanged {
			return true
		}
	}
	return false
}

// again orders a row to be read once more. The lock is held.
func (b *board) again(t *table, image []change.Value) {
	for i := range b.orders {
		if s := &b.orders[i]; !s.Finished() && s.current() == t.name && len(t.place) > 0 {
			s.Again = append(s.Again, texts(image, t.place))
			b.dirty = true
		}
	}
}

func texts(image []change.Value, columns []int) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = string(image[c].Text)
	}
	return out
}

// watermark publishes the step that belongs to a watermark, as part of the watermark's own transaction. All that its chunk
// has seen stands before it in the stream; what the chunk has not seen and stands before it, the window knows.
func (b *board) watermark(ctx context.Context, e *emitter, content string) error {
	b.mu.Lock()
	s := b.step
	fits := s != nil && s.id == content && s.window == b.window
	b.mu.Unlock()
	if !fits {
		return nil // of an earlier life, or given up: its rows are read again
	}
	failpoint.Hit("ingest-snapshot-at-watermark")
	// Rows that were read are no changes of the watermark's transaction: its END does not count them.
	open := e.boundary.open
	e.boundary.open, e.meta.Transaction = false, nil
	err := b.carryOut(ctx, e, s)
	if e.boundary.open = open; err != nil {
		return err
	}
	b.mu.Lock()
	b.step = nil
	b.mu.Unlock()
	s.at = e.position.Commit
	close(s.done)
	return nil
}

func (b *board) carryOut(ctx context.Context, e *emitter, s *step) error {
	b.mu.Lock()
	snap := b.orders.find(s.of.ID)
	fits := snap != nil && snap.State == SnapshotRunning && snap.standsAt(&s.of)
	b.mu.Unlock()
	if !fits {
		return nil // paused or stopped meanwhile; what was read is stale by the time it goes on
	}
	parked := e.parked
	rows, deleted := int64(0), int64(0)
	var err error
	if s.rows != nil {
		if rows, err = b.publishRows(ctx, e, s); err != nil {
			return fmt.Errorf("publish rows of %s: %w", s.table.name, err)
		}
	}
	if len(s.gone) > 0 {
		if deleted, err = b.publishGone(ctx, e, s); err != nil {
			return fmt.Errorf("publish what %s has no more: %w", s.table.name, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	snap.Rows += rows
	snap.Deleted += deleted
	snap.Parked += e.parked - parked
	snap.Updated = time.Now().UTC()
	s.after(snap)
	if s.open != nil {
		b.window = s.open
		b.watching.Store(true)
	}
	if snap.Finished() {
		b.log.Info("snapshot finished", "id", snap.ID, "state", snap.State, "reason", snap.Reason, "rows", snap.Rows, "deleted", snap.Deleted)
	}
	b.changed()
	return nil
}

// publishRows publishes the chunk's rows but those of which the stream has told a later state.
func (b *board) publishRows(ctx context.Context, e *emitter, s *step) (n int64, err error) {
	xid, lsn := e.meta.XID, e.meta.LSN
	e.meta.Snapshot, e.meta.XID = "incremental", 0
	defer func() { e.meta.Snapshot, e.meta.XID, e.meta.LSN = "", xid, lsn }()
	var key []byte
	for i := range s.rows.len() {
		row := s.rows.row(i)
		var unreadable error // which the emitter will find too, and park the row
		if key, unreadable = s.table.encoder.AppendKey(key[:0], row); unreadable == nil && b.skip(s, key, row) {
			continue
		}
		if err := e.row(ctx, s.table, change.Read, nil, row); err != nil {
			return n, err
		}
		n++
		failpoint.Hit("ingest-snapshot-mid-chunk")
	}
	b.saw(s.rows.seen)
	return n, nil
}

func (b *board) skip(s *step, key []byte, row []change.Value) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	stale, lacking := s.window.isStale(s.rows.seen, key)
	if lacking {
		b.again(s.table, row)
	}
	return stale
}

// publishGone publishes a delete for each key that was touched by nothing since it was found gone.
func (b *board) publishGone(ctx context.Context, e *emitter, s *step) (n int64, err error) {
	xid := e.meta.XID
	e.meta.Snapshot, e.meta.XID = "incremental", 0 // no transaction of the source's deleted them
	defer func() { e.meta.Snapshot, e.meta.XID = "", xid }()
	for _, v := range s.gone {
		b.mu.Lock()
		touched := s.window.emptied != nil
		if !touched {
			_, touched = s.window.touched[v.key]
		}
		b.mu.Unlock()
		if touched {
			continue
		}
		if err := e.vanish(ctx, s.table, v); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// message takes a logical message of our own.
func (b *board) message(ctx context.Context, e *emitter, prefix, content []byte) error {
	switch string(prefix) {
	case signalPrefix:
		sig, err := parseSignal(content)
		b.signal(sig, err, e.position.Commit)
		return nil
	case watermarkPrefix:
		return b.watermark(ctx, e, string(content))
	}
	return nil
}

// isOurs says whether a logical message is for the board.
func isOurs(prefix []byte) bool {
	return string(prefix) == signalPrefix || string(prefix) == watermarkPrefix
}

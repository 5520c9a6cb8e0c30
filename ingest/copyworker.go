package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// copyWorker is one connection with an emitter of its own.
type copyWorker struct {
	*copier
	conn    *pgx.Conn
	emitter *emitter
	piece   *piece
	held    parkedRow // of the piece
	any     bool
	buf     []byte
	ctx     context.Context
}

func (w *copyWorker) run(ctx context.Context) error {
	w.ctx = ctx
	for ctx.Err() == nil {
		if w.piece = w.take(); w.piece == nil {
			return nil
		}
		if err := w.copy(ctx); err != nil {
			return fmt.Errorf("table %s: %w", w.piece.pt.name(), err)
		}
	}
	return ctx.Err()
}

func (w *copyWorker) copy(ctx context.Context) error {
	rows := &rowWriter{columns: len(w.piece.pt.Columns), row: w.row}
	if _, err := w.conn.PgConn().CopyTo(ctx, rows, w.piece.query()); err != nil {
		return err
	}
	if len(rows.rest) > 0 {
		return errors.New("the copy ends inside a row")
	}
	return w.finish(ctx)
}

// row takes the next row in and publishes the one before it.
func (w *copyWorker) row(values []change.Value) error {
	failpoint.Hit("ingest-mid-snapshot")
	t := w.piece.tableCopy
	switch {
	case w.any:
		if err := w.emit(w.ctx, t, w.held.values, ""); err != nil {
			return err
		}
	case !t.started.Swap(true):
		// The table before is through, unless other connections still read it.
		if err := w.release(w.ctx, nil, "last_in_data_collection"); err != nil {
			return err
		}
	}
	w.any = true
	w.held.of = t
	w.buf, w.held.values = keep(w.buf, w.held.values, values)
	if n := t.rows.Add(1); n%256 == 0 {
		w.emitter.now = time.Now()
		w.progress(t, n)
	}
	return nil
}

// keep copies a row out of the connection's buffer into one of ours.
func keep(buf []byte, row, values []change.Value) ([]byte, []change.Value) {
	buf, row = buf[:0], row[:0]
	for _, v := range values {
		buf = append(buf, v.Text...)
	}
	start := 0
	for _, v := range values {
		end := start + len(v.Text)
		row = append(row, change.Value{Kind: v.Kind, Text: buf[start:end:end]})
		start = end
	}
	return buf, row
}

// finish ends a piece. The last row of a table's last piece is parked, since it may be the last of all.
func (w *copyWorker) finish(ctx context.Context) error {
	t := w.piece.tableCopy
	var before *parkedRow
	w.mu.Lock()
	if w.any {
		before, t.held = t.held, &parkedRow{of: t, values: w.held.values}
		w.held.values, w.buf, w.any = nil, nil, false
	}
	t.pieces--
	through := t.given && t.pieces == 0
	w.mu.Unlock()
	if before != nil {
		if err := w.emit(ctx, t, before.values, ""); err != nil {
			return err
		}
	}
	switch {
	case !through:
		return nil
	case t.held == nil:
		w.commit(t)
		return nil
	}
	w.progress(t, t.rows.Load())
	return w.release(ctx, t.held, "last_in_data_collection")
}

// release publishes the parked row, whose place in the snapshot is known now, and parks another.
func (w *copyWorker) release(ctx context.Context, next *parkedRow, marker string) error {
	w.mu.Lock()
	row := w.parked
	w.parked = next
	w.mu.Unlock()
	if row == nil {
		return nil
	}
	if err := w.emit(ctx, row.of, row.values, marker); err != nil {
		return err
	}
	w.commit(row.of)
	return nil
}

func (w *copyWorker) commit(t *tableCopy) {
	t.closed = true
	if t.parked.Load() > 0 {
		w.board.spare(t.table.name)
	}
	w.publisher.commit(t.tx, w.first.at, w.began.UnixMicro())
	w.publisher.flush()
}

// emit publishes a row. It is encoded beside the other connections' rows, and takes its turn with its position.
func (w *copyWorker) emit(ctx context.Context, t *tableCopy, values []change.Value, marker string) error {
	e := w.emitter
	e.tx = t.tx
	w.mu.Lock()
	switch {
	case marker != "":
	case w.index == 0:
		marker = "first"
	case t.first:
		marker = "first_in_data_collection"
	default:
		marker = "true"
	}
	t.first = false
	w.mu.Unlock()
	e.meta.Snapshot = marker
	r, unfit := e.encode(t.table, change.Read, nil, values, values)
	if unfit != nil {
		t.parked.Add(1)
	}
	full, err := w.append(ctx, e, t.table, values, &r, unfit)
	if err == nil && full {
		err = w.waitForSpace(ctx)
	}
	return err
}

// append gives the row the next position. Rows lie on each partition in the order of their positions: consumers take only
// what is later than what they have.
func (w *copyWorker) append(ctx context.Context, e *emitter, t *table, values []change.Value, r *record, unfit error) (full bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.index++
	e.position.Index = w.index
	wait := e.wait
	e.wait = func(context.Context) error { full = true; return nil } // not here, where the others wait for us
	defer func() { e.wait = wait }()
	if unfit != nil {
		return full, e.park(ctx, t, unfit)
	}
	e.setHeaders(t, values, "", nil)
	r.headers = e.headers
	e.metrics.ops[change.Read].Inc()
	return full, e.route(ctx, t, values, r)
}

func (w *copyWorker) progress(t *tableCopy, done int64) {
	total := max(t.pt.Estimate, done)
	w.metrics.snapshotRows.WithLabelValues(t.table.name, "done").Set(float64(done))
	w.metrics.snapshotRows.WithLabelValues(t.table.name, "total").Set(float64(total))
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.report) > time.Second {
		w.log.Info("snapshot", "table", t.table.name, "rows", done, "of_about", total)
		w.report = time.Now()
	}
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// snapshot makes the slot and publishes every row as of the instant from which the slot streams. The position says
// "snapshotting" from before the slot exists until the last row is on Kafka, so that a crash anywhere begins again with a
// new slot. Its rows carry a higher commit position than the first attempt's: consumers take them for newer.
func (s *session) snapshot(ctx context.Context, choice decision, stored *position, e *emitter) (*position, error) {
	pos := position{
		State: snapshotting, Generation: 1, SystemID: s.server.SystemID, Timeline: s.server.Timeline, Database: s.server.Database,
		Slot: s.config.Slot, Publication: s.config.Publication, Time: time.Now().UTC(),
		DatabaseOID: s.server.DatabaseOID, PublicationOID: s.server.PublicationOID,
	}
	if stored != nil {
		pos.Generation = stored.Generation + 1
	}
	if err := s.store.save(ctx, pos); err != nil {
		return nil, err
	}
	if choice == startOver {
		s.log.Info("dropping the slot to begin with a new snapshot", "slot", s.config.Slot)
		if err := dropSlot(ctx, s.control, s.config.Slot); err != nil {
			return nil, err
		}
	}
	consistent, name, err := createSlot(ctx, s.repl, s.config.Slot, s.config.wantsFailover(s.server.Version))
	if err != nil {
		return nil, err
	}
	s.resnapshot = false
	s.log.Info("snapshot begins", "slot", s.config.Slot, "lsn", consistent.String(), "tables", len(s.tables))
	s.setTrouble(errors.New("the snapshot is being published"))
	began := time.Now()
	c := &copier{session: s, emitter: e}
	if err := c.run(ctx, name, consistent); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	pos.State, pos.LSN, pos.Time = streaming, consistent, time.Now().UTC()
	if err := s.store.save(ctx, pos); err != nil {
		return nil, err
	}
	s.log.Info("snapshot is on Kafka", "rows", e.position.Index, "took", time.Since(began).Round(time.Millisecond).String())
	return &pos, nil
}

// copier reads the tables one after the other on one connection.
type copier struct {
	*session
	emitter *emitter

	ctx    context.Context
	held   held
	report time.Time
}

// held is the row that waits for its successor to know whether it is the last of its table, or of all.
type held struct {
	table  *table
	values []change.Value
	buf    []byte
	first  bool // of its table
	ends   bool // its table is done
	any    bool
}

func (c *copier) run(ctx context.Context, snapshot string, consistent change.LSN) error {
	conn, err := pgx.ConnectConfig(ctx, c.control.Config())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer closeQuietly(conn.Close)
	begin := "begin isolation level repeatable read read only; set transaction snapshot '" + strings.ReplaceAll(snapshot, "'", "''") + "'"
	if _, err := conn.Exec(ctx, begin); err != nil {
		return fmt.Errorf("enter the slot's snapshot: %w", err)
	}
	// One byte before the consistent point: after all that came before the slot, before all that streams from it.
	c.emitter.begin(consistent-1, time.Now().UnixMicro(), 0)
	c.emitter.meta.LSN = consistent
	c.emitter.wait = c.waitForSpace
	c.ctx = ctx
	for _, pt := range dimensionsFirst(c.tables, c.config.Dimensions) {
		if err := c.table(ctx, conn, pt); err != nil {
			return fmt.Errorf("table %s: %w", pt.name(), err)
		}
	}
	if err := c.release(true); err != nil {
		return err
	}
	c.emitter.meta.Snapshot = ""
	c.emitter.commit(consistent, time.Now().UnixMicro())
	c.emitter.meta.LastCommit = 0
	p := c.emitter.publisher
	p.drain(ctx)
	if s := p.state(); s.err != nil || !s.idle {
		return errors.Join(s.err, ctx.Err())
	}
	return nil
}

// table copies one table in the order of its key.
func (c *copier) table(ctx context.Context, conn *pgx.Conn, pt publishedTable) error {
	t, key, err := c.prepareTable(ctx, c.emitter.publisher, pt)
	if err != nil {
		return err
	}
	rows := &rowWriter{columns: len(pt.Columns), total: pt.Estimate}
	rows.row = func(values []change.Value) error { return c.row(t, rows, values) }
	if _, err := conn.PgConn().CopyTo(ctx, rows, copyCommand(pt, key)); err != nil {
		return err
	}
	if len(rows.rest) > 0 {
		return fmt.Errorf("the copy ends inside a row")
	}
	c.held.ends = true
	c.progress(t, rows.done, rows.done)
	return nil
}

// copyCommand reads the published columns and rows of a table.
func copyCommand(pt publishedTable, key []string) string {
	quote := func(names []string) string {
		quoted := make([]string, len(names))
		for i, n := range names {
			quoted[i] = pgx.Identifier{n}.Sanitize()
		}
		return strings.Join(quoted, ", ")
	}
	names := make([]string, len(pt.Columns))
	for i, col := range pt.Columns {
		names[i] = col.Name
	}
	// A partitioned table, published as its root, has its rows in its partitions; a plain one must not yield those of
	// tables that inherit from it, which are published on their own.
	from := " from only "
	if pt.Kind == "p" {
		from = " from "
	}
	query := "select " + quote(names) + from + pgx.Identifier{pt.Schema, pt.Name}.Sanitize()
	if pt.Filter != "" {
		query += " where " + pt.Filter
	}
	if len(key) > 0 {
		query += " order by " + quote(key)
	}
	return "copy (" + query + ") to stdout"
}

// row takes the next row in and publishes the one before it.
func (c *copier) row(t *table, rows *rowWriter, values []change.Value) error {
	failpoint.Hit("ingest-mid-snapshot")
	first := rows.done == 0
	if err := c.release(false); err != nil {
		return err
	}
	h := &c.held
	h.table, h.first, h.ends, h.any = t, first, false, true
	h.keep(values)
	rows.done++
	if now := time.Now(); now.Sub(c.report) > time.Second {
		c.progress(t, rows.done, max(rows.total, rows.done))
		c.log.Info("snapshot", "table", t.name, "rows", rows.done, "of_about", max(rows.total, rows.done))
		c.report = now
	}
	return nil
}

func (c *copier) progress(t *table, done, total int64) {
	c.metrics.snapshotRows.WithLabelValues(t.name, "done").Set(float64(done))
	c.metrics.snapshotRows.WithLabelValues(t.name, "total").Set(float64(total))
}

// release publishes the held row, whose place in the snapshot is known now.
func (c *copier) release(last bool) error {
	h := &c.held
	if !h.any {
		return nil
	}
	h.any = false
	marker := "true"
	switch {
	case last:
		marker = "last"
	case h.ends:
		marker = "last_in_data_collection"
	case c.emitter.position.Index == 0:
		marker = "first"
	case h.first:
		marker = "first_in_data_collection"
	}
	c.emitter.meta.Snapshot = marker
	if c.emitter.position.Index%256 == 0 {
		c.emitter.now = time.Now()
	}
	return c.emitter.row(c.ctx, h.table, change.Read, nil, h.values)
}

// keep copies a row out of the connection's buffer.
func (h *held) keep(values []change.Value) {
	h.buf, h.values = h.buf[:0], h.values[:0]
	for _, v := range values {
		h.buf = append(h.buf, v.Text...)
	}
	start := 0
	for _, v := range values {
		end := start + len(v.Text)
		h.values = append(h.values, change.Value{Kind: v.Kind, Text: h.buf[start:end:end]})
		start = end
	}
}

func (c *copier) waitForSpace(ctx context.Context) error {
	p := c.emitter.publisher
	for p.isFull() {
		p.flush()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.space:
		}
	}
	return p.state().err
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"freshet/ingest/change"
)

const (
	// chunkBytes is what a chunk should hold; it is in memory until its watermark has come by.
	chunkBytes = 2 << 20
	// maxChunkRows bounds a chunk of short rows.
	maxChunkRows = 10000
	// scanPoll is how often the scanner looks again where nothing tells it.
	scanPoll = 20 * time.Millisecond
)

// scanner reads the tables of incremental snapshots, chunk by chunk, beside the stream. Its failures are not the stream's:
// it tries again, and what Postgres will never answer ends the order as refused.
type scanner struct {
	*session
	board     *board
	publisher *publisher

	conn     *pgx.Conn
	catalog  *catalog
	logged   time.Time
	patience time.Duration // with the server, for a chunk; see ask
}

// run works orders off until the context ends.
func (s *scanner) run(ctx context.Context) error {
	defer s.disconnect()
	for wait := minRetry; ; {
		snap, ok := s.board.active()
		if !ok {
			s.disconnect()
			select {
			case <-ctx.Done():
				return nil
			case <-s.board.wake:
			}
			continue
		}
		err := s.table(ctx, snap)
		s.board.watch(nil)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			wait = minRetry
			continue
		}
		s.log.Warn("incremental snapshot interrupted, trying again", "id", snap.ID, "table", snap.current(), "error", err, "wait", wait)
		s.disconnect()
		if !sleep(ctx, wait) {
			return nil
		}
		wait = min(2*wait, maxRetry)
	}
}

func (s *scanner) disconnect() {
	if s.conn != nil {
		closeQuietly(s.conn.Close)
		s.conn = nil
	}
}

func (s *scanner) connect(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() {
		return s.ask(ctx, func(ctx context.Context) error {
			_, err := s.conn.Exec(ctx, "rollback") // of a chunk that was broken off; without one it is a warning of the server's
			return err
		})
	}
	config := s.control.Config().Copy()
	config.RuntimeParams["standard_conforming_strings"] = "on"
	// A watermark need not wait for standbys: it says where it stands in the log, no more.
	config.RuntimeParams["synchronous_commit"] = "local"
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	s.conn, s.catalog = conn, newCatalog(conn)
	return nil
}

// ask bounds a question to the server, which a network may swallow. A chunk may rightly take long, where a filter leaves
// out nearly all rows: after each one that was given up the next may take twice as long.
func (s *scanner) ask(ctx context.Context, question func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := question(limited)
	if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s: %w", s.patience, err)
		s.patience *= 2
	}
	return err
}

// scan is one table of one snapshot while it is read.
type scan struct {
	*scanner
	pt    publishedTable
	table *table
	key   []string
	shape string // the table's, as it was looked up
	limit int
	total int64 // rows of the snapshot when this table is done, about
}

// table reads the snapshot's table at hand, as long as the snapshot is running.
func (s *scanner) table(ctx context.Context, snap Snapshot) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	sc, reason, err := s.prepareScan(ctx, snap)
	if err != nil {
		return err
	}
	if reason != "" {
		return s.refuse(ctx, snap, reason)
	}
	s.board.watch(newWindow(sc.table.name, false))
	if !snap.Sweeping {
		if err := s.settle(ctx, snap); err != nil {
			return err
		}
	}
	for {
		now, ok := s.board.active()
		if !ok || now.ID != snap.ID || now.Table != snap.Table {
			return nil
		}
		if now.Sweeping {
			return sc.sweep(ctx, now)
		}
		began := time.Now()
		rows, err := sc.chunk(ctx, now)
		if errors.Is(err, errShape) {
			s.log.Info("the table changed its columns or its publications while it is read: looking at them again", "id", now.ID, "table", sc.table.name)
			return nil // the snapshot is still at this table
		}
		if reason := refusal(err); reason != "" {
			return s.refuse(ctx, now, reason)
		}
		if err != nil {
			return err
		}
		sc.report(now, rows)
		if now.Rate > 0 && !sleep(ctx, time.Duration(rows)*time.Second/time.Duration(now.Rate)-time.Since(began)) {
			return nil
		}
	}
}

// prepareScan makes the table ready, or says why it can't be read.
func (s *scanner) prepareScan(ctx context.Context, snap Snapshot) (sc *scan, reason string, err error) {
	// Before the columns are looked up, so that a change in between is noticed by the first chunk.
	shape, err := shapeOf(ctx, s.conn, snap.current())
	if err != nil {
		return nil, "", err
	}
	tables, err := s.catalog.published(ctx, s.config.Publication)
	if err != nil {
		return nil, "", err
	}
	i := slices.IndexFunc(tables, func(t publishedTable) bool { return t.name() == snap.current() })
	if i < 0 {
		return nil, fmt.Sprintf("table %s is not in publication %s", snap.current(), s.config.Publication), nil
	}
	pt := tables[i]
	if s.publisher.partitions(s.config.spec(pt.Schema, pt.Name).Name) == nil {
		if err := s.ensureTable(ctx, s.publisher, pt.Schema, pt.Name); err != nil {
			return nil, "", err
		}
	}
	t, key, err := s.prepareTable(ctx, s.catalog, s.publisher, pt)
	if err != nil {
		return nil, "", err
	}
	if len(key) == 0 || len(t.place) != len(key) || !t.encoder.HasKey() {
		return nil, fmt.Sprintf("table %s has no published primary key to read it by; freshet ingest --resnapshot reads it", snap.current()), nil
	}
	for _, k := range append(slices.Clone(snap.Keys), snap.From, snap.To) {
		if len(k) > len(key) || (len(snap.Keys) > 0 && len(k) > 0 && len(k) != len(key)) {
			return nil, fmt.Sprintf("%q does not fit the key of %s (%s)", k, snap.current(), strings.Join(key, ", ")), nil
		}
	}
	return &scan{scanner: s, pt: pt, table: t, key: key, shape: shape, limit: firstLimit(pt), total: snap.Rows + pt.Estimate}, "", nil
}

// firstLimit guesses how many rows fill a chunk.
func firstLimit(pt publishedTable) int {
	return int(max(16, min(2000, chunkBytes/max(64, pt.RowBytes))))
}

// settle waits until every transaction that ran when the window opened has ended, as the creation of a slot does.
func (s *scanner) settle(ctx context.Context, snap Snapshot) error {
	began, err := readVisibility(ctx, s.conn)
	if err != nil {
		return err
	}
	for at := time.Now(); ; {
		v, err := readVisibility(ctx, s.conn)
		if err != nil {
			return err
		}
		s.board.saw(v)
		if v.xmin >= began.xmax {
			return nil
		}
		if now, ok := s.board.active(); !ok || now.ID != snap.ID {
			return nil
		}
		if time.Since(at) > 10*time.Second {
			s.log.Info("incremental snapshot waits for transactions that were open when it began", "id", snap.ID, "table", snap.current(), "oldest_xid", v.xmin)
			at = time.Now()
		}
		if !sleep(ctx, scanPoll) {
			return ctx.Err()
		}
	}
}

// refusal says why Postgres will never answer: the order names what is not there or does not fit a type.
func refusal(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || (!strings.HasPrefix(pg.Code, "22") && !strings.HasPrefix(pg.Code, "42")) {
		return ""
	}
	return pg.Message
}

func (s *scanner) refuse(ctx context.Context, snap Snapshot, reason string) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	return s.publish(ctx, &step{of: snap, after: func(snap *Snapshot) { snap.end(SnapshotRefused, reason) }})
}

// chunk reads the next rows and has them published.
func (s *scan) chunk(ctx context.Context, snap Snapshot) (rows int, err error) {
	r := reading{key: s.key, from: snap.From, to: snap.To, after: snap.Cursor, limit: s.limit}
	if snap.Rate > 0 {
		r.limit = min(r.limit, snap.Rate)
	}
	keys, again := snap.Keys, len(snap.Again)
	switch {
	case again > 0:
		again = min(again, r.limit)
		r = reading{key: s.key, keys: snap.Again[:again]}
	case len(keys) > 0:
		r = reading{key: s.key, keys: keys[snap.Read:min(len(keys), snap.Read+r.limit)]}
	}
	r.shape = s.shape
	var c *chunk
	err = s.ask(ctx, func(ctx context.Context) (err error) {
		c, err = r.read(ctx, s.conn, s.pt)
		return err
	})
	if err != nil {
		return 0, err
	}
	st := &step{of: snap, table: s.table, rows: c}
	n := c.len()
	switch {
	case again > 0:
		st.after = func(now *Snapshot) {
			now.Again = slices.Clone(now.Again[again:])
			s.finish(now, len(keys) > 0 && now.Read >= len(keys))
		}
	case len(keys) > 0:
		st.after = func(now *Snapshot) {
			now.Read = snap.Read + len(r.keys)
			s.finish(now, now.Read >= len(keys))
		}
	default:
		last := snap.Cursor
		if n > 0 {
			last = texts(c.row(n-1), s.table.place)
		}
		st.after = func(now *Snapshot) {
			now.Cursor = last
			s.finish(now, n < r.limit)
		}
		s.adapt(c)
	}
	if len(keys) == 0 && len(snap.From) == 0 && len(snap.To) == 0 {
		after := st.after
		st.after = func(now *Snapshot) { now.Total = max(s.total, now.Rows); after(now) }
	}
	return n, s.publish(ctx, st)
}

// finish goes on to the sweep or to the next table when the rows at hand were the last; what has to be read again comes
// first.
func (s *scan) finish(snap *Snapshot, last bool) {
	switch {
	case !last:
	case len(snap.Again) > 0: // the next chunk reads them, and then finds nothing behind the cursor
	case snap.Sweep && snap.Parked > 0:
		s.log.Warn("no sweep: rows that could not be published would be taken for deleted", "id", snap.ID, "table", s.table.name, "rows", snap.Parked)
		snap.Reason = fmt.Sprintf("%s was not swept: %d of its rows are on the dead-letter topic", s.table.name, snap.Parked)
		snap.nextTable()
	case snap.Sweep:
		snap.Sweeping = true
	default:
		snap.nextTable()
	}
}

// adapt sizes the next chunk by the rows of this one.
func (s *scan) adapt(c *chunk) {
	if n := c.len(); n > 0 {
		s.limit = max(16, min(maxChunkRows, chunkBytes/max(1, len(c.text)/n), 4*s.limit))
	}
}

// publish offers the step, writes its watermark, and waits until the stream has met it.
func (s *scanner) publish(ctx context.Context, st *step) error {
	s.board.offer(st)
	err := s.ask(ctx, func(ctx context.Context) error {
		_, err := s.conn.Exec(ctx, "select pg_logical_emit_message(true, $1, $2::text)", watermarkPrefix, st.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("write a watermark: %w", err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-st.done:
		return nil
	}
}

func (s *scan) report(snap Snapshot, rows int) {
	snap.Rows += int64(rows)
	total := max(s.total, snap.Rows)
	s.metrics.snapshotRows.WithLabelValues(s.table.name, "done").Set(float64(snap.Rows))
	s.metrics.snapshotRows.WithLabelValues(s.table.name, "total").Set(float64(total))
	if time.Since(s.logged) > time.Second {
		s.log.Info("incremental snapshot", "id", snap.ID, "table", s.table.name, "rows", snap.Rows, "of_about", total)
		s.logged = time.Now()
	}
}

// durable waits until everything that was committed at lsn is on Kafka.
func (s *scanner) durable(ctx context.Context, lsn change.LSN) error {
	for {
		state := s.publisher.state()
		if state.err != nil || state.durable > lsn {
			return state.err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-state.changed:
		}
	}
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"freshet/ingest/change"
)

// piecePages is how many pages of a table one COPY reads: 4 MB, small enough that the connections end together.
const piecePages = 512

// copier publishes the tables of a first snapshot over several connections. Each takes the next piece of the table at hand:
// a range of pages, which Postgres reads as they lie, without an index and without a sort. A table is one transaction to
// the publisher, and off the list of what remains as soon as it is durable.
type copier struct {
	*session
	first     *firstCopy
	publisher *publisher
	board     *board
	last      change.LSN // end of the last transaction before
	began     time.Time

	mu     sync.Mutex
	tables []*tableCopy // not begun, in their order
	begun  []*tableCopy
	now    *tableCopy // has pieces to give
	index  uint64     // of the newest row; rows are appended in its order
	parked *parkedRow // the last row of the newest table that is through
	report time.Time
}

// tableCopy is a table while it is copied.
type tableCopy struct {
	pt      publishedTable
	table   *table
	tx      *transaction
	next    int64 // page
	pieces  int   // given out and not finished
	given   bool  // all pieces are given out
	closed  bool  // all its rows are handed to the publisher
	held    *parkedRow
	first   bool        // no row of it is published
	started atomic.Bool // a row of it was read
	rows    atomic.Int64
	parked  atomic.Int64 // of rows, those on the dead-letter topic
}

// parkedRow is a row that waits to be known as the last of its table, or of all.
type parkedRow struct {
	of     *tableCopy
	values []change.Value
}

func newCopier(s *session, first *firstCopy, p *publisher, b *board, last change.LSN) *copier {
	c := &copier{session: s, board: b, first: first, publisher: p, last: last, began: time.Now()}
	for _, pt := range first.tables {
		c.tables = append(c.tables, &tableCopy{pt: pt, first: true})
	}
	return c
}

func (c *copier) run(ctx context.Context) error {
	catalog := newCatalog(c.first.conns[0])
	for _, t := range c.tables {
		var err error
		if t.table, _, err = c.prepareTable(ctx, catalog, c.publisher, t.pt); err != nil {
			return fmt.Errorf("table %s: %w", t.pt.name(), err)
		}
	}
	group, working := errgroup.WithContext(ctx)
	for _, conn := range c.first.conns {
		w := &copyWorker{copier: c, conn: conn, emitter: c.newEmitter()}
		group.Go(func() error { return w.run(working) })
	}
	if err := group.Wait(); err != nil {
		c.abandon()
		return err
	}
	w := &copyWorker{copier: c, emitter: c.newEmitter()}
	if err := w.release(ctx, nil, "last"); err != nil {
		c.abandon()
		return err
	}
	return c.drained(ctx)
}

// abandon gives up the tables that are not through; they are copied again.
func (c *copier) abandon() {
	for _, t := range c.begun {
		if !t.closed {
			c.publisher.abandon(t.tx)
		}
	}
}

// drained waits until all is on Kafka and closes the list of what remains.
func (c *copier) drained(ctx context.Context) error {
	end := c.publisher.begin()
	end.mark = func(p *position) { p.State, p.Remaining = streaming, nil }
	c.publisher.commit(end, c.first.at, c.began.UnixMicro())
	c.publisher.drain(ctx)
	if s := c.publisher.state(); s.err != nil || !s.idle {
		return errors.Join(s.err, ctx.Err())
	}
	return nil
}

func (c *copier) newEmitter() *emitter {
	e := &emitter{publisher: c.publisher, metrics: c.metrics, log: c.log.Warn, wait: c.waitForSpace, now: c.began, context: c.context}
	// One byte before the place where the stream goes on: after all that came before, before all that comes.
	e.position = change.Position{Commit: c.first.at - 1}
	e.meta.LSN, e.meta.LastCommit, e.meta.CommitTime = c.first.at, c.last, c.began.UnixMicro()
	return e
}

// piece is a range of pages of a table; to is 0 for the last, which has no end: the table may have grown since.
type piece struct {
	*tableCopy
	from, to int64
}

// take gives out the next piece, nil when there is none.
func (c *copier) take() *piece {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil || c.now.given {
		if len(c.tables) == 0 {
			return nil
		}
		c.now, c.tables = c.tables[0], c.tables[1:]
		c.now.tx = c.publisher.begin()
		c.begun = append(c.begun, c.now)
		c.now.tx.mark = c.now.through
	}
	t := c.now
	p := &piece{tableCopy: t, from: t.next}
	t.next += piecePages
	if p.to = t.next; t.next >= t.pt.Pages || t.pt.Kind == "p" {
		t.given, p.to = true, 0
	}
	t.pieces++
	return p
}

// through notes that the table is on Kafka in full.
func (t *tableCopy) through(p *position) {
	p.Remaining = slices.DeleteFunc(slices.Clone(p.Remaining), func(name string) bool { return name == t.table.name })
	if t.parked.Load() > 0 {
		p.Snapshots = p.Snapshots.spare(t.table.name)
	}
}

// query copies the piece's rows.
func (p *piece) query() string {
	query := p.pt.selectRows()
	condition := ""
	if p.from > 0 {
		condition = fmt.Sprintf(" where ctid >= '(%d,0)'", p.from)
	}
	if p.to > 0 {
		if condition == "" {
			condition = " where true"
		}
		condition += fmt.Sprintf(" and ctid < '(%d,0)'", p.to)
	}
	if p.pt.Filter != "" {
		if condition == "" {
			condition = " where true"
		}
		condition += " and (" + p.pt.Filter + ")"
	}
	return "copy (" + query + condition + ") to stdout"
}

// waitForSpace waits while the buffer is full. There is one token for all who wait: whoever finds space hands it on.
func (c *copier) waitForSpace(ctx context.Context) error {
	p := c.publisher
	for p.isFull() {
		p.flush()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.space:
		}
	}
	select {
	case p.space <- struct{}{}:
	default:
	}
	return p.state().err
}

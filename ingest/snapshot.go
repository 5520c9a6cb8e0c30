package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
)

// firstCopy is the part of the slot's first snapshot that is still to be published: the tables as of one place of the
// stream, and transactions that see them so. The stream stops at that place until all of them are on Kafka.
type firstCopy struct {
	at     change.LSN // the rows stand after all that committed before, and before all the rest
	tables []publishedTable
	conns  []*pgx.Conn
}

// close ends the transactions; the session is done with them or over.
func (f *firstCopy) close() {
	for _, conn := range f.conns {
		closeQuietly(conn.Close)
	}
}

// beginSnapshot makes the slot and enters the snapshot it exports. The position says "snapshotting" from before the slot
// exists until the last table is on Kafka, and which tables are not.
func (s *session) beginSnapshot(ctx context.Context, choice decision, stored *position) (*position, *firstCopy, error) {
	pos := position{
		State: snapshotting, Generation: 1, SystemID: s.server.SystemID, Timeline: s.server.Timeline, Database: s.server.Database,
		Slot: s.config.Slot, Publication: s.config.Publication, Time: time.Now().UTC(), Format: s.config.Format.String(),
		DatabaseOID: s.server.DatabaseOID, PublicationOID: s.server.PublicationOID,
	}
	if stored != nil {
		pos.Generation = stored.Generation + 1
	}
	if err := s.store.save(ctx, pos); err != nil {
		return nil, nil, err
	}
	if choice == startOver {
		s.log.Info("dropping the slot to begin with a new snapshot", "slot", s.config.Slot)
		if err := dropSlot(ctx, s.control, s.config.Slot); err != nil {
			return nil, nil, err
		}
	}
	consistent, name, err := createSlot(ctx, s.repl, s.config.Slot, s.config.wantsFailover(s.server.Version))
	if err != nil {
		return nil, nil, err
	}
	s.resnapshot = false
	first, err := s.enter(ctx, name, consistent, s.tables)
	if err != nil {
		return nil, nil, err
	}
	if pos.Snapshots, err = s.sweepAfter(ctx, pos.Generation, consistent); err != nil {
		first.close()
		return nil, nil, err
	}
	pos.LSN, pos.Time, pos.Remaining = consistent, time.Now().UTC(), names(first.tables)
	if err := s.store.save(ctx, pos); err != nil {
		first.close()
		return nil, nil, err
	}
	return &pos, first, nil
}

func names(tables []publishedTable) []string {
	out := make([]string, len(tables))
	for i, t := range tables {
		out[i] = t.name()
	}
	return out
}

// sweepAfter orders a sweep of the tables whose topics hold something already: rows that went while no slot watched.
func (s *session) sweepAfter(ctx context.Context, generation int, consistent change.LSN) (orders, error) {
	ends, _, err := s.tableEnds(ctx, s.tables)
	if err != nil {
		return nil, err
	}
	var tables []string
	for _, t := range s.tables {
		key, err := s.catalog.primaryKey(ctx, t.OID)
		if err != nil {
			return nil, err
		}
		if len(key) > 0 && slices.Max(ends[s.config.spec(t.Schema, t.Name).Name]) > 0 {
			tables = append(tables, t.name())
		}
	}
	if len(tables) == 0 {
		return nil, nil
	}
	now := time.Now().UTC()
	return orders{{
		Order: Order{ID: fmt.Sprintf("sweep-%d", generation), Tables: tables, Sweep: true}, State: SnapshotRunning,
		Since: consistent - 1, SweepOnly: true, Sweeping: true, Began: now, Updated: now,
	}}, nil
}

// resumeSnapshot goes on with a first snapshot that a crash cut off. Its exported snapshot went with its connection, so
// the tables that are not on Kafka are read as of another place: a slot that lives for a moment names one, exactly, and
// the stream is brought there first.
func (s *session) resumeSnapshot(ctx context.Context, stored *position) (*firstCopy, error) {
	var remaining []publishedTable
	for _, t := range s.tables {
		if slices.Contains(stored.Remaining, t.name()) {
			remaining = append(remaining, t)
		}
	}
	conn, _, err := connectReplication(ctx, s.config.PostgresURL)
	if err != nil {
		return nil, err
	}
	defer closeQuietly(conn.Close) // the slot goes with it; the transactions that entered its snapshot stay
	at, name, err := createTemporarySlot(ctx, conn, temporaryName(s.config.Slot))
	if err != nil {
		return nil, fmt.Errorf("make a temporary slot to resume the snapshot with: %w", err)
	}
	s.log.Info("snapshot goes on where it was cut off", "lsn", at.String(), "tables", len(remaining))
	return s.enter(ctx, name, at, remaining)
}

// temporaryName is the slot's with an end to it, within what Postgres allows.
func temporaryName(slot string) string { return slot[:min(len(slot), 54)] + "_snapshot" }

// enter opens the connections that read the tables, each pinned to the exported snapshot: a connection that broke and was
// made again would read another instant.
func (s *session) enter(ctx context.Context, snapshot string, at change.LSN, tables []publishedTable) (*firstCopy, error) {
	first := &firstCopy{at: at}
	for range s.config.SnapshotConnections {
		conn, err := pgx.ConnectConfig(ctx, s.control.Config())
		if err == nil {
			first.conns = append(first.conns, conn)
			_, err = conn.Exec(ctx, "begin isolation level repeatable read read only; set transaction snapshot "+literals([]string{snapshot})[0])
		}
		if err != nil {
			first.close()
			return nil, fmt.Errorf("enter the slot's snapshot: %w", err)
		}
	}
	tables, err := s.asOf(ctx, first.conns[0], tables)
	if err != nil {
		first.close()
		return nil, err
	}
	first.tables = dimensionsFirst(tables, s.config.Dimensions)
	return first, nil
}

// copyTables publishes the tables and ends the transactions that read them.
func (s *session) copyTables(ctx context.Context, first *firstCopy, p *publisher, b *board, last change.LSN) error {
	defer first.close()
	s.setTrouble(errors.New("the snapshot is being published"))
	defer s.setTrouble(nil)
	s.log.Info("snapshot begins", "slot", s.config.Slot, "lsn", first.at.String(), "tables", len(first.tables), "connections", len(first.conns))
	began := time.Now()
	c := newCopier(s, first, p, b, last)
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	s.log.Info("snapshot is on Kafka", "rows", c.index, "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

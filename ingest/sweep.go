package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"freshet/ingest/change"
)

// sweepLimit is how many vanished rows are held at a time; where there are more, the partition is read again.
const sweepLimit = 50000

// sweep finds the rows that the table's topic holds, or the order's sender, and the table does not, and publishes a delete
// for each.
//
// Every row that exists has been published at a position of Since or later: the snapshot read it, or the stream told of
// it, which is why the snapshot left it out. So a key whose newest record is older is gone, and went while no slot watched.
func (s *scan) sweep(ctx context.Context, snap Snapshot) error {
	if s.table.codec != nil {
		s.log.Warn("no sweep: only records in plain JSON are read back", "id", snap.ID, "table", s.table.name)
		return s.publish(ctx, &step{of: snap, after: func(snap *Snapshot) {
			snap.Reason = s.table.name + " was not swept: only records in plain JSON are read back"
			snap.nextTable()
		}})
	}
	find := leftover{client: s.client, since: snap.Since, routing: s.table.movable(), skip: map[string]bool{}}
	if len(snap.Keys) > 0 {
		var err error
		if find.only, err = s.encodedKeys(snap.Keys); err == nil {
			find.held, err = s.held(snap)
		}
		if err != nil {
			return s.refuse(ctx, snap, err.Error())
		}
	}
	for _, part := range s.table.partitions {
	partition:
		for {
			n, err := s.sweepPartition(ctx, snap, find, part)
			if err != nil {
				return fmt.Errorf("sweep %s/%d: %w", part.topic, part.id, err)
			}
			now, ok := s.board.active()
			if !ok || now.ID != snap.ID {
				return nil
			}
			if len(now.Again) > 0 {
				_, err = s.chunk(ctx, now)
			}
			switch {
			case err != nil:
				return err
			case n == 0 && len(now.Again) == 0:
				break partition
			}
		}
	}
	s.log.Info("table swept", "id", snap.ID, "table", s.table.name)
	return s.publish(ctx, &step{of: snap, after: func(snap *Snapshot) { snap.nextTable() }})
}

// sweepPartition deletes what vanished, and says how many rows there were at most.
func (s *scan) sweepPartition(ctx context.Context, snap Snapshot, find leftover, part *partition) (n int, err error) {
	// From this watermark on the window has all touches; what came before is on Kafka before the topic is read.
	opened := &step{of: snap, open: newWindow(s.table.name, true), after: func(*Snapshot) {}}
	if err := s.publish(ctx, opened); err != nil {
		return 0, err
	}
	if err := s.durable(ctx, opened.at); err != nil {
		return 0, err
	}
	gone, err := find.find(ctx, part, sweepLimit)
	if err != nil {
		return 0, err
	}
	unheard, err := find.unheard(ctx, part, gone)
	if err != nil {
		return 0, err
	}
	if gone = append(gone, unheard...); len(gone) == 0 {
		return 0, nil
	}
	found := len(gone)
	alive, err := find.elsewhere(ctx, s.table.partitions, gone)
	if err != nil {
		return 0, err
	}
	var again [][]string
	gone = slices.DeleteFunc(gone, func(v vanished) bool {
		if !alive[v.key] && !v.left {
			return false
		}
		key, ok := s.moved(v)
		if ok {
			again = append(again, key)
			return false
		}
		find.skip[v.key] = true
		s.log.Warn("a row went elsewhere unseen: its old state stays there", "table", s.table.name, "key", v.key, "partition", part.id)
		return true
	})
	after := func(now *Snapshot) { now.Again = append(now.Again, again...) }
	return found, s.publish(ctx, &step{of: snap, table: s.table, gone: gone, after: after})
}

// encodedKeys writes the order's keys as the topic has them. They are the record's keys only where those are the primary
// key's columns.
func (s *scan) encodedKeys(keys [][]string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, k := range keys {
		key, err := s.table.encoder.AppendKey(nil, s.keyRow(k))
		if err != nil {
			return nil, err
		}
		out[string(key)] = true
	}
	return out, nil
}

// moved says of rows that live on elsewhere, because their routing column changed unseen, by which keys to read them again:
// the delete where they were hides them from whoever folds by key alone. ok is false where the topic's form of
// a key can't be turned into Postgres'.
func (s *scan) moved(v vanished) (key []string, ok bool) {
	for _, i := range s.table.place {
		raw := v.row[s.table.names[i]]
		switch s.pt.Columns[i].Type {
		case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
			key = append(key, string(raw))
		case pgtype.TextOID, pgtype.VarcharOID, pgtype.UUIDOID:
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, false
			}
			key = append(key, text)
		default:
			return nil, false
		}
	}
	return key, len(key) > 0
}

// vanish publishes the delete and the tombstone of a row that went unseen. Its before holds what a delete of the stream
// would: the replica identity's columns, by the row's last record.
func (e *emitter) vanish(ctx context.Context, t *table, v vanished) error {
	e.position.Index++
	e.meta.Op, e.meta.Now = change.Delete, e.now
	before := make([]change.Value, len(t.names))
	for i, name := range t.names {
		before[i] = change.Value{Kind: change.ValueNull}
		if raw, ok := v.row[name]; ok && t.identity[i] {
			before[i] = change.Value{Kind: change.ValueJSON, Text: raw}
		}
	}
	var err error
	if e.value, err = t.encoder.AppendEnvelope(e.value[:0], &e.meta, before, nil); err != nil {
		return err
	}
	e.setHeaders(t, nil, "", nil)
	e.metrics.ops[change.Delete].Inc()
	r := &record{key: []byte(v.key), value: e.value, headers: e.headers}
	if err := e.append(ctx, v.part, r); err != nil {
		return err
	}
	r.value = nil
	return e.append(ctx, v.part, r)
}

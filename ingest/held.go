package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
)

// A topic forgets: its records expire, and whoever makes it again makes it empty. A row that was deleted while a reader lagged
// too far behind is then known to that reader alone. So an order may say which rows its sender holds, and by which value of
// the routing column, which a delete needs and the key of most tables lacks.

// held writes the rows that the order's sender holds as the topic had them.
func (s *scan) held(snap Snapshot) ([]vanished, error) {
	var held []vanished
	for i, route := range snap.Routes {
		row := s.keyRow(snap.Keys[i])
		if r := s.table.routing; s.table.movable() != "" {
			if err := fits(s.pt.Columns[r].Type, route); err != nil {
				return nil, fmt.Errorf("route %q of %s: %w", route, s.table.name, err)
			}
			row[r] = change.Value{Kind: change.ValueText, Text: []byte(route)}
		}
		key, err := s.table.encoder.AppendKey(nil, row)
		if err != nil {
			return nil, err
		}
		image, err := s.table.encoder.AppendImage(nil, row, true)
		if err != nil {
			return nil, err
		}
		v := vanished{key: string(key)}
		if err := json.Unmarshal(image, &v.row); err != nil {
			return nil, fmt.Errorf("a row of %s that is held: %w", s.table.name, err)
		}
		var broadcast bool
		if v.part, broadcast = s.table.partition(row, key); broadcast {
			return nil, fmt.Errorf("a delete of %s does not say what it was routed by", s.table.name)
		}
		held = append(held, v)
	}
	return held, nil
}

// keyRow is a row of which the primary key is known.
func (s *scan) keyRow(key []string) []change.Value {
	row := make([]change.Value, len(s.pt.Columns))
	for i := range row {
		row[i] = change.Value{Kind: change.ValueNull}
	}
	for i, column := range s.table.place {
		row[column] = change.Value{Kind: change.ValueText, Text: []byte(key[i])}
	}
	return row
}

// fits checks what no query has checked: a route is written to the topic without having been through Postgres.
func fits(oid uint32, text string) error {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		_, err := strconv.ParseInt(text, 10, 64)
		return err
	case pgtype.TextOID, pgtype.VarcharOID:
		return nil
	}
	return fmt.Errorf("rows of a column of type %d can't be held", oid)
}

// unheard returns the held rows of a partition of which nothing was said since the order: every row that exists was read or
// told of since. Those of keys that were found otherwise wait for the next look.
func (l leftover) unheard(ctx context.Context, part *partition, found []vanished) ([]vanished, error) {
	type place struct{ key, route string }
	missing := map[place]vanished{}
	for _, v := range l.held {
		known := l.skip[v.key] || slices.ContainsFunc(found, func(f vanished) bool { return f.key == v.key })
		if v.part == part && !known {
			missing[place{v.key, string(v.row[l.routing])}] = v
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	at, err := partitionOffsets(ctx, l.client, part.topic, part.id)
	if err != nil {
		return nil, err
	}
	lives := map[string]bool{} // in this partition, here or of another document
	err = readTopic(ctx, l.client, part.topic, part.id, at.first, at.last, func(_ int64, r *kafka.Record) error {
		position, err := positionOf(r.Headers)
		if err != nil || position.Commit < l.since {
			return err
		}
		key, err := kafka.ReadAll(r.Key)
		if err != nil {
			return err
		}
		if r.Key == nil {
			clear(missing) // a truncate
			return nil
		}
		lives[string(key)] = r.Value != nil
		value, err := kafka.ReadAll(r.Value)
		if err == nil && value != nil {
			delete(missing, place{string(key), string(rowOf(value)[l.routing])})
		}
		return err
	})
	var out []vanished
	for _, v := range missing {
		v.left = lives[v.key]
		out = append(out, v)
	}
	return out, err
}

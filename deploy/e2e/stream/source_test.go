package stream

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
	"freshet/ingest/validator"
)

//go:embed source.sql
var sourceSQL string

// source is what Postgres itself says of its commits: the order and the LSNs by a slot of the test's own, read through
// SQL, and the changes by triggers.
type source struct {
	conn      *pgx.Conn
	published map[string]bool
	// held are commits behind the last cut that was asked for.
	held []validator.Commit
	last change.LSN
}

// witness is the slot that ingest does not know of.
const witness = "witness"

// commits returns the commits below the cut that were not returned before, with their changes; those without any that is
// published are left out.
func (s *source) commits(ctx context.Context, below change.LSN) ([]validator.Commit, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	n := 0
	for n < len(s.held) && s.held[n].LSN < below {
		n++
	}
	out := slices.Clone(s.held[:n])
	s.held = s.held[n:]
	if err := s.changes(ctx, out); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(c validator.Commit) bool { return len(c.Changes) == 0 }), nil
}

// read takes the commits from the witness' slot. After a crash of the server the slot may repeat some.
func (s *source) read(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, `select data from pg_logical_slot_get_binary_changes($1::text::name, null, null, 'proto_version', '1', 'publication_names', $1::text)
		where get_byte(data, 0) = ascii('B')`, witness)
	if err != nil {
		return fmt.Errorf("read the witness: %w", err)
	}
	var begin []byte
	if _, err := pgx.ForEachRow(rows, []any{&begin}, func() error {
		if len(begin) != 21 {
			return fmt.Errorf("a BEGIN of %d bytes", len(begin))
		}
		c := validator.Commit{LSN: change.LSN(binary.BigEndian.Uint64(begin[1:])), XID: binary.BigEndian.Uint32(begin[17:])}
		if c.LSN > s.last {
			s.held = append(s.held, c)
			s.last = c.LSN
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read the witness: %w", err)
	}
	return nil
}

// changes fills in what the triggers noted.
func (s *source) changes(ctx context.Context, commits []validator.Commit) error {
	at := map[uint32]*validator.Commit{}
	var xids []string
	for i := range commits {
		at[commits[i].XID] = &commits[i]
		xids = append(xids, fmt.Sprint(commits[i].XID))
	}
	rows, err := s.conn.Query(ctx, `select (xid::text)::bigint, tbl, op, old::text, new::text from history
		where xid = any($1::text[]::xid8[]) order by seq`, xids)
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	var xid int64
	var table, op string
	var before, after *string
	_, err = pgx.ForEachRow(rows, []any{&xid, &table, &op, &before, &after}, func() error {
		c := at[uint32(xid)]
		ch := validator.Change{Table: "public." + table, Op: change.Op(op[0]), Old: raw(before), New: raw(after)}
		if !s.published[ch.Table] {
			return nil
		}
		if op == "b" {
			return expandBulk(c, ch)
		}
		c.Changes = append(c.Changes, ch)
		return nil
	})
	return err
}

func raw(text *string) json.RawMessage {
	if text == nil {
		return nil
	}
	return json.RawMessage(*text)
}

// expandBulk turns the one note of a large insert into its rows.
func expandBulk(c *validator.Commit, ch validator.Change) error {
	var rows struct{ From, To, V int64 }
	if err := json.Unmarshal(ch.New, &rows); err != nil {
		return fmt.Errorf("note of a large insert: %w", err)
	}
	for id := rows.From; id <= rows.To; id++ {
		c.Changes = append(c.Changes, validator.Change{Table: ch.Table, Op: change.Create, New: fmt.Appendf(nil, `{"id":%d,"v":%d}`, id, rows.V)})
	}
	return nil
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
)

// chunk is rows that were read at one moment, kept in one piece of memory.
type chunk struct {
	columns int
	text    []byte
	values  []span
	seen    visibility
}

// span is a value's place in the chunk's text; start is -1 for null.
type span struct{ start, end int }

func (c *chunk) len() int {
	if c.columns == 0 {
		return 0
	}
	return len(c.values) / c.columns
}

func (c *chunk) add(row []change.Value) error {
	for _, v := range row {
		if v.Kind == change.ValueNull {
			c.values = append(c.values, span{-1, -1})
			continue
		}
		start := len(c.text)
		c.text = append(c.text, v.Text...)
		c.values = append(c.values, span{start, len(c.text)})
	}
	return nil
}

// row returns a row whose values are parts of the chunk.
func (c *chunk) row(i int) []change.Value {
	row := make([]change.Value, c.columns)
	for j, s := range c.values[i*c.columns : (i+1)*c.columns] {
		row[j] = change.Value{Kind: change.ValueNull}
		if s.start >= 0 {
			row[j] = change.Value{Kind: change.ValueText, Text: c.text[s.start:s.end:s.end]}
		}
	}
	return row
}

// reading is which rows of a table to read.
type reading struct {
	key      []string // the primary key's columns
	from, to []string // inclusive bounds by the first columns of the key
	after    []string // the last key that was read
	keys     [][]string
	limit    int
	shape    string // of the table when its columns were looked up, see shapeOf
}

// query is the COPY of a reading: in key order by the index, from where the last one ended. Never by OFFSET, which reads
// again all that it leaves out and loses count when rows go.
func (r reading) query(pt publishedTable) string {
	conditions := []string{}
	if pt.Filter != "" {
		conditions = append(conditions, "("+pt.Filter+")")
	}
	compare := func(operator string, values []string) {
		if len(values) > 0 {
			conditions = append(conditions, tuple(identifiers(r.key[:len(values)]))+operator+tuple(literals(values)))
		}
	}
	compare(" >= ", r.from)
	compare(" <= ", r.to)
	compare(" > ", r.after)
	if len(r.keys) > 0 {
		lists := make([]string, len(r.keys))
		for i, k := range r.keys {
			lists[i] = tuple(literals(k))
		}
		conditions = append(conditions, tuple(identifiers(r.key))+" in ("+strings.Join(lists, ", ")+")")
	}
	query := pt.selectRows()
	if len(conditions) > 0 {
		query += " where " + strings.Join(conditions, " and ")
	}
	if len(r.keys) == 0 {
		query += " order by " + strings.Join(identifiers(r.key), ", ") + fmt.Sprintf(" limit %d", r.limit)
	}
	return "copy (" + query + ") to stdout"
}

// selectRows selects the published columns. Rows of children belong to the children, but a partitioned table that is
// published as one has none of its own.
func (t publishedTable) selectRows() string {
	names := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		names[i] = col.Name
	}
	only := "only "
	if t.Kind == "p" {
		only = ""
	}
	return "select " + strings.Join(identifiers(names), ", ") + " from " + only + pgx.Identifier{t.Schema, t.Name}.Sanitize()
}

func identifiers(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = pgx.Identifier{n}.Sanitize()
	}
	return out
}

// literals quotes values; Postgres takes their types from what they are compared with. The session has
// standard_conforming_strings on, so a backslash is a backslash.
func literals(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return out
}

func tuple(parts []string) string { return "(" + strings.Join(parts, ", ") + ")" }

// errShape says that a table's columns are others than those that a chunk was to be read by.
var errShape = errors.New("the table has other columns now, or left the publication")

// shapeOf names the columns of a table ("schema.table") and the publications it is in, as they are now. Two shapes are equal
// if no column was added, dropped, renamed or given another type in between, and the table was published all the time: what
// is done to it outside the publication is not in the stream, and its rows then are of no place in it.
func shapeOf(ctx context.Context, conn *pgx.Conn, table string) (shape string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err = conn.QueryRow(ctx, `
		select coalesce(string_agg(format('%s %s %s %s %s', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod), ',' order by a.attnum), '')
			|| coalesce((select string_agg(r.oid::text, ',' order by r.oid) from pg_publication_rel r where r.prrelid = min(c.oid::bigint)::oid), '')
			|| coalesce((select string_agg(p.oid::text, ',' order by p.oid) from pg_publication_namespace p where p.pnnspid = min(n.oid::bigint)::oid), '')
		from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
		where n.nspname || '.' || c.relname = $1 and a.attnum > 0 and not a.attisdropped`, table).Scan(&shape)
	if err != nil {
		return "", fmt.Errorf("look up the shape of %s: %w", table, err)
	}
	return shape, nil
}

// read reads a chunk and what it saw, and looks at the table's columns once more: rows read by the columns of yesterday would
// take one away that the stream has already told of.
func (r reading) read(ctx context.Context, conn *pgx.Conn, pt publishedTable) (*chunk, error) {
	c, err := r.copyRows(ctx, conn, pt)
	if err != nil && !conn.IsClosed() {
		if _, broken := conn.Exec(ctx, "rollback"); broken != nil {
			return nil, err
		}
	}
	if conn.IsClosed() {
		return nil, err
	}
	switch shape, lost := shapeOf(ctx, conn, pt.name()); {
	case lost != nil:
		return nil, errors.Join(err, lost)
	case shape != r.shape:
		return nil, errShape
	}
	return c, err
}

// copyRows reads a chunk in one transaction.
func (r reading) copyRows(ctx context.Context, conn *pgx.Conn, pt publishedTable) (*chunk, error) {
	if _, err := conn.Exec(ctx, "begin isolation level repeatable read read only"); err != nil {
		return nil, err
	}
	c := &chunk{columns: len(pt.Columns)}
	seen, err := readVisibility(ctx, conn)
	if err != nil {
		return nil, err
	}
	c.seen = seen
	rows := &rowWriter{columns: c.columns, row: c.add}
	if _, err := conn.PgConn().CopyTo(ctx, rows, r.query(pt)); err != nil {
		return nil, err
	}
	if len(rows.rest) > 0 {
		return nil, fmt.Errorf("the copy of %s ends inside a row", pt.name())
	}
	_, err = conn.Exec(ctx, "commit")
	return c, err
}

func readVisibility(ctx context.Context, conn *pgx.Conn) (visibility, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var text string
	if err := conn.QueryRow(ctx, "select pg_current_snapshot()::text").Scan(&text); err != nil {
		return visibility{}, err
	}
	return parseVisibility(text)
}

package ingest

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack/stacktest"
)

// A chunk is read by the columns that the table has, or not at all: the stream may have told of a new one already, and a row
// without it, published behind that, would take it away again.
func TestChunkNoticesOtherColumns(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), stacktest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`create table "T s" (id int primary key, v text)`)
	exec(`insert into "T s" values (1, 'one'), (2, 'two')`)
	exec(`create publication freshet for table "T s"`)
	look := func() (reading, publishedTable) {
		t.Helper()
		shape, err := shapeOf(t.Context(), conn, "public.T s")
		if err != nil || shape == "" {
			t.Fatalf("shape %q, %v", shape, err)
		}
		tables, err := newCatalog(conn).published(t.Context(), "freshet")
		if err != nil || len(tables) != 1 {
			t.Fatalf("%v, %v", tables, err)
		}
		return reading{key: []string{"id"}, limit: 10, shape: shape}, tables[0]
	}
	r, pt := look()
	if c, err := r.read(t.Context(), conn, pt); err != nil || c.len() != 2 {
		t.Fatalf("read: %v", err)
	}
	for _, change := range []string{
		`alter table "T s" add extra int default 7`, `alter table "T s" rename v to w`, `alter table "T s" alter w type varchar(50)`, `alter table "T s" drop w`,
	} {
		exec(change)
		if _, err := r.read(t.Context(), conn, pt); !errors.Is(err, errShape) {
			t.Errorf("after %s: %v", change, err)
		}
		r, pt = look()
		if c, err := r.read(t.Context(), conn, pt); err != nil || c.len() != 2 || c.columns != len(pt.Columns) {
			t.Errorf("after %s, looked up again: %v", change, err)
		}
	}
}

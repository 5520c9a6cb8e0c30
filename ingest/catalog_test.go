package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack/stacktest"
)

// TestAGrowingTableIsListedOnce lists the publication while a table of many columns grows page by page: it is one table, and
// whole. A listing that grouped by its size made tables of it that had a part of the columns each.
func TestAGrowingTableIsListedOnce(t *testing.T) {
	const columns, lists = 800, 50
	url := stacktest.Postgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	var definition strings.Builder
	for i := range columns {
		fmt.Fprintf(&definition, ", c%d int", i)
	}
	_, err = conn.Exec(t.Context(), "create table wide (id text primary key"+definition.String()+"); create publication growing for table wide")
	if err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	grown := make(chan error, 1)
	go func() { grown <- grow(ctx, url) }()
	c := newCatalog(conn)
	for range lists {
		tables, err := c.published(t.Context(), "growing")
		if err != nil {
			t.Fatal(err)
		}
		if len(tables) != 1 || len(tables[0].Columns) != columns+1 {
			t.Fatalf("%d tables, the first of %d columns, want one of %d", len(tables), len(tables[0].Columns), columns+1)
		}
	}
	stop()
	if err := <-grown; err != nil {
		t.Fatal(err)
	}
}

// grow adds rows until the context ends.
func grow(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	whole := context.WithoutCancel(ctx)
	defer func() { _ = conn.Close(whole) }()
	for err == nil && ctx.Err() == nil {
		_, err = conn.Exec(whole, "insert into wide (id, c0, c799) select gen_random_uuid(), i, i from generate_series(1, 200) i")
	}
	return err
}

package audit

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
)

//go:embed sql/*.sql
var queries embed.FS

// Tables is the Source of what should exist: one repeatable-read transaction, so that all kinds are of one instant, which is
// also the time by which prices have started or ended.
type Tables struct {
	tx pgx.Tx
	// Position is a position at or after every change the transaction sees.
	Position change.LSN
}

// OpenTables begins the transaction and computes what the documents of all stores are made from. Close must be called.
func OpenTables(ctx context.Context, conn *pgx.Conn) (*Tables, error) {
	return open(ctx, conn, nil)
}

// OpenStore is OpenTables for the documents of one store: its offers, their products, its pages, search documents and orders.
func OpenStore(ctx context.Context, conn *pgx.Conn, store int64) (*Tables, error) {
	of := fmt.Sprintf("store_id = %d", store)
	return open(ctx, conn, []part{
		{"stores", fmt.Sprintf("id = %d", store)},
		{"offers", of},
		{"prices", of},
		{"inventory", of},
		{"stock_movements", of},
		{"orders", of},
		{"products", "id in (select product_id from public.offers where " + of + ")"},
	})
}

// OpenRest is OpenTables for the documents of no store: products that none offers, and what is recommended.
func OpenRest(ctx context.Context, conn *pgx.Conn) (*Tables, error) {
	return open(ctx, conn, []part{
		{"stores", "false"},
		{"offers", "false"},
		{"prices", "false"},
		{"inventory", "false"},
		{"stock_movements", "false"},
		{"products", "not exists (select from public.offers o where o.product_id = products.id)"},
	})
}

// part is the rows of a table that meet a condition.
type part struct{ table, condition string }

// narrow hides all other rows behind a temporary view that bears the table's name: Postgres looks there first, so that the
// same queries compute a part of what they compute for all. The end of the transaction takes the view back.
func narrow(ctx context.Context, tx pgx.Tx, p part) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("create temp view %s as select * from public.%s where %s", p.table, p.table, p.condition)); err != nil {
		return fmt.Errorf("narrow %s to %q: %w", p.table, p.condition, err)
	}
	return nil
}

func open(ctx context.Context, conn *pgx.Conn, parts []part) (*Tables, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return nil, fmt.Errorf("begin the audit's transaction: %w", err)
	}
	t := &Tables{tx: tx}
	for _, p := range parts {
		if err == nil {
			err = narrow(ctx, tx, p)
		}
	}
	if err == nil {
		err = t.prepare(ctx)
	}
	if err != nil {
		_ = tx.Rollback(ctx) // the error that matters is the first
		return nil, err
	}
	return t, nil
}

func (t *Tables) prepare(ctx context.Context) error {
	var lsn string
	if err := t.tx.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		return fmt.Errorf("read the position: %w", err)
	}
	var err error
	if t.Position, err = change.ParseLSN(lsn); err != nil {
		return err
	}
	sql, err := queries.ReadFile("sql/prepare.sql")
	if err != nil {
		return fmt.Errorf("read prepare.sql: %w", err)
	}
	if _, err := t.tx.Exec(ctx, string(sql)); err != nil {
		return fmt.Errorf("prepare the audit: %w", err)
	}
	return nil
}

// Documents computes all documents of a kind.
func (t *Tables) Documents(ctx context.Context, kind Kind) (Documents, error) {
	sql, err := queries.ReadFile("sql/" + string(kind) + ".sql")
	if err != nil {
		return nil, fmt.Errorf("no query for %q: %w", kind, err)
	}
	rows, err := t.tx.Query(ctx, string(sql))
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	docs := Documents{}
	var key string
	var raw []byte
	_, err = pgx.ForEachRow(rows, []any{&key, &raw}, func() error {
		var doc any
		if err := json.Unmarshal(raw, &doc); err != nil {
			return fmt.Errorf("document %s: %w", key, err)
		}
		docs[key] = doc
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	return docs, nil
}

// Products lists the products of the tables, as far as these are narrowed.
func (t *Tables) Products(ctx context.Context) ([]int64, error) {
	rows, err := t.tx.Query(ctx, "select id from products")
	if err != nil {
		return nil, fmt.Errorf("list the products: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("list the products: %w", err)
	}
	return ids, nil
}

// Close ends the transaction.
func (t *Tables) Close(ctx context.Context) error { return t.tx.Rollback(ctx) }

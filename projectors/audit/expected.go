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

// OpenTables begins the transaction and computes what the documents are made from. Close must be called.
func OpenTables(ctx context.Context, conn *pgx.Conn) (*Tables, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return nil, fmt.Errorf("begin the audit's transaction: %w", err)
	}
	t := &Tables{tx: tx}
	if err := t.prepare(ctx); err != nil {
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

// Close ends the transaction.
func (t *Tables) Close(ctx context.Context) error { return t.tx.Rollback(ctx) }

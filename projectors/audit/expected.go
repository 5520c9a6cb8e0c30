package audit

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"freshet/ingest/change"
)

//go:embed sql/*.sql
var queries embed.FS

// Tables is the Source of what should exist: one repeatable-read transaction, so that all kinds are of one instant, which is
// also the time by which prices have started or ended.
type Tables struct {
	tx    pgx.Tx
	scope Scope
	// Position is a position at or after every change the transaction sees.
	Position change.LSN
}

// Open begins the transaction and computes what the documents of the scope are made from. Close must be called.
func Open(ctx context.Context, conn *pgx.Conn, scope Scope) (*Tables, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return nil, fmt.Errorf("begin the audit's transaction: %w", err)
	}
	t := &Tables{tx: tx, scope: scope}
	if err := t.prepare(ctx); err != nil {
		_ = tx.Rollback(ctx) // the error that matters is the first
		return nil, err
	}
	return t, nil
}

// narrow hides all other rows behind a temporary view that bears the table's name: Postgres looks there first, so that the
// same queries compute a part of what they compute for all. The end of the transaction takes the view back.
func narrow(ctx context.Context, tx pgx.Tx, p part) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("create temp view %s as select * from public.%s where %s", p.table, p.table, p.condition)); err != nil {
		return fmt.Errorf("narrow %s to %q: %w", p.table, p.condition, err)
	}
	return nil
}

func (t *Tables) prepare(ctx context.Context) error {
	for _, p := range t.scope.parts() {
		if err := narrow(ctx, t.tx, p); err != nil {
			return err
		}
	}
	var lsn string
	if err := t.tx.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		return fmt.Errorf("read the position: %w", err)
	}
	var err error
	if t.Position, err = change.ParseLSN(lsn); err != nil {
		return err
	}
	steps := []string{"prepare"}
	if slices.Contains(t.scope.Kinds, Node) || slices.Contains(t.scope.Kinds, Home) {
		steps = append(steps, "pages")
	}
	for _, step := range steps {
		sql, err := queries.ReadFile("sql/" + step + ".sql")
		if err != nil {
			return fmt.Errorf("read %s.sql: %w", step, err)
		}
		if _, err := t.tx.Exec(ctx, string(sql)); err != nil {
			return fmt.Errorf("%s the audit: %w", step, err)
		}
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

// Look compares the documents of the scope with those that the stores have of it, and its books where it says so.
func (t *Tables) Look(ctx context.Context, stores *Stores) (report Report, err error) {
	stores.Scope = t.scope
	if !t.scope.whole() {
		if stores.known, err = t.products(ctx); err != nil {
			return nil, err
		}
	}
	if report, err = Compare(ctx, t, stores, t.scope.Kinds); err != nil || !t.scope.Books {
		return report, err
	}
	stock, err := t.Stock(ctx)
	return append(report, stock), err
}

// products lists the products of the tables, as far as these are narrowed.
func (t *Tables) products(ctx context.Context) ([]int64, error) {
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

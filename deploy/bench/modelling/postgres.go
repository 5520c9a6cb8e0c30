package modelling

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The two models in Postgres keep texts in the same way; here is what they have in common.

// table is a table of a model, filled by COPY.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

func textsOf(items []Item) table {
	t := table{name: "product_text", columns: []string{"product_id", "lang", "title", "description"}}
	for _, it := range items {
		for _, lang := range languages {
			t.rows = append(t.rows, []any{it.ID, lang, it.Texts[lang].Title, it.Texts[lang].Description})
		}
	}
	return t
}

// copyInto writes the tables in one transaction.
func copyInto(ctx context.Context, pool *pgxpool.Pool, schema string, tables ...table) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, t := range tables {
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{schema, t.name}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
				return fmt.Errorf("copy into %s: %w", t.name, err)
			}
		}
		return nil
	})
}

// execute runs statements, each for itself: some can't stand in a transaction.
func execute(ctx context.Context, pool *pgxpool.Pool, statements ...string) error {
	for _, sql := range statements {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// vacuum leaves the tables of a schema as autovacuum would in a quiet hour.
func vacuum(ctx context.Context, pool *pgxpool.Pool, schema string, tables ...string) error {
	for _, t := range tables {
		if err := execute(ctx, pool, "vacuum analyze "+schema+"."+t); err != nil {
			return err
		}
	}
	return nil
}

func showRow(row pgx.Row, id int64) (Item, error) {
	it := Item{ID: id}
	if err := row.Scan(&it.Kind, &it.Category, &it.Texts, &it.Attributes); err != nil {
		return it, fmt.Errorf("display product %d: %w", id, err)
	}
	return it, nil
}

func pageRow(row pgx.Row) (Page, error) {
	var p Page
	if err := row.Scan(&p.Found, &p.First); err != nil {
		return p, fmt.Errorf("filter: %w", err)
	}
	return p, nil
}

func countRows(rows pgx.Rows, err error) ([]Count, error) {
	if err != nil {
		return nil, fmt.Errorf("count the facets: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Count])
	if err != nil {
		return nil, fmt.Errorf("count the facets: %w", err)
	}
	return sortCounts(counts), nil
}

func size(ctx context.Context, pool *pgxpool.Pool, schema string) (s Size, err error) {
	const query = `select sum(pg_table_size(oid))::bigint, sum(pg_indexes_size(oid))::bigint from pg_class where relnamespace = $1::regnamespace and relkind = 'r'`
	if err = pool.QueryRow(ctx, query, schema).Scan(&s.Data, &s.Indexes); err != nil {
		err = fmt.Errorf("measure %s: %w", schema, err)
	}
	return s, err
}

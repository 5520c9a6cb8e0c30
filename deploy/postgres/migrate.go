// Package postgres holds the shop's schema as embedded migrations and brings a database up to it.
//
// `freshet migrate` and the tests call Migrate. Guarantee: it is safe to run again and by several at once; a failed
// migration leaves nothing behind, since each runs in one transaction.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate applies the migrations that the database at url does not have yet, and returns how many those were.
func Migrate(ctx context.Context, url string) (int, error) {
	db, provider, err := open(url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	results, err := provider.Up(ctx)
	if err != nil {
		return len(results), fmt.Errorf("migrate: %w", err)
	}
	return len(results), nil
}

// Pending says whether the database lacks migrations.
func Pending(ctx context.Context, url string) (bool, error) {
	db, provider, err := open(url)
	if err != nil {
		return false, err
	}
	defer func() { _ = db.Close() }()
	pending, err := provider.HasPending(ctx)
	if err != nil {
		return false, fmt.Errorf("look for migrations: %w", err)
	}
	return pending, nil
}

func open(url string) (*sql.DB, *goose.Provider, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, nil, fmt.Errorf("parse the Postgres URL: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, nil, fmt.Errorf("open the embedded migrations: %w", err)
	}
	// Two that migrate at once would race for goose's own table; the advisory lock lets one wait for the other.
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, nil, fmt.Errorf("make the migration lock: %w", err)
	}
	db := stdlib.OpenDB(*cfg)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		_ = db.Close()
		return nil, nil, fmt.Errorf("read the migrations: %w", err)
	}
	return db, provider, nil
}

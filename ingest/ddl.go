package ingest

import (
	"context"
	_ "embed" // ddl.sql
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ddlPrefix is the prefix of the logical messages that the event trigger writes.
const ddlPrefix = "freshet.ddl"

//go:embed ddl.sql
var ddlInstall string

// ddlRemove takes the triggers along.
const ddlRemove = `drop schema if exists freshet_ddl cascade`

// InstallDDL installs the event trigger that writes every change to a table into the log, so that it is published on the
// schema topic at its place among the changes of rows. It needs the right to make event triggers, and may be run again.
func InstallDDL(ctx context.Context, url string) error { return execute(ctx, url, ddlInstall) }

// RemoveDDL removes what InstallDDL installed.
func RemoveDDL(ctx context.Context, url string) error { return execute(ctx, url, ddlRemove) }

// execute runs statements as one transaction.
func execute(ctx context.Context, url, sql string) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("change the event trigger: %w", err)
	}
	return nil
}

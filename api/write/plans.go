package write

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Prepare sets up the connections of a pool for a Shop, which works with any.
//
// A prepared statement keeps its plan, and that of a table that is empty reads it from one end to the other. Carts, holds and
// tasks are rows that come and go: most of the time a vacuum has just left such a table empty, and a minute later thousands of dead
// rows are read for one. All that a request asks for has an index; so tables are read whole only where there is none, and no
// plan for other values would be better: a statement isn't planned five times over before its plan is kept.
//
// The indexes of what is due, to be paid or swept, have a condition that is true of all rows, id > 0: who looks for all that is due says
// it, and nobody else. A statement that knows its row by a key and says its state too would otherwise be given such an index, which a
// vacuum leaves with one page, and read all that has been due since.
//
// These are statements, not parameters of the connection, which poolers between us and Postgres refuse.
func Prepare(cfg *pgxpool.Config) {
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set enable_seqscan = off; set plan_cache_mode = force_generic_plan")
		return err
	}
}

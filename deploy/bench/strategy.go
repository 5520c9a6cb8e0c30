package bench

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// strategy is one way to take a unit of stock so that none is sold twice.
type strategy struct {
	name      string
	isolation pgx.TxIsoLevel
	take      func(ctx context.Context, tx pgx.Tx, sku int) error
}

// errTaken says that somebody else was faster, and that it is to be tried again.
var errTaken = errors.New("somebody else was faster")

// strategies each read what they need and write the level down; what they have in common, the row of the sale, comes after.
var strategies = []strategy{
	{"guarded update", pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx, sku int) error {
		return changed(tx.Exec(ctx, `update bench_locking.stock set on_hand = on_hand - 1 where sku = $1 and on_hand >= 1`, sku))
	}},
	{"for update", pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx, sku int) error { return readAndWrite(ctx, tx, sku, ` for update`) }},
	{"for update nowait", pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx, sku int) error {
		return readAndWrite(ctx, tx, sku, ` for update nowait`)
	}},
	{"for update skip locked", pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx, sku int) error {
		return readAndWrite(ctx, tx, sku, ` for update skip locked`)
	}},
	{"version", pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx, sku int) error {
		var left, version int64
		if err := tx.QueryRow(ctx, `select on_hand, version from bench_locking.stock where sku = $1`, sku).Scan(&left, &version); err != nil {
			return err
		}
		return changed(tx.Exec(ctx, `update bench_locking.stock set on_hand = $3, version = version + 1 where sku = $1 and version = $2`, sku, version, left-1))
	}},
	{"advisory lock", pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx, sku int) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('bench_locking'), $1)`, sku); err != nil {
			return err
		}
		return readAndWrite(ctx, tx, sku, ``)
	}},
	{"serializable", pgx.Serializable, func(ctx context.Context, tx pgx.Tx, sku int) error { return readAndWrite(ctx, tx, sku, ``) }},
}

// naive reads, decides and writes, at the isolation that there is by default. It is no strategy: a test has it lose units.
var naive = strategy{"naive", pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx, sku int) error { return readAndWrite(ctx, tx, sku, ``) }}

// readAndWrite reads the level, with a lock or without, and writes what is left.
func readAndWrite(ctx context.Context, tx pgx.Tx, sku int, lock string) error {
	var left int64
	err := tx.QueryRow(ctx, `select on_hand from bench_locking.stock where sku = $1`+lock, sku).Scan(&left)
	if errors.Is(err, pgx.ErrNoRows) {
		return errTaken // skipped: another has it locked
	}
	if err != nil {
		return err
	}
	return changed(tx.Exec(ctx, `update bench_locking.stock set on_hand = $2 where sku = $1`, sku, left-1))
}

func changed(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() == 0 {
		return errTaken
	}
	return err
}

// again says whether an error means that the purchase is to be tried again: what it had read was changed, a lock could not
// be had, or Postgres saw that two transactions could not have run one after the other.
func again(err error) bool {
	pg := new(pgconn.PgError)
	return errors.Is(err, errTaken) || errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "40001" || pg.Code == "40P01")
}

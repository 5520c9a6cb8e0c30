package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// attempts bounds how often a batch is begun again after a deadlock or a serialization failure.
const attempts = 5

// tally is what a batch did; it counts once the batch is committed.
type tally struct {
	inserted, updated, unchanged, products, categories, brands int64
	rejected                                                   []Rejection
}

// errRollback ends a dry run's transaction.
var errRollback = errors.New("dry run")

// flush carries a batch out as one transaction, and begins it again where others were in the way: it is idempotent.
func (im *importer) flush(ctx context.Context, items []item) error {
	if len(items) == 0 {
		return nil
	}
	for attempt := 1; ; attempt++ {
		var done tally
		err := pgx.BeginFunc(ctx, im.conn, func(tx pgx.Tx) error {
			var err error
			if done, err = im.carryOut(ctx, tx, items); err == nil && im.cfg.DryRun {
				return errRollback
			}
			return err
		})
		if errors.Is(err, errRollback) {
			im.known, err = nil, nil // it knows rows that are gone again
		}
		if err == nil {
			im.count(done)
			return nil
		}
		im.known = nil
		if attempt == attempts || !contended(err) {
			return fmt.Errorf("import the rows of lines %d to %d: %w", items[0].line, items[len(items)-1].line, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * 50 * time.Millisecond):
		}
	}
}

func (im *importer) count(done tally) {
	s := &im.summary
	s.Inserted += done.inserted
	s.Updated += done.updated
	s.Unchanged += done.unchanged
	s.Products += done.products
	s.Categories += done.categories
	s.Brands += done.brands
	for _, r := range done.rejected {
		im.reject(r)
	}
}

// carryOut tries the whole batch behind a savepoint. If Postgres refuses a row of it, each row gets its own, so that only
// the one that can't go in stays out.
func (im *importer) carryOut(ctx context.Context, tx pgx.Tx, items []item) (tally, error) {
	done, err := im.behindSavepoint(ctx, tx, items)
	if err == nil || !refused(err) {
		return done, err
	}
	var sum tally
	for i := range items {
		one, err := im.behindSavepoint(ctx, tx, items[i:i+1])
		switch {
		case err != nil && refused(err):
			sum.rejected = append(sum.rejected, Rejection{items[i].line, items[i].id, "Postgres refuses it: " + reason(err)})
		case err != nil:
			return tally{}, err
		default:
			sum.add(one)
		}
	}
	return sum, nil
}

func (t *tally) add(o tally) {
	t.inserted += o.inserted
	t.updated += o.updated
	t.unchanged += o.unchanged
	t.products += o.products
	t.categories += o.categories
	t.brands += o.brands
	t.rejected = append(t.rejected, o.rejected...)
}

func (im *importer) behindSavepoint(ctx context.Context, tx pgx.Tx, items []item) (tally, error) {
	var done tally
	err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		b, err := im.load(ctx, savepoint, items)
		if err != nil {
			return err
		}
		done, err = b.apply(ctx, items)
		return err
	})
	if err != nil {
		im.known = nil // it may know what was rolled back
		return tally{}, err
	}
	return done, nil
}

// refused says whether Postgres refused the data itself: a value or a constraint.
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code[:2] == "22" || pg.Code[:2] == "23")
}

// contended says whether another transaction was in the way, so that a new try may succeed.
func contended(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == pgSerialization || pg.Code == pgDeadlock)
}

const (
	pgSerialization = "40001"
	pgDeadlock      = "40P01"
)

func reason(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err.Error()
	}
	if pg.ConstraintName != "" {
		return fmt.Sprintf("%s (%s)", pg.Message, pg.ConstraintName)
	}
	return pg.Message
}

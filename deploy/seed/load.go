package seed

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
)

// loader copies a shop's tables into one transaction.
type loader struct {
	shop    *shop
	meter   Meter
	summary Summary
}

// table is what is copied into one: its rows come from a function, so that memory does not grow with them.
type table struct {
	name    string
	columns []string
	total   int64
	rows    iter.Seq[[]any]
	offer   bool // counts into the offers' rate
}

func (l *loader) run(ctx context.Context, tx pgx.Tx) error {
	// Two seeds at once would both find the shop empty.
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('freshet.seed', 0))`); err != nil {
		return fmt.Errorf("take the lock: %w", err)
	}
	if err := refuseFull(ctx, tx); err != nil {
		return err
	}
	if err := dropForeignKeyChecks(ctx, tx); err != nil {
		return err
	}
	for _, t := range l.tables() {
		start := time.Now()
		if err := l.copy(ctx, tx, t); err != nil {
			return err
		}
		if t.offer {
			l.summary.OfferElapsed += time.Since(start)
		}
	}
	l.count()
	return finish(ctx, tx)
}

func (l *loader) count() {
	l.summary.Stores, l.summary.Categories = int64(len(l.shop.stores)), int64(len(l.shop.categories))
	l.summary.Products, l.summary.Orders = int64(len(l.shop.products)), int64(l.shop.cfg.Orders)
	for _, a := range l.shop.assortment {
		l.summary.Offers += int64(len(a))
	}
}

func (l *loader) copy(ctx context.Context, tx pgx.Tx, t table) error {
	l.meter(t.name, 0, t.total)
	next, stop := iter.Pull(t.rows)
	defer stop()
	done := int64(0)
	source := pgx.CopyFromFunc(func() ([]any, error) {
		row, more := next()
		if !more {
			return nil, nil
		}
		if done++; done%4096 == 0 {
			l.meter(t.name, done, t.total)
		}
		return row, nil
	})
	copied, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, source)
	if err != nil {
		return fmt.Errorf("copy into %s: %w", t.name, err)
	}
	l.summary.Rows += copied
	l.meter(t.name, copied, max(copied, t.total))
	return nil
}

// refuseFull returns ErrNotEmpty if any table that the seed writes holds a row.
func refuseFull(ctx context.Context, tx pgx.Tx) error {
	for _, name := range []string{
		"stores", "category_trees", "brands", "sellers", "attribute_defs", "products", "customers", "orders", "search_synonyms", "search_rules",
	} {
		var found bool
		if err := tx.QueryRow(ctx, `select exists (select from `+name+`)`).Scan(&found); err != nil {
			return fmt.Errorf("look into %s: %w", name, err)
		}
		if found {
			return fmt.Errorf("%w: %s holds rows; seed an empty database", ErrNotEmpty, name)
		}
	}
	return nil
}

// dropForeignKeyChecks stops the check of each row, which takes most of the time, for this transaction: finish checks all
// rows at once instead. Only some roles may; with others the rows are checked one by one.
func dropForeignKeyChecks(ctx context.Context, tx pgx.Tx) error {
	var may bool
	if err := tx.QueryRow(ctx, `select rolsuper from pg_roles where rolname = current_user`).Scan(&may); err != nil {
		return fmt.Errorf("look at the role: %w", err)
	}
	if !may {
		return nil
	}
	if _, err := tx.Exec(ctx, `set local session_replication_role = replica`); err != nil {
		return fmt.Errorf("turn the row checks off: %w", err)
	}
	return nil
}

package write

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"freshet/api"
)

// queryer is a transaction, or a pool for a statement that is one by itself.
type queryer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// batcher is a transaction, or a pool for statements that are one together.
type batcher interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// scanned reads the row, and says whether there is one.
func scanned(row pgx.Row, into ...any) (there bool, err error) {
	if err = row.Scan(into...); errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// attempts is how often a transaction that lost a deadlock is run; those who win make progress meanwhile.
const attempts = 5

// transact runs f in one transaction and commits it, again when Postgres chose it as the victim of a
// deadlock or it was done before, and returns a position in the log at or after the commit. f may run several times and must leave
// nothing behind but its SQL.
func (s *Shop) transact(ctx context.Context, f func(tx *unit) error) (position string, err error) {
	err = s.transactThen(ctx, f, func(u *unit) (err error) {
		position, err = s.commit(ctx, u)
		return err
	})
	return position, err
}

// transactUnread is transact for changes that nobody follows with a read: it asks for no position.
func (s *Shop) transactUnread(ctx context.Context, f func(tx *unit) error) error {
	return s.transactThen(ctx, f, func(u *unit) error {
		_, err := u.commit(ctx, func(*pgx.Batch) {})
		return err
	})
}

func (s *Shop) transactThen(ctx context.Context, f func(tx *unit) error, commit func(u *unit) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return translate(fmt.Errorf("take a connection: %w", err))
	}
	defer conn.Release()
	again := false
	for attempt := 1; ; attempt++ {
		u := &unit{conn: conn.Conn(), again: again}
		err := f(u)
		if err == nil {
			err = commit(u)
		}
		if err == nil {
			return nil
		}
		u.rollback(ctx)
		if errors.Is(err, errCarriedOut) && !again {
			again = true
			continue
		}
		if !retryable(err) || attempt == attempts {
			return translate(err)
		}
		if err := pause(ctx, attempt); err != nil {
			return translate(err)
		}
	}
}

// commit ends the transaction and reads the log's insert position, in one round trip. It is at or after the commit record
// only when it is read after the commit: read inside the transaction it would be below other transactions' commits and
// prove nothing.
func (s *Shop) commit(ctx context.Context, u *unit) (position string, err error) {
	committed, err := u.commit(ctx, func(b *pgx.Batch) {
		b.Queue("select pg_current_wal_insert_lsn()::text").QueryRow(func(row pgx.Row) error { return row.Scan(&position) })
	})
	if err != nil && committed {
		// The change is made; to answer with an error would make the caller repeat it.
		s.log.Warn("read the log's position after a commit", "error", err.Error())
		return "", nil
	}
	return position, err
}

func retryable(err error) bool {
	pg := new(pgconn.PgError)
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// pause waits a little, at random, so that the two of a deadlock don't meet again.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(time.Duration(rand.Int64N(int64(attempt) * int64(10*time.Millisecond))))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// named says which field of a request a constraint of the schema speaks of.
var named = map[string]string{
	"products_seller_id_fkey":             "seller_id",
	"products_brand_id_fkey":              "brand_id",
	"product_categories_category_id_fkey": "categories",
	"orders_customer_id_fkey":             "customer_id",
	"accounts_seller_id_fkey":             "seller_id",
	"accounts_lower_idx":                  "email",
	"customers_lower_idx":                 "email",
	"products_seller_id_external_id_key":  "external_id",
}

// translate turns what Postgres says into an answer: the schema's constraints are rules that a caller can keep, a server
// that doesn't answer is one that may be asked again. Errors with a kind pass as they are.
func translate(err error) error {
	if errors.As(err, new(*api.Error)) {
		return err
	}
	pg := new(pgconn.PgError)
	if errors.As(err, &pg) {
		return translateCode(pg, err)
	}
	var network net.Error
	if errors.As(err, new(*pgconn.ConnectError)) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) {
		return unavailable(err)
	}
	return err
}

func translateCode(pg *pgconn.PgError, err error) error {
	field := named[pg.ConstraintName]
	if field == "" {
		field = pg.ConstraintName
	}
	switch {
	case pg.ConstraintName == "inventory_never_oversold":
		return api.Errorf(api.OutOfStock, "There is not as much to be had.").Because(err)
	case pg.ConstraintName == "cart_items_sku_fkey":
		return api.Errorf(api.Conflict, "A variant that is left out lies in a cart.").At("variants").Because(err)
	case pg.Code == "23505":
		return api.Errorf(api.Conflict, "Another one has it already.").At(field).Because(err)
	case pg.Code == "23503":
		return api.Errorf(api.Unprocessable, "This names nothing that exists.").At(field).Because(err)
	case pg.Code[:2] == "23", pg.Code[:2] == "22":
		return api.Errorf(api.Unprocessable, "A value breaks a rule of the schema.").At(field).Because(err)
	case pg.Code[:2] == "40", pg.Code[:2] == "08", pg.Code[:2] == "53", pg.Code[:2] == "57":
		return unavailable(err)
	}
	return err
}

func unavailable(err error) error {
	return api.Errorf(api.Unavailable, "The database can't be reached or didn't answer in time. "+
		"Whether the request was carried out isn't known; one with an idempotency key may simply be sent again.").RetryAfter(1).Because(err)
}

package write

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// unit is a transaction in few round trips: it begins together with its first statement, and what nobody waits for is sent with
// its commit. It is a pgx.Tx for those who work in it; of that, what is not here nobody uses.
type unit struct {
	pgx.Tx // nil
	conn   *pgx.Conn
	begun  bool
	last   pgx.Batch
}

// SendBatch sends the statements, the first of a transaction behind its beginning.
func (u *unit) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if u.begun {
		return u.conn.SendBatch(ctx, b)
	}
	u.begun = true
	first := &pgx.Batch{}
	first.Queue("begin")
	first.QueuedQueries = append(first.QueuedQueries, b.QueuedQueries...)
	results := u.conn.SendBatch(ctx, first)
	_, _ = results.Exec() // what went wrong is the error of every result after it
	return results
}

// Exec carries out one statement.
func (u *unit) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	if u.begun {
		return u.conn.Exec(ctx, sql, args...)
	}
	b := &pgx.Batch{}
	b.Queue(sql, args...).Exec(func(t pgconn.CommandTag) error {
		tag = t
		return nil
	})
	return tag, u.SendBatch(ctx, b).Close()
}

// Query reads rows. Before it the transaction begins by itself: rows are read by whoever asked, and the end of a batch by nobody.
func (u *unit) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := u.begin(ctx); err != nil {
		return nil, err
	}
	return u.conn.Query(ctx, sql, args...)
}

// QueryRow reads one row.
func (u *unit) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := u.begin(ctx); err != nil {
		return failed{err}
	}
	return u.conn.QueryRow(ctx, sql, args...)
}

// failed is a row that could not be asked for.
type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

func (u *unit) begin(ctx context.Context) error {
	if u.begun {
		return nil
	}
	u.begun = true
	_, err := u.conn.Exec(ctx, "begin")
	return err
}

// atCommit puts a statement off until the commit, which fails if it does. In a transaction of another kind it is carried out at once.
func atCommit(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	if u, ok := tx.(*unit); ok {
		u.last.Queue(sql, args...)
		return nil
	}
	_, err := tx.Exec(ctx, sql, args...)
	return err
}

// rollback ends the transaction with nothing done. The pool throws a connection away that is still in one.
func (u *unit) rollback(ctx context.Context) {
	if u.conn.PgConn().TxStatus() != 'I' {
		_, _ = u.conn.Exec(ctx, "rollback")
	}
}

// commit sends what was put off, the commit, and then what is asked after it, and says whether the commit was made.
func (u *unit) commit(ctx context.Context, then func(b *pgx.Batch)) (committed bool, err error) {
	b := &pgx.Batch{QueuedQueries: u.last.QueuedQueries}
	if u.begun {
		b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
			if tag.String() == "ROLLBACK" { // what Postgres answers when a statement failed before
				return pgx.ErrTxCommitRollback
			}
			committed = true
			return nil
		})
	}
	then(b)
	return committed, u.conn.SendBatch(ctx, b).Close()
}

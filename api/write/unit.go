package write

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// unit is a transaction in few round trips: it begins together with its first statement, a statement whose result is only wanted
// with the next one's goes ahead of that, and what nobody waits for is sent with the commit. It is a pgx.Tx for those who work in
// it; of that, what is not here nobody uses. A batch's results are read by its callbacks.
type unit struct {
	pgx.Tx // nil
	conn   *pgx.Conn
	begun  bool
	again  bool // what it does may have been done, see once
	first  pgx.Batch
	last   pgx.Batch
}

// ahead puts a statement before what is asked next, which fails if it does.
func (u *unit) ahead(sql string, args ...any) *pgx.QueuedQuery { return u.first.Queue(sql, args...) }

// atCommit is what is sent with the commit, which fails if it does. Its callbacks are called then.
func (u *unit) atCommit() *pgx.Batch { return &u.last }

// before is what has to be sent before the next statement.
func (u *unit) before() *pgx.Batch {
	b := &pgx.Batch{}
	if !u.begun {
		b.Queue("begin")
	}
	b.QueuedQueries = append(b.QueuedQueries, u.first.QueuedQueries...)
	u.begun, u.first = true, pgx.Batch{}
	return b
}

// SendBatch sends the statements, and what goes ahead of them.
func (u *unit) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	whole := u.before()
	whole.QueuedQueries = append(whole.QueuedQueries, b.QueuedQueries...)
	return u.conn.SendBatch(ctx, whole)
}

// Exec carries out one statement.
func (u *unit) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	if u.begun && u.first.Len() == 0 {
		return u.conn.Exec(ctx, sql, args...)
	}
	b := &pgx.Batch{}
	b.Queue(sql, args...).Exec(func(t pgconn.CommandTag) error {
		tag = t
		return nil
	})
	return tag, u.SendBatch(ctx, b).Close()
}

// Query reads rows. What goes ahead of it is sent before: rows are read by whoever asked, and the end of a batch by nobody.
func (u *unit) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := u.flush(ctx); err != nil {
		return nil, err
	}
	return u.conn.Query(ctx, sql, args...)
}

// QueryRow reads one row.
func (u *unit) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := u.flush(ctx); err != nil {
		return failed{err}
	}
	return u.conn.QueryRow(ctx, sql, args...)
}

// failed is a row that could not be asked for.
type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

// flush sends what waits to go ahead.
func (u *unit) flush(ctx context.Context) error {
	b := u.before()
	if b.Len() == 0 {
		return nil
	}
	return u.conn.SendBatch(ctx, b).Close()
}

// rollback ends the transaction with nothing done. The pool throws a connection away that is still in one.
func (u *unit) rollback(ctx context.Context) {
	if u.conn.PgConn().TxStatus() != 'I' {
		_, _ = u.conn.Exec(ctx, "rollback")
	}
}

// commit sends what was put off, the commit, and then what is asked after it, and says whether the commit was made.
func (u *unit) commit(ctx context.Context, then func(b *pgx.Batch)) (committed bool, err error) {
	b := &pgx.Batch{}
	if u.begun || u.first.Len()+u.last.Len() > 0 {
		b = u.before()
		b.QueuedQueries = append(b.QueuedQueries, u.last.QueuedQueries...)
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

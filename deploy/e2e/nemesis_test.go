package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// nemesis writes to a shop what nobody would write on purpose: interleaved transactions of several sessions, rollbacks,
// savepoints, COPY, key changes, category moves, TOASTed values that stay unchanged, deletes and rebirths, all on few keys
// so that everything collides. The same seed on the same shop makes the same statements.
type nemesis struct {
	t        testing.TB
	rng      *rand.Rand
	sessions []*session
	next     int64 // ids of our own, so that no sequence decides
	counts   map[string]int
	failed   map[string]int
}

type session struct {
	conn  *pgx.Conn
	depth int // statements in the open transaction; 0 when there is none
	saved bool
}

func newNemesis(t testing.TB, url string, seed uint64, sessions int) *nemesis {
	t.Helper()
	n := &nemesis{
		t: t, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), next: 1_000_000,
		counts: map[string]int{}, failed: map[string]int{},
	}
	for range sessions {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatalf("connect a session: %v", err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		// One goroutine drives all sessions, so a lock that another session holds must not block it.
		if _, err := conn.Exec(t.Context(), "set lock_timeout = '30ms'"); err != nil {
			t.Fatalf("set the lock timeout: %v", err)
		}
		n.sessions = append(n.sessions, &session{conn: conn})
	}
	return n
}

// run makes n steps and then ends all open transactions.
func (n *nemesis) run(ctx context.Context, steps int) {
	n.t.Helper()
	for range steps {
		n.step(ctx, n.sessions[n.rng.IntN(len(n.sessions))])
	}
	for _, s := range n.sessions {
		if s.depth > 0 {
			n.exec(ctx, s, "commit", "commit")
			s.depth = 0
		}
	}
}

// step does one thing in one session: begins, changes something, marks or takes back to a savepoint, commits, rolls back.
func (n *nemesis) step(ctx context.Context, s *session) {
	if s.depth == 0 {
		n.exec(ctx, s, "begin", "begin")
		s.depth, s.saved = 1, false
	}
	switch p := n.rng.IntN(100); {
	case p < 62:
		n.change(ctx, s)
	case p < 67 && !s.saved:
		s.saved = n.exec(ctx, s, "savepoint", "savepoint a")
	case p < 71 && s.saved:
		n.exec(ctx, s, "rollback to savepoint", "rollback to savepoint a")
	case p < 77:
		n.exec(ctx, s, "rollback", "rollback")
		s.depth = 0
	default:
		n.exec(ctx, s, "commit", "commit")
		s.depth = 0
	}
}

// change runs one random operation inside a savepoint of its own, so that a violated constraint or a lock that was not
// to be had undoes that operation alone.
func (n *nemesis) change(ctx context.Context, s *session) {
	op := pickOperation(n.rng)
	s.depth++
	if !n.exec(ctx, s, "savepoint of operation", "savepoint op") {
		return
	}
	for _, st := range op.make(n) {
		if !n.apply(ctx, s, op.name, st) {
			n.exec(ctx, s, "undo operation", "rollback to savepoint op")
			return
		}
	}
	n.exec(ctx, s, "release", "release savepoint op")
}

func (n *nemesis) exec(ctx context.Context, s *session, name, sql string, args ...any) bool {
	n.t.Helper()
	return n.apply(ctx, s, name, statement{sql: sql, args: args})
}

// apply runs a statement; a refusal by the database is part of the game, a lost connection is not.
func (n *nemesis) apply(ctx context.Context, s *session, name string, st statement) bool {
	n.t.Helper()
	var err error
	if st.copy != nil {
		_, err = s.conn.CopyFrom(ctx, pgx.Identifier{st.sql}, st.cols, pgx.CopyFromRows(st.copy))
	} else {
		_, err = s.conn.Exec(ctx, st.sql, st.args...)
	}
	n.counts[name]++
	if err == nil {
		return true
	}
	n.failed[name]++
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		n.t.Fatalf("%s: %v", name, err)
	}
	// 23 integrity, 55P03 lock timeout, 40 deadlock, 25P02 aborted transaction, 3B savepoint that is gone
	if class := pg.Code[:2]; class != "23" && class != "55" && class != "40" && class != "25" && class != "3B" {
		n.t.Fatalf("%s: %v\n%s %v", name, err, st.sql, st.args)
	}
	return false
}

// id returns a fresh id.
func (n *nemesis) id() int64 { n.next++; return n.next }

// salt makes the database choose a row: order by md5(key || salt) is a different but repeatable order for each salt.
func (n *nemesis) salt() string { return fmt.Sprintf("%08x", n.rng.Uint32()) }

// blob returns text that does not compress, of about size bytes, so that Postgres moves it out of line (TOAST).
func (n *nemesis) blob(size int) string {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%016x ", n.rng.Uint64())
	}
	return b.String()
}

// summary says how often what was done, and how often refused.
func (n *nemesis) summary() string {
	var b strings.Builder
	for _, op := range operations {
		fmt.Fprintf(&b, "%s %d (%d refused), ", op.name, n.counts[op.name], n.failed[op.name])
	}
	fmt.Fprintf(&b, "%d commits, %d rollbacks, %d rollbacks to a savepoint", n.counts["commit"], n.counts["rollback"], n.counts["rollback to savepoint"])
	return b.String()
}

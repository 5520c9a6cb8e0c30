package write_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/api/write/invariant"
)

// piled is how many requests must have come up to the lock before it is let go; the shop has a few connections more.
const piled = 6

// pile makes n requests while it holds the rows that the query locks, and lets go when several of them wait for locks: all
// of those have read what there was before, and then decide at once. What races hit by luck, this hits every time.
func (s *shop) pile(lock string, n int, f func(i int) (reply, error)) map[int]int {
	s.t.Helper()
	tx := s.hold(lock)
	answers := make(chan map[int]int, 1)
	go func() { answers <- s.gather(n, f) }()
	s.awaitWaiting(min(n, piled))
	if err := tx.Rollback(context.Background()); err != nil {
		s.t.Error(err)
	}
	return <-answers
}

// hold locks what the query selects, on a connection of its own.
func (s *shop) hold(lock string) pgx.Tx {
	s.t.Helper()
	tx, err := s.beside().Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := tx.Exec(s.t.Context(), lock); err != nil {
		s.t.Fatalf("%s: %v", lock, err)
	}
	return tx
}

// beside opens a connection apart from the shop's.
func (s *shop) beside() *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.ConnectConfig(s.t.Context(), s.pool.Config().ConnConfig)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// awaitWaiting returns when so many transactions of the shop wait for locks. It looks from a connection of its own: within a
// transaction pg_stat_activity stands still.
func (s *shop) awaitWaiting(n int) {
	s.t.Helper()
	conn := s.beside()
	const query = `select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()`
	deadline := time.Now().Add(5 * time.Minute)
	for waiting := 0; waiting < n; {
		if err := conn.QueryRow(s.t.Context(), query).Scan(&waiting); err != nil {
			s.t.Error(err)
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("%d transactions wait for the lock, want %d", waiting, n)
			return
		}
		<-time.After(2 * time.Millisecond)
	}
}

// lookEvery is how often the invariants are asked during a storm.
const lookEvery = 10 * time.Millisecond

// watch asks the invariants again and again until stop, which fails the test for every one that didn't hold at some moment.
func (s *shop) watch() (stop func()) {
	s.t.Helper()
	conn := s.beside()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	looks := 0
	go func() {
		defer close(done)
		for {
			broken, err := invariant.Broken(ctx, conn)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				s.t.Error(err)
				return
			}
			looks++
			for _, what := range broken {
				s.t.Errorf("at look %d: %s", looks, what)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookEvery):
			}
		}
	}()
	return func() {
		cancel()
		<-done
		if looks == 0 {
			s.t.Error("the storm was over before anybody had looked")
		}
		s.audit()
	}
}

// TestTheWatchSees breaks an invariant in one transaction that puts it right again, and in one that doesn't: the first is
// nobody's business.
func TestTheWatchSees(t *testing.T) {
	s := newShop(t)
	tx := s.hold(`update inventory set reserved = 3 where sku = 'A-1' and store_id = 1`)
	s.audit()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	broken, err := invariant.Broken(t.Context(), s.pool)
	if err != nil || len(broken) != 2 {
		t.Errorf("of units that nobody reserved is said %q, %v", broken, err)
	}
}

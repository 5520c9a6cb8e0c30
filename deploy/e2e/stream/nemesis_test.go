package stream

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// nemesis writes what nobody would write on purpose, over few keys, so that everything collides: transactions of several
// sessions interleaved, savepoints and rollbacks to them, COPY, large values left alone, moves of keys and of partitions,
// TRUNCATE, large transactions, messages, and changes of the tables themselves. The same seed makes the same choices; what
// the server answers, and so what follows, also depends on when it is killed.
type nemesis struct {
	rng      *rand.Rand
	url      string
	sessions []*session
	pace     time.Duration
	ids      atomic.Int64 // the last id that was given out
	steps    atomic.Int64

	// kept is what must be left as it is now; shaping is held by operations that it may concern.
	kept    atomic.Int32
	shaping sync.RWMutex

	mu     sync.Mutex
	counts map[string]int // by operation: what succeeded
	loose  map[string]bool
}

// session is one connection and the state of its transaction.
type session struct {
	conn  *pgx.Conn
	open  bool
	saved int
}

func newNemesis(url string, seed uint64, pace time.Duration) *nemesis {
	n := &nemesis{
		rng: rand.New(rand.NewPCG(seed, 0x5bd1e995)), url: url, pace: pace, counts: map[string]int{}, loose: map[string]bool{},
	}
	n.ids.Store(3000)
	for range 4 {
		n.sessions = append(n.sessions, &session{})
	}
	return n
}

// run makes steps until the context ends, and then commits what is open.
func (n *nemesis) run(ctx context.Context) error {
	working := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		if err := n.step(working, n.sessions[n.rng.IntN(len(n.sessions))]); err != nil {
			return err
		}
		n.steps.Add(1)
		select {
		case <-ctx.Done():
		case <-time.After(n.pace):
		}
	}
	return n.commitAll(working)
}

func (n *nemesis) close() {
	for _, s := range n.sessions {
		if s.conn != nil {
			_ = s.conn.Close(context.Background()) // its work is done
		}
	}
}

func (n *nemesis) commitAll(ctx context.Context) error {
	for _, s := range n.sessions {
		if s.open {
			s.open = false
			if _, err := n.exec(ctx, s, "commit", "commit"); err != nil {
				return err
			}
		}
	}
	return nil
}

// step does one thing in one session.
func (n *nemesis) step(ctx context.Context, s *session) error {
	if !s.open {
		s.open, s.saved = true, 0
		if _, err := n.exec(ctx, s, "begin", "begin"); err != nil {
			return err
		}
	}
	var err error
	switch p := n.rng.IntN(100); {
	case p < 64:
		err = n.change(ctx, s)
	case p < 70:
		s.saved++
		_, err = n.exec(ctx, s, "savepoint", fmt.Sprintf("savepoint s%d", s.saved))
	case p < 75 && s.saved > 0:
		_, err = n.exec(ctx, s, "rollback to savepoint", fmt.Sprintf("rollback to savepoint s%d", 1+n.rng.IntN(s.saved)))
	case p < 81:
		s.open = false
		_, err = n.exec(ctx, s, "rollback", "rollback")
	case p < 98:
		s.open = false
		_, err = n.exec(ctx, s, "commit", "commit")
	default:
		// What takes the whole table waits for no other session, so it is done while none is open.
		if err = n.commitAll(ctx); err == nil {
			err = n.alone(ctx, s)
		}
	}
	return err
}

// change runs one operation under a savepoint of its own: what the database refuses is undone alone.
func (n *nemesis) change(ctx context.Context, s *session) error {
	op := operations.pick(n.rng)
	if done, err := n.exec(ctx, s, "", "savepoint op"); err != nil || !done {
		return err
	}
	for _, sql := range op.make(n) {
		if done, err := n.apply(ctx, s, op.name, sql); err != nil {
			return err
		} else if !done {
			_, err := n.exec(ctx, s, "", "rollback to savepoint op")
			return err
		}
	}
	n.count(op.name)
	_, err := n.exec(ctx, s, "", "release savepoint op")
	return err
}

// alone runs one operation that needs the tables for itself.
func (n *nemesis) alone(ctx context.Context, s *session) error {
	op := alone.pick(n.rng)
	n.shaping.RLock()
	defer n.shaping.RUnlock()
	if kept := n.kept.Load(); (kept == keepCatalog && altersCatalog(op.name)) || (kept != keepNothing && slices.Contains(takesColumn, op.name)) {
		return nil
	}
	for _, sql := range op.make(n) {
		if done, err := n.apply(ctx, s, op.name, sql); err != nil {
			return err
		} else if !done {
			_, err := n.exec(ctx, s, "", "rollback")
			return err
		}
	}
	n.count(op.name)
	return nil
}

// What the nemesis leaves as it is.
const (
	keepNothing = iota
	keepColumns // while a first snapshot is read
	keepCatalog // while a slot is made
)

// keep leaves what it says as it is from here on.
func (n *nemesis) keep(what int32) {
	n.kept.Store(what)
	n.shaping.Lock() // waits for the operation that is under way
	defer n.shaping.Unlock()
}

func (n *nemesis) exec(ctx context.Context, s *session, name, sql string) (done bool, err error) {
	done, err = n.apply(ctx, s, name, sql)
	if done && name != "" {
		n.count(name)
	}
	return done, err
}

func (n *nemesis) count(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[name]++
}

// apply runs a statement. A refusal is part of the game, and so is a server that goes away: the session connects anew, and
// whether its transaction was committed the witness knows.
func (n *nemesis) apply(ctx context.Context, s *session, name, sql string) (done bool, err error) {
	if s.conn == nil || s.conn.IsClosed() {
		s.open, s.saved = false, 0
		if s.conn, err = n.connect(ctx); err != nil {
			return false, err
		}
		if name != "begin" {
			return false, nil // it belonged to a transaction that is gone
		}
		s.open = true
	}
	if rows, ok := strings.CutPrefix(sql, "copy items"); ok {
		_, err = s.conn.PgConn().CopyFrom(ctx, strings.NewReader(rows), "copy items (id, v, note) from stdin")
	} else {
		_, err = s.conn.Exec(ctx, sql)
	}
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &pg) || s.conn.IsClosed():
		_ = s.conn.Close(ctx) // it is broken
		return false, nil
	}
	// 23 integrity, 55 lock timeout, 40 deadlock, 25 aborted transaction, 3B savepoint that is gone, 57 shutdown
	if class := pg.Code[:2]; !strings.Contains("23 55 40 25 3B 57", class) {
		return false, fmt.Errorf("%s: %.300s: %w", name, sql, err)
	}
	return false, nil
}

// connect waits for a server that comes back.
func (n *nemesis) connect(ctx context.Context) (*pgx.Conn, error) {
	deadline := time.Now().Add(patience)
	for {
		conn, err := pgx.Connect(ctx, n.url)
		if err == nil {
			if _, err = conn.Exec(ctx, "set lock_timeout = '30ms'"); err == nil {
				return conn, nil
			}
			_ = conn.Close(ctx) // it broke at once
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("connect a session: %w", err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// await waits until so many more steps were made.
func (n *nemesis) await(ctx context.Context, steps int64) error {
	target := n.steps.Load() + steps
	for n.steps.Load() < target {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// blob is text that does not compress, long enough to be moved out of its row.
func (n *nemesis) blob() string {
	b := make([]byte, 1800)
	for i := range b {
		b[i] = byte(n.rng.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// summary says how often what was done.
func (n *nemesis) summary() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.TrimPrefix(fmt.Sprint(n.counts), "map")
}

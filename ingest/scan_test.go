package ingest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/deploy/stack/stacktest"
)

// TestUnansweredQuestion: a question that gets no answer ends, with its connection, and the next may take longer.
func TestUnansweredQuestion(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), stacktest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeQuietly(conn.Close) })
	s := &scanner{patience: 50 * time.Millisecond}
	err = s.ask(t.Context(), func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "select pg_sleep(600)")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "no answer within 50ms") || !conn.IsClosed() || s.patience != 100*time.Millisecond {
		t.Errorf("got %v, patience %s, closed %v", err, s.patience, conn.IsClosed())
	}
	// One that the order's end cuts off was not too slow.
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := s.ask(stopped, func(ctx context.Context) error { return ctx.Err() }); err == nil || s.patience != 100*time.Millisecond {
		t.Errorf("got %v, patience %s", err, s.patience)
	}
}

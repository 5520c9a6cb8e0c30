package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/projectors/notify"
)

// receiver is where webhooks are posted to. It keeps what came, by what each is known by.
type receiver struct {
	mu   sync.Mutex
	came map[string][]string
}

func (r *receiver) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // who sent it was killed, and sends it again
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := req.Header.Get(notify.HeaderNotification)
	r.came[id] = append(r.came[id], string(body))
}

// lacks says what of the ids has not come.
func (r *receiver) lacks(ids []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return len(r.came[id]) > 0 })
}

// TestEachNotificationIsSentOnceAcrossKills kills the process that notifies, again and again: after it has written down what
// to tell and before it notes that it has read it, so that all of it is delivered again, and when it has told.
func TestEachNotificationIsSentOnceAcrossKills(t *testing.T) {
	const rounds = 3
	ctx := deadline(t, 5*time.Minute)
	s := newShop(t, 1, 5, *seedFlag)
	r := &receiver{came: map[string][]string{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	s.env = append(s.env, "FRESHET_NOTIFY_WEBHOOK="+server.URL, "FRESHET_NOTIFY_SECRET=a-secret-for-the-tests")
	told := s.process("notify", "project", "notify")
	s.ingest.start()
	s.process("alert", "project", "alert").start()
	s.follow(ctx)
	told.start()
	// What was seeded is history, and not told.
	s.mustPass(ctx, "notify")
	conn := s.connect()
	var news []string
	for round := range rounds {
		told.kill()
		told.start("FRESHET_TEST_FAILPOINT=runtime-after-handle-before-commit")
		news = append(news, makeNews(t, conn, round)...)
		s.mustDie(ctx, told, "runtime-after-handle-before-commit")
		told.start()
		for missing := r.lacks(news); len(missing) > 0; missing = r.lacks(news) {
			select {
			case <-ctx.Done():
				t.Fatalf("seed %d: round %d: never told: %v", *seedFlag, round, missing)
			case <-time.After(20 * time.Millisecond): // between two looks
			}
		}
	}
	s.mustPass(ctx, "notify")
	r.mustBe(t, news, 2*rounds)
}

// mustBe wants each of the ids once and nothing else. Whoever is killed after a webhook was taken and before that was noted
// sends that one again, the same: one for each kill, at most.
func (r *receiver) mustBe(t *testing.T, ids []string, kills int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	again := 0
	for id, bodies := range r.came {
		again += len(bodies) - 1
		if !slices.Contains(ids, id) {
			t.Errorf("seed %d: told what is no news: %s", *seedFlag, bodies[0])
		}
		if len(slices.Compact(bodies)) > 1 {
			t.Errorf("seed %d: %s was told in two ways: %q", *seedFlag, id, bodies)
		}
	}
	if again > kills {
		t.Errorf("seed %d: %d were sent again by %d kills", *seedFlag, again, kills)
	}
	t.Logf("seed %d: %d told, %d of them again", *seedFlag, len(r.came), again)
}

// makeNews commits orders that are paid, and one that was queued and is refused, and returns the ids of what is to be told.
func makeNews(t *testing.T, conn *pgx.Conn, round int) (ids []string) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `insert into orders (customer_id, store_id, currency, total)
		select (select min(id) from customers), (select min(id) from stores), 'EUR', n from generate_series(1, 10) n returning id`)
	if err != nil {
		t.Fatal(err)
	}
	orders, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `update orders set status = 'paid' where id = any($1)`, orders); err != nil {
		t.Fatal(err)
	}
	var queued string
	err = conn.QueryRow(t.Context(), `insert into queued_orders (id, customer_id, state, problem, accepted_at)
		select md5($1), min(id), 'refused', '{"detail":"The price has changed."}', now() from customers returning id`, fmt.Sprint(round)).Scan(&queued)
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range orders {
		ids = append(ids, fmt.Sprintf("order:%d:placed", order), fmt.Sprintf("order:%d:paid", order))
	}
	return append(ids, "queued:"+queued)
}

// mustPass waits until the stage has read all that is committed now.
func (s *shop) mustPass(ctx context.Context, stage string) {
	s.t.Helper()
	if err := s.tracker.Wait(ctx, s.position(ctx), stage); err != nil {
		s.t.Fatalf("seed %d: %s: %v", *seedFlag, stage, err)
	}
}

package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/notify"
)

// arrivals are what came by one way, by what a receiver knows it by.
type arrivals map[string][]string

// lacks says what of the ids has not come.
func (a arrivals) lacks(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return len(a[id]) > 0 })
}

// mustBe wants each of the ids and nothing else, and what came again to be the same. It returns how many came again.
func (a arrivals) mustBe(t *testing.T, ids []string) (again int) {
	t.Helper()
	for id, bodies := range a {
		again += len(bodies) - 1
		if !slices.Contains(ids, id) {
			t.Errorf("seed %d: told what is no news: %s", *seedFlag, bodies[0])
		}
		if len(slices.Compact(bodies)) > 1 {
			t.Errorf("seed %d: %s was told in two ways: %q", *seedFlag, id, bodies)
		}
	}
	if missing := a.lacks(ids); len(missing) > 0 {
		t.Errorf("seed %d: not told: %v", *seedFlag, missing)
	}
	return again
}

// receiver is where webhooks are posted to. It keeps what came.
type receiver struct {
	mu   sync.Mutex
	came arrivals
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

func (r *receiver) arrived() arrivals {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.came)
}

// mailArrived are the letters that came, by their Message-ID.
func mailArrived(t *testing.T, m *stacktest.MailServer) arrivals {
	t.Helper()
	came := arrivals{}
	for _, l := range m.Letters() {
		msg, err := netmail.ReadMessage(strings.NewReader(l.Body))
		if err != nil {
			t.Fatalf("%v:\n%s", err, l.Body)
		}
		id := msg.Header.Get("Message-Id")
		came[id] = append(came[id], l.Body)
	}
	return came
}

// messageIDs are what the e-mails about the ids are known by.
func messageIDs(ids []string) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = "<" + strings.ReplaceAll(id, ":", ".") + "@example.org>"
	}
	return all
}

// posted configures both ways to tell, and returns where what is told arrives.
func (s *shop) posted() (*receiver, *stacktest.MailServer) {
	s.t.Helper()
	r, m := &receiver{came: arrivals{}}, stacktest.Mail(s.t)
	server := httptest.NewServer(r)
	s.t.Cleanup(server.Close)
	s.env = append(s.env, "FRESHET_NOTIFY_WEBHOOK="+server.URL, "FRESHET_NOTIFY_SECRET=a-secret-for-the-tests",
		"FRESHET_NOTIFY_SMTP=smtp+plain://"+m.Addr(), "FRESHET_NOTIFY_FROM=Shop <shop@example.org>")
	return r, m
}

// TestEachNotificationIsSentOnceAcrossKills kills the process that notifies, again and again, at its worst moments: after it has
// written down what to tell and before it notes that it has read it, so that all of it is delivered again; when the mail
// server has taken a letter and not said so yet; and when it has told. Everything arrives. A letter that was taken in the
// moment of a kill comes again, since SMTP has no way to ask, and is the same to the byte, its Message-ID with it.
func TestEachNotificationIsSentOnceAcrossKills(t *testing.T) {
	const rounds = 3
	ctx := deadline(t, 10*time.Minute)
	s := newShop(t, 1, 5, *seedFlag)
	r, m := s.posted()
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
		s.killAtALetter(ctx, told, m)
		told.start()
		s.eventually(ctx, fmt.Sprintf("round %d: all is told", round), func() bool {
			return len(r.arrived().lacks(news)) == 0 && len(mailArrived(t, m).lacks(messageIDs(news))) == 0
		})
	}
	s.mustPass(ctx, "notify")
	// What is sent when a kill comes is one letter or one webhook. A round has three, of which one met a letter.
	hooks, letters := r.arrived().mustBe(t, news), mailArrived(t, m).mustBe(t, messageIDs(news))
	if letters < rounds || hooks+letters > 3*rounds {
		t.Errorf("seed %d: by %d kills %d letters and %d webhooks were sent again", *seedFlag, 3*rounds, letters, hooks)
	}
	t.Logf("seed %d: %d told by both ways, %d letters and %d webhooks of them again", *seedFlag, len(news), letters, hooks)
}

// killAtALetter starts the process that notifies and kills it when the mail server has kept a letter, before it is told so.
// Then the lease of what it had in hand is ended, for which another would wait a minute.
func (s *shop) killAtALetter(ctx context.Context, told *process, m *stacktest.MailServer) {
	s.t.Helper()
	var once sync.Once
	killed := make(chan struct{})
	m.OnTaken(func(stacktest.Letter) {
		once.Do(func() {
			told.kill()
			close(killed)
		})
	})
	told.start()
	select {
	case <-killed:
		m.OnTaken(nil)
	case <-ctx.Done():
		s.t.Fatalf("seed %d: no letter was sent:\n%s", *seedFlag, told.tail(15))
	}
	due := bson.M{"due": bson.M{"$gt": 0}}
	s.eventually(ctx, "MongoDB ends the leases", func() bool {
		_, err := s.db.Collection(notify.CollectionName).UpdateMany(ctx, due, bson.M{"$set": bson.M{"due": 1}})
		return err == nil // a connection that was idle may have ended
	})
}

// eventually waits until something holds.
func (s *shop) eventually(ctx context.Context, what string, holds func() bool) {
	s.t.Helper()
	for !holds() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("seed %d: never came to pass: %s", *seedFlag, what)
		case <-time.After(20 * time.Millisecond): // between two looks
		}
	}
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

// mustPass waits until the stages have read all that is committed now.
func (s *shop) mustPass(ctx context.Context, stages ...string) {
	s.t.Helper()
	if err := s.tracker.Wait(ctx, s.position(ctx), stages...); err != nil {
		s.t.Fatalf("seed %d: %v: %v", *seedFlag, stages, err)
	}
}

package queue_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"freshet/api"
	"freshet/api/apitest"
	"freshet/api/auth"
	"freshet/api/queue"
	"freshet/api/write"
	"freshet/api/write/payment"
	"freshet/deploy/postgres"
	"freshet/deploy/stack/stacktest"
)

const token = "a-token-for-the-tests"

// fixture is a store with one SKU: ten boots at 15.00.
const fixture = `
insert into category_trees (code, name) values ('fashion', 'Fashion');
insert into stores (code, name, market, currency, languages, tree_id) values ('milano', 'Milano', 'it', 'EUR', '{it}', 1);
insert into sellers (name, slug) values ('Calzaturificio', 'calzaturificio');
insert into customers (email) values ('anna@example.org'), ('bruno@example.org');
insert into products (seller_id, type, status) values (1, 'boot', 'active');
insert into variants (sku, product_id) values ('A-1', 1);
insert into offers (store_id, product_id) values (1, 1);
insert into prices (store_id, sku, product_id, amount) values (1, 'A-1', 1, 1500);
insert into inventory (store_id, sku, product_id, on_hand) values (1, 'A-1', 1, 10);
insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-1', 1, 'receipt', 10, 'seed');
`

// asleep is a payment provider that is never asked, since nothing here runs what would ask it.
type asleep struct{}

func (asleep) Name() string { return "asleep" }
func (asleep) Do(context.Context, payment.Kind, payment.Task) (payment.Answer, error) {
	return payment.Answer{}, errors.New("asleep")
}

// shop is a write server with its queue, on a Postgres that the test may stop.
type shop struct {
	t        *testing.T
	postgres *stacktest.Server
	pool     *pgxpool.Pool
	server   *api.Server
	issuer   *auth.Issuer
	brokers  []string
	prefix   string
	queue    *queue.Queue
	registry *prometheus.Registry // of the process that runs now
	shop     *write.Shop
	stop     func()
	asked    *asked
	placed   func() // before an order is placed
}

// asked is a queue that does something before it is asked.
type asked struct {
	*queue.Queue
	before func()
}

func (a *asked) Find(id string) (write.Queued, bool) {
	a.before()
	return a.Queue.Find(id)
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, placed: func() {}}
	s.brokers, s.prefix = stacktest.Kafka(t)
	s.postgres = stacktest.PostgresServer(t, 15)
	_, url := s.postgres.Database(t)
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.pool, err = pgxpool.New(context.Background(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pool.Close)
	s.exec(fixture)
	s.open()
	return s
}

// open starts the server and its queue, as a process does.
func (s *shop) open() {
	s.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(s.t.Output(), nil))
	}
	var err error
	if s.queue, err = queue.New(queue.Config{Brokers: s.brokers, Prefix: s.prefix, Log: log, Metrics: s.metrics()}); err != nil {
		s.t.Fatal(err)
	}
	s.asked = &asked{Queue: s.queue, before: func() {}}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.issuer, err = auth.NewIssuer("test", private, time.Hour); err != nil {
		s.t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(map[string]ed25519.PublicKey{"test": public})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.shop, err = write.New(write.Config{
		Pool: s.pool, Verifier: verifier, Issuer: s.issuer, Queue: s.asked, Provider: asleep{}, Secrets: []string{token}, Log: log,
	}); err != nil {
		s.t.Fatal(err)
	}
	if s.server, err = api.New(api.Config{Name: "write", Token: token, Timeout: 60 * time.Second, Log: log}, s.shop.Ready); err != nil {
		s.t.Fatal(err)
	}
	if err := s.shop.Register(s.server); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	q, shop := s.queue, s.shop
	place := func(ctx context.Context, order write.Queued, try int) error {
		s.placed()
		return shop.PlaceQueued(ctx, order, try)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.Run(ctx, place); err != nil {
			s.t.Error(err)
		}
	})
	s.stop = sync.OnceFunc(func() { cancel(); wg.Wait(); q.Close() })
	s.t.Cleanup(s.stop)
	s.until("the queue takes orders", func() bool { return s.queue.Ready(s.t.Context()) == nil })
}

func (s *shop) metrics() prometheus.Registerer {
	s.registry = prometheus.NewRegistry()
	return s.registry
}

// figure reads a metric of the queue.
func (s *shop) figure(name string) float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "freshet_queue_"+name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue() // it is one of them
		}
	}
	s.t.Fatalf("there is no metric freshet_queue_%s", name)
	return 0
}

func (s *shop) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) number(query string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// until waits for what others are to bring about.
func (s *shop) until(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("it never came to pass that %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (s *shop) request(method, path, body string, header ...string) reply {
	s.t.Helper()
	req := httptest.NewRequest(method, path, bytes.NewReader([]byte(body)))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.server.App().Test(req, -1)
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := apitest.Check("write", req, resp, []byte(body), got); err != nil {
		s.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, got}
}

func orderOf(quantity int) string {
	return fmt.Sprintf(`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":%d}]}`, quantity)
}

// order orders units under a key, and wants the status.
func (s *shop) order(key string, quantity, status int) reply {
	s.t.Helper()
	r := s.request("POST", "/api/v1/orders", orderOf(quantity), "Idempotency-Key", key)
	if r.status != status {
		s.t.Fatalf("order %s: status %d, want %d: %s", key, r.status, status, r.body)
	}
	return r
}

// queued asks what became of an order, as one of the shop's systems.
func (s *shop) queued(path string) (q write.QueuedOrder) {
	s.t.Helper()
	r := s.request("GET", path, "")
	if r.status != 200 {
		s.t.Fatalf("%s: status %d: %s", path, r.status, r.body)
	}
	if err := json.Unmarshal(r.body, &q); err != nil {
		s.t.Fatal(err)
	}
	return q
}

func (s *shop) settled(path string) (q write.QueuedOrder) {
	s.t.Helper()
	s.until(path+" is decided", func() bool { q = s.queued(path); return q.State != "queued" })
	return q
}

// TestOrdersWhilePostgresIsAway stops Postgres under the shop, orders, and starts it again with another stock: it is the
// drill of docs/guides/postgres-down.md.
func TestOrdersWhilePostgresIsAway(t *testing.T) {
	s := newShop(t)
	before := s.order("before", 1, 201)
	s.postgres.Stop()
	var paths []string
	for i := range 5 {
		r := s.order(fmt.Sprint("away-", i), 2, 202)
		paths = append(paths, r.header.Get("Location"))
		if q := s.queued(paths[i]); q.State != "queued" || r.header.Get("Freshet-Position") != "" {
			t.Errorf("while Postgres is away: %+v", q)
		}
	}
	// The same request is taken once, another under its key isn't, and what was placed before is known again later.
	if r := s.order("away-0", 2, 202); r.header.Get("Idempotent-Replayed") != "true" || r.header.Get("Location") != paths[0] {
		t.Errorf("sent again: %v", r.header)
	}
	s.order("away-0", 1, 422)
	again := s.order("before", 1, 202).header.Get("Location")
	if n := s.figure("waiting_orders"); n != 6 {
		t.Errorf("by the metrics %v orders wait", n)
	}
	s.until("the oldest has waited and was tried", func() bool { return s.figure("oldest_seconds") > 0 && s.figure("retries_total") > 0 })
	s.foreign(paths[0])
	if r := s.request("GET", "/readyz", ""); r.status != 200 {
		t.Errorf("a server that takes orders isn't ready: %s", r.body)
	}
	if r := s.request("GET", "/api/v1/orders/1?customer_id=1", ""); r.status != 503 {
		t.Errorf("an order is read from nowhere: %d", r.status)
	}
	s.postgres.Start()
	s.settled(again)
	s.until("no order waits", func() bool { return s.figure("waiting_orders") == 0 && s.figure("settled_total") == 6 })
	if age := s.figure("oldest_seconds"); age != 0 {
		t.Errorf("none waits, and the oldest does for %vs", age)
	}
	s.wantOrder(before, again)
	s.wantOutcome(paths)
}

// foreign asks for a queued order as another customer, and for none.
func (s *shop) foreign(path string) {
	s.t.Helper()
	for account, want := range map[string]int{"1": 200, "2": 404} {
		signed, err := s.issuer.Issue(auth.Claims{Subject: account, Role: auth.Customer})
		if err != nil {
			s.t.Fatal(err)
		}
		if r := s.request("GET", path, "", "Authorization", "Bearer "+signed); r.status != want {
			s.t.Errorf("%s as customer %s: %d, want %d", path, account, r.status, want)
		}
	}
}

// wantOrder wants the queued order to be the one that was placed before Postgres went.
func (s *shop) wantOrder(before reply, path string) {
	s.t.Helper()
	var o write.Order
	if err := json.Unmarshal(before.body, &o); err != nil {
		s.t.Fatal(err)
	}
	if q := s.queued(path); q.State != "placed" || *q.Order != o.ID {
		s.t.Errorf("the order of before is %+v, want %d", q, o.ID)
	}
}

// wantOutcome wants the first four to have got the stock, nine boots and two each, in their order.
func (s *shop) wantOutcome(paths []string) {
	s.t.Helper()
	last := int64(0)
	for i, path := range paths {
		q := s.settled(path)
		switch {
		case i < 4 && (q.State != "placed" || *q.Order <= last):
			s.t.Errorf("order %d is %+v, after order %d", i, q, last)
		case i < 4:
			last = *q.Order
		case q.State != "refused" || !strings.Contains(string(q.Problem), "out-of-stock"):
			s.t.Errorf("the order there was no stock for is %+v %s", q, q.Problem)
		}
	}
	if n := s.number(`select count(*) * 100 + sum((select sum(quantity) from order_items i where i.order_id = o.id)) from orders o`); n != 509 {
		s.t.Errorf("orders and units are %d, want 5 and 9", n)
	}
	if n := s.number(`select count(*) from queued_orders where reason = 'stock'`); n != 1 {
		s.t.Errorf("%d orders were refused for want of stock, want 1", n)
	}
	if n := s.number(`select on_hand from inventory`); n != 1 {
		s.t.Errorf("%d on hand, want 1", n)
	}
	s.order("after", 1, 201)
}

// TestAPriceThatChanged tells the customer of a checkout what they no longer pay.
func TestAPriceThatChanged(t *testing.T) {
	s := newShop(t)
	s.postgres.Stop()
	first := s.order("a", 1, 202).header.Get("Location")
	s.postgres.Start()
	s.settled(first)
	// It is the same decision as at once, made later.
	q := write.Queued{ID: strings.Repeat("a", 32), Route: "checkout", Customer: 1, Key: "k", Accepted: time.Now(), Request: json.RawMessage(
		`{"store":"milano","version":0,"total":100,"shipping":"standard","method":"succeed","address":{"name":"A","line1":"B","city":"C","postcode":"1","country":"IT"}}`)}
	s.exec(`insert into carts (customer_id, store_id, version) values (1, 1, 0)`)
	s.exec(`insert into cart_items (cart_id, sku, quantity, unit_amount) select id, 'A-1', 1, 100 from carts`)
	if err := s.shop.PlaceQueued(t.Context(), q, 1); err != nil {
		t.Fatal(err)
	}
	got := s.queued("/api/v1/queued/" + q.ID)
	if got.State != "refused" || !strings.Contains(string(got.Problem), "a price has changed") {
		t.Errorf("the checkout is %+v %s", got, got.Problem)
	}
	old := q
	old.ID, old.Key, old.Accepted = strings.Repeat("b", 32), "old", time.Now().Add(-24*time.Hour)
	bad := q
	bad.ID, bad.Request = strings.Repeat("c", 32), json.RawMessage(`"nonsense"`)
	odd := q
	odd.ID, odd.Route = strings.Repeat("d", 32), "elsewhere"
	dear := q
	dear.ID, dear.Route, dear.Request = strings.Repeat("e", 32), "orders", json.RawMessage(
		`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":1,"expected_amount":100}]}`)
	for _, q := range []write.Queued{old, bad, odd, dear} {
		if err := s.shop.PlaceQueued(t.Context(), q, 1); err != nil || s.queued("/api/v1/queued/"+q.ID).State != "refused" {
			t.Errorf("%s is not refused: %v", q.ID, err)
		}
	}
	// The word that the customer's mail goes by.
	for id, reason := range map[string]string{q.ID: "price", old.ID: "late", bad.ID: "other", odd.ID: "other", dear.ID: "price"} {
		if n := s.number(`select count(*) from queued_orders where id = $1 and reason = $2`, id, reason); n != 1 {
			t.Errorf("%s isn't refused for %s", id, reason)
		}
	}
}

// TestPlacersThatBeginAgain has several processes read the topic from its start: each order is placed once.
func TestPlacersThatBeginAgain(t *testing.T) {
	s := newShop(t)
	s.postgres.Stop()
	paths := []string{s.order("a", 1, 202).header.Get("Location"), s.order("b", 1, 202).header.Get("Location")}
	s.stop()
	s.open() // as after a crash of the process: it knows what waits
	if q := s.queued(paths[1]); q.State != "queued" {
		t.Errorf("after a restart: %+v", q)
	}
	first := s.stop
	s.open()
	s.postgres.Start()
	for _, path := range paths {
		if q := s.settled(path); q.State != "placed" {
			t.Errorf("%+v %s", q, q.Problem)
		}
	}
	first()
	s.stop()
	s.open()
	s.until("everything is decided", func() bool { return !s.queue.Waiting() })
	if n := s.number(`select count(*) from orders`); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
}

// TestAnOrderThatIsDecidedMeanwhileIsThere: who asks for it while it is placed is told that it waits, or what became of it.
func TestAnOrderThatIsDecidedMeanwhileIsThere(t *testing.T) {
	s := newShop(t)
	s.postgres.Stop()
	path := s.order("a", 1, 202).header.Get("Location")
	s.stop() // nobody places it
	gate := make(chan struct{})
	s.placed = func() { <-gate }
	s.open()
	s.postgres.Start()
	if q := s.queued(path); q.State != "queued" {
		t.Errorf("nobody has placed it: %+v", q)
	}
	s.asked.before = sync.OnceFunc(func() {
		close(gate)
		s.until("it is decided", func() bool { return !s.queue.Waiting() })
	})
	if q := s.queued(path); q.State != "placed" {
		t.Errorf("placed while it was asked for: %+v", q)
	}
}

// TestASlowPostgresIsNotAway: who waits for a lock goes on waiting, and by no other way.
func TestASlowPostgresIsNotAway(t *testing.T) {
	s := newShop(t)
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `select 1 from inventory for update`); err != nil {
		t.Fatal(err)
	}
	var release sync.WaitGroup
	release.Go(func() {
		// By then somebody has looked whether Postgres is there.
		const waited = `select exists (select from pg_stat_activity where wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '4 seconds')`
		var long bool
		for deadline := time.Now().Add(time.Minute); !long; time.Sleep(50 * time.Millisecond) {
			err := s.pool.QueryRow(t.Context(), waited).Scan(&long)
			if err != nil || time.Now().After(deadline) {
				t.Errorf("nobody waits for the lock: %v", err)
				break
			}
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	})
	s.order("slow", 1, 201)
	release.Wait()
	if n := s.number(`select count(*) from queued_orders`); n != 0 || s.queue.Waiting() {
		t.Errorf("%d orders were queued beside a Postgres that answers", n)
	}
}

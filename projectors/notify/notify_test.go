package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/document"
	"freshet/projectors/notify"
)

// noon is when the rows of the tests were committed.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func database(t *testing.T) *mongo.Database {
	t.Helper()
	db := stacktest.MongoDatabase(t)
	if err := notify.EnsureIndexes(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return db
}

// record is a row as ingest publishes it; op is c, u, d or r.
func record(table, op string, commit int, row string) projectors.Record {
	return projectors.Record{
		Topic: "test.public." + table, Key: []byte("{}"),
		Value: fmt.Appendf(nil, `{"before":null,"after":%s,"op":%q,"source":{"schema":"public","table":%q,"ts_us":%d}}`, row, op, table, noon.UnixMicro()),
		Headers: []change.Header{
			{Key: change.HeaderCommitLSN, Value: fmt.Appendf(nil, "0/%X", commit)}, {Key: change.HeaderTxIndex, Value: []byte("1")},
		},
	}
}

func orderRow(id int, status string) string {
	return fmt.Sprintf(`{"id":%d,"customer_id":5,"store_id":1,"status":%q,"currency":"EUR","total":12950}`, id, status)
}

func alertRecord(kind string) projectors.Record {
	return projectors.Record{Topic: "test.alerts", Value: fmt.Appendf(nil,
		`{"id":"1:A-1:0/A","kind":%q,"seller":7,"store":1,"product":9,"sku":"A-1","available":3,"at":%d}`, kind, noon.UnixMicro())}
}

// way is a channel that keeps what it was sent, and fails as it is told.
type way struct {
	mu   sync.Mutex
	sent []notify.Event
	err  error
	hook func()
}

func (w *way) Send(_ context.Context, e notify.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hook != nil {
		w.hook()
	}
	if w.err != nil {
		return w.err
	}
	w.sent = append(w.sent, e)
	return nil
}

func (w *way) ids() string {
	var ids []string
	for _, e := range w.sent {
		ids = append(ids, e.ID)
	}
	return strings.Join(ids, " ")
}

func sender(db *mongo.Database, ways notify.Ways) *notify.Sender {
	cfg := notify.ProjectorConfig{Prefix: "test"}
	for name := range ways {
		cfg.Channels = append(cfg.Channels, name)
	}
	metrics, err := notify.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		panic(err) // the registry is new
	}
	s := notify.NewSender(db, document.Config{}, cfg, ways, metrics, slog.New(slog.DiscardHandler))
	s.At(noon.Add(time.Second))
	return s
}

func handle(t *testing.T, s *notify.Sender, records ...projectors.Record) {
	t.Helper()
	if err := s.Handle(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, s *notify.Sender, want int) {
	t.Helper()
	if n, err := s.SendDue(t.Context()); err != nil || n != want {
		t.Fatalf("%d were due, %v; want %d", n, err, want)
	}
}

// TestEachThingIsToldOnce delivers the life of an order and an alert, all of it three times and in two orders.
func TestEachThingIsToldOnce(t *testing.T) {
	w := &way{}
	s := sender(database(t), notify.Ways{"mail": w})
	life := []projectors.Record{
		record("orders", "c", 1, orderRow(12, "placed")), record("orders", "u", 2, orderRow(12, "paid")), record("orders", "u", 3, orderRow(12, "paid")),
		record("shipments", "c", 4, `{"id":3,"order_id":12,"carrier":"rapido","tracking":"IT1","status":"created"}`),
		record("shipments", "u", 5, `{"id":3,"order_id":12,"carrier":"rapido","tracking":"IT1","status":"delivered"}`),
		record("orders", "u", 6, orderRow(12, "delivered")),
		record("refunds", "c", 7, `{"id":8,"order_id":12,"payment_id":1,"amount":990,"state":"pending"}`),
		record("refunds", "u", 8, `{"id":8,"order_id":12,"payment_id":1,"amount":990,"state":"done"}`),
		record("orders", "c", 9, orderRow(13, "placed")), record("orders", "u", 10, orderRow(13, "cancelled")), record("orders", "d", 11, "null"),
		alertRecord("low_stock"),
		record("queued_orders", "c", 12, `{"id":"a1","customer_id":5,"state":"refused","reason":"price"}`),
		record("queued_orders", "c", 13, `{"id":"b2","customer_id":5,"state":"placed"}`),
		record("queued_orders", "d", 14, "null"),
	}
	life[14].Value = []byte(`{"before":{"id":"a1"},"after":null,"op":"d","source":{"schema":"public","table":"queued_orders","ts_us":1}}`)
	life[10].Value = []byte(`{"before":{"id":13},"after":null,"op":"d","source":{"schema":"public","table":"orders","ts_us":1}}`)
	for _, r := range life {
		handle(t, s, r)
	}
	send(t, s, 8)
	handle(t, s, life...)
	for i := range life {
		handle(t, s, life[len(life)-1-i])
	}
	send(t, s, 0)
	told := " " + w.ids() + " "
	for _, id := range []string{"order:12:placed", "order:12:paid", "shipment:3", "refund:8", "order:13:placed", "order:13:cancelled", "alert:1:A-1:0/A", "queued:a1"} {
		if strings.Count(told, " "+id+" ") != 1 {
			t.Errorf("%s was not told once: %s", id, told)
		}
	}
	if len(w.sent) != 8 || w.sent[7].Reason != "price" {
		t.Errorf("told %s: %+v", told, w.sent)
	}
}

// TestHistoryIsNotTold: rows of a snapshot, and what happened long ago, are known from then on.
func TestHistoryIsNotTold(t *testing.T) {
	w := &way{}
	s := sender(database(t), notify.Ways{"mail": w})
	handle(t, s, record("orders", "r", 1, orderRow(1, "paid")))
	s.At(noon.Add(25 * time.Hour))
	handle(t, s, record("orders", "c", 2, orderRow(2, "placed")))
	s.At(noon)
	handle(t, s, record("orders", "u", 3, orderRow(1, "paid")), record("orders", "u", 4, orderRow(2, "placed")))
	send(t, s, 0)
	n, err := s.Load(t.Context(), "order:1:paid/mail")
	if err != nil || n.State != notify.Skipped || n.Error == "" {
		t.Errorf("the paid order of the snapshot is %+v, %v", n, err)
	}
}

// TestWhatFailsComesAgain until it is sent, refused, or given up.
func TestWhatFailsComesAgain(t *testing.T) {
	w := &way{err: errors.New("down")}
	s := sender(database(t), notify.Ways{"webhook": w})
	handle(t, s, record("orders", "c", 1, orderRow(1, "placed")), record("orders", "c", 2, orderRow(2, "placed")))
	send(t, s, 2)
	send(t, s, 0)
	s.At(noon.Add(time.Minute))
	wantWaiting(t, s, 2, 60)
	w.err = nil
	send(t, s, 2)
	wantWaiting(t, s, 0, 0)
	n, err := s.Load(t.Context(), "order:1:placed/webhook")
	if err != nil || n.State != notify.Sent || n.Attempts != 2 || n.Error != "" || w.ids() != "order:1:placed order:2:placed" {
		t.Errorf("sent at the second attempt: %+v, %v; told %s", n, err, w.ids())
	}
	for i, tt := range []struct {
		err   error
		state notify.State
	}{{notify.ErrNobody, notify.Skipped}, {notify.ErrRefused, notify.Failed}} {
		w.err = fmt.Errorf("told: %w", tt.err)
		handle(t, s, record("orders", "c", 3+i, orderRow(3+i, "placed")))
		send(t, s, 1)
		n, err := s.Load(t.Context(), fmt.Sprintf("order:%d:placed/webhook", 3+i))
		if err != nil || n.State != tt.state || n.Due != 0 {
			t.Errorf("%v made it %+v, %v", tt.err, n, err)
		}
	}
	w.err = errors.New("down for good")
	handle(t, s, record("orders", "c", 9, orderRow(9, "placed")))
	tries := 0
	for day := noon.Add(time.Hour); day.Before(noon.Add(240 * time.Hour)); day = day.Add(3 * time.Hour) {
		s.At(day)
		n, err := s.SendDue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tries += n
	}
	if n, err := s.Load(t.Context(), "order:9:placed/webhook"); err != nil || n.State != notify.Failed || tries != 20 {
		t.Errorf("after %d tries: %+v, %v", tries, n, err)
	}
	// Two orders came again once and were sent; one had nobody, one was refused, and one was tried twenty times in vain.
	for outcome, want := range map[string]float64{"sent": 2, "retried": 2 + 19, "skipped": 1, "failed": 1 + 1} {
		if got := s.Attempts("webhook", outcome); got != want {
			t.Errorf("by the metrics %v attempts were %s, want %v", got, outcome, want)
		}
	}
}

func wantWaiting(t *testing.T, s *notify.Sender, n, age float64) {
	t.Helper()
	if waiting, oldest, err := s.Look(t.Context()); err != nil || waiting != n || oldest != age {
		t.Errorf("by the metrics %v wait, the oldest for %vs, %v; want %v, %vs", waiting, oldest, err, n, age)
	}
}

// TestTwoSendersTakeTurns lets two look at once: each notification goes out once.
func TestTwoSendersTakeTurns(t *testing.T) {
	db, w := database(t), &way{}
	one, two := sender(db, notify.Ways{"mail": w}), sender(db, notify.Ways{"mail": w})
	for i := range 30 {
		handle(t, one, record("orders", "c", i+1, orderRow(i+1, "placed")))
	}
	var wg sync.WaitGroup
	for _, s := range []*notify.Sender{one, two} {
		wg.Go(func() {
			if _, err := s.SendDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(w.sent) != 30 {
		t.Errorf("%d were sent, want 30", len(w.sent))
	}
}

// TestACrashAfterSending is a process that dies before it notes what it sent: it is told again, and known by its id.
func TestACrashAfterSending(t *testing.T) {
	db, w := database(t), &way{}
	s := sender(db, notify.Ways{"mail": w})
	handle(t, s, record("orders", "c", 1, orderRow(1, "placed")))
	w.hook = func() {
		w.sent = append(w.sent, notify.Event{ID: "order:1:placed"})
		panic("killed")
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = s.SendDue(t.Context()) // it panics
	}()
	w.hook = nil
	next := sender(db, notify.Ways{"mail": w})
	send(t, next, 0) // the lease of the dead one
	next.At(noon.Add(5 * time.Minute))
	send(t, next, 1)
	if w.ids() != "order:1:placed order:1:placed" {
		t.Errorf("told %s", w.ids())
	}
}

func TestBadRecordsArePoison(t *testing.T) {
	s := sender(database(t), notify.Ways{"mail": &way{}})
	bad := []projectors.Record{
		record("orders", "c", 1, `{"status":"paid"}`),
		record("prices", "c", 1, `{"id":1}`),
		record("queued_orders", "c", 1, `{"state":"refused"}`),
		{Topic: "test.alerts", Value: []byte("nonsense")},
		alertRecord("mood"),
	}
	for _, r := range bad {
		if poison, ok := projectors.AsPoison(s.Handle(t.Context(), []projectors.Record{r})); !ok || len(poison.Records) != 1 {
			t.Errorf("%s is no poison: %v", r.Value, poison)
		}
	}
}

// TestTextsOfEveryKindInEveryLanguage renders all of them; none may be in another language's words by accident.
func TestTextsOfEveryKindInEveryLanguage(t *testing.T) {
	for _, kind := range notify.Kinds() {
		seen := map[string]string{}
		for _, lang := range []string{"it", "fr", "de", "es", "en"} {
			e := notify.Event{ID: "x", Kind: kind, Order: 4711, Amount: 12905, Currency: "EUR", Queued: "c0ffee", Carrier: "rapido", Tracking: "IT99", SKU: "A-1", Available: 3}
			subject, body, err := notify.Render(e, notify.Recipient{Lang: lang, Store: "Milano"})
			if err != nil || subject == "" || len(body) < 20 || strings.Contains(subject, "\n") {
				t.Errorf("%s in %s: %q %q %v", kind, lang, subject, body, err)
			}
			if other := seen[subject+body]; other != "" {
				t.Errorf("%s is the same in %s and %s", kind, lang, other)
			}
			seen[subject+body] = lang
			names := "4711"
			if strings.Contains(string(kind), "stock") {
				names = "A-1"
			}
			if kind == notify.OrderRefused {
				subject, names = body, "c0ffee" // it never got a number, and its id is no subject
			}
			if !strings.Contains(subject, names) {
				t.Errorf("%s in %s doesn't say what of: %q", kind, lang, subject)
			}
		}
	}
	_, body, err := notify.Render(notify.Event{Kind: notify.OrderRefunded, Amount: 5}, notify.Recipient{Lang: "xx", Currency: "JPY"})
	if err != nil || !strings.Contains(body, "5 JPY") {
		t.Errorf("an unknown language, a currency without decimals: %q %v", body, err)
	}
	if _, body, err = notify.Render(notify.Event{Kind: notify.OrderRefunded, Amount: 5}, notify.Recipient{Lang: "en", Currency: "EUR", Decimals: 2}); err != nil || !strings.Contains(body, "0.05 EUR") {
		t.Errorf("five cents: %q %v", body, err)
	}
}

// TestARefusalSaysWhy, for each reason in words of its own, and for one that it doesn't know in words for all.
func TestARefusalSaysWhy(t *testing.T) {
	for _, lang := range []string{"it", "fr", "de", "es", "en"} {
		seen := map[string]string{}
		for _, reason := range []string{"stock", "price", "cart", "late", "other"} {
			_, body, err := notify.Render(notify.Event{ID: "x", Kind: notify.OrderRefused, Queued: "c0ffee", Reason: reason}, notify.Recipient{Lang: lang})
			if err != nil || seen[body] != "" {
				t.Errorf("%s in %s says the same as %q: %q %v", reason, lang, seen[body], body, err)
			}
			seen[body] = reason
		}
		_, none, err := notify.Render(notify.Event{ID: "x", Kind: notify.OrderRefused, Queued: "c0ffee"}, notify.Recipient{Lang: lang})
		if err != nil || seen[none] != "other" {
			t.Errorf("without a reason, in %s: %q %v", lang, none, err)
		}
	}
}

// TestTheEventHoldsNoPerson: what is posted to others names numbers alone.
func TestTheEventHoldsNoPerson(t *testing.T) {
	db, w := database(t), &way{}
	s := sender(db, notify.Ways{"webhook": w})
	handle(t, s, record("orders", "c", 1, `{"id":1,"customer_id":5,"status":"placed","currency":"EUR","total":1,"email":"anna@example.org"}`))
	send(t, s, 1)
	body, err := json.Marshal(w.sent[0])
	if err != nil || strings.Contains(string(body), "anna") || strings.Contains(string(body), "customer") {
		t.Errorf("%s %v", body, err)
	}
}

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"freshet/projectors/notify"
)

// notifyPoints begin the names of the failpoints of notify, which doesn't run where nothing is configured.
const notifyPoints = "notify-"

const hookSecret = "a-secret-for-the-tests"

// mailbox is a webhook's other side: it counts how often it was told each thing.
type mailbox struct {
	mu   sync.Mutex
	told map[string]int
	bad  []string
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	at, atErr := strconv.ParseInt(r.Header.Get(notify.HeaderTime), 10, 64)
	var e notify.Event
	if err != nil || atErr != nil || json.Unmarshal(body, &e) != nil || r.Header.Get(notify.HeaderSignature) != notify.Sign(hookSecret, at, body) {
		m.bad = append(m.bad, string(body))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m.told[e.ID]++
}

func (m *mailbox) count(id string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told[id]
}

// repeated is how much was told more than once.
func (m *mailbox) repeated() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, times := range m.told {
		n += times - 1
	}
	return n
}

// TestNotificationsAcrossCrashes writes orders with SQL alone and kills notify at each of its worst moments: everything
// that was committed is told, and told again only where a crash came between sending and noting it.
func TestNotificationsAcrossCrashes(t *testing.T) {
	ctx := deadline(t, 8*time.Minute)
	s := newShop(t, 1, 30, 6)
	box := &mailbox{told: map[string]int{}}
	server := httptest.NewServer(box)
	t.Cleanup(server.Close)
	teller := s.process("notify", "project", notify.StageName)
	teller.env = append(slices.Clone(teller.env), "FRESHET_NOTIFY_WEBHOOK="+server.URL, "FRESHET_NOTIFY_SECRET="+hookSecret)
	s.ingest.start()
	s.fold.start()
	s.follow(ctx)
	id, want := int64(1_000_000), []string{}
	for _, point := range failpoints(t) {
		if !strings.HasPrefix(point, notifyPoints) {
			continue
		}
		teller.start("FRESHET_TEST_FAILPOINT=" + point)
		for range 5 {
			id++
			s.sold(ctx, id)
			want = append(want, fmt.Sprintf("order:%d:placed", id), fmt.Sprintf("order:%d:paid", id), fmt.Sprintf("shipment:%d", id))
		}
		s.mustDie(ctx, teller, point)
	}
	teller.start()
	for _, id := range want {
		for box.count(id) == 0 {
			if ctx.Err() != nil {
				t.Fatalf("%s was never told:\n%s", id, teller.tail(5))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	if box.repeated() > 1 || len(box.bad) > 0 {
		t.Errorf("%d were told again after one crash that may; badly signed: %v", box.repeated(), box.bad)
	}
	if told := len(box.told); told < len(want) {
		t.Errorf("%d things were told, want %d", told, len(want))
	}
	for told := range box.told {
		var order int64
		if n, _ := fmt.Sscanf(told, "order:%d:", &order); n == 1 && order < 1_000_000 {
			t.Errorf("history was told: %s", told)
		}
	}
}

// sold writes an order, its payment's end and its parcel, each in a transaction of its own.
func (s *shop) sold(ctx context.Context, id int64) {
	s.t.Helper()
	for _, sql := range []string{
		`insert into orders (id, customer_id, store_id, currency, total) select %d, c.id, s.id, s.currency, 100 from customers c, stores s limit 1`,
		`update orders set status = 'paid' where id = %d`,
		`insert into shipments (id, order_id, carrier) values (%[1]d, %[1]d, 'rapido')`,
	} {
		s.exec(ctx, fmt.Sprintf(sql, id))
	}
}

package write_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"freshet/api/auth"
	"freshet/api/write"
	"freshet/api/write/payment"
)

// The size of a history: clients who do so much each, to orders that each has one of some SKUs.
const (
	historyClients = 6
	historyTurns   = 12
	historySKUs    = 2
	historyUnits   = 6
	historyOrders  = historyClients * historyTurns
)

// recorder lets clients loose on a shop over the network and writes down what they ask, what they hear, and when.
type recorder struct {
	*shop
	base   string
	client *http.Client
	began  time.Time
	// Bugs that the network plays.
	stale, refuse bool

	round   int64 // of this history
	mu      sync.Mutex
	history []porcupine.Operation
	orders  []known        // that clients were told of
	lastly  map[int]string // the answer to the last read of each SKU, for stale
	late    sync.WaitGroup
	lost    int
}

// known is an order that exists; any client may act on it.
type known struct {
	action
	id        int64
	reference string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	// An hour's hold: what runs out by itself isn't in the model.
	s := newShop(t, func(c *write.Config) { c.Hold = time.Hour })
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(ctx, ln) }()
	r := &recorder{shop: s, base: "http://" + ln.Addr().String(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * historyClients}}}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// buyer and reader are customers: each order has one of its own, and those who read have a cart with more than there ever
// is, and so are told how much there is.
func (r *recorder) buyer(order int) int64 { return r.round*1000 + 100 + int64(order) }
func (r *recorder) reader(sku int) int64  { return r.round*1000 + int64(sku) }

// reset begins a history with SKUs of its own, all their units there, and every order's cart filled.
func (r *recorder) reset() {
	r.round++
	r.history, r.orders, r.lastly = nil, nil, map[int]string{}
	for sku := range historySKUs {
		name := fmt.Sprintf("H%d-%d", r.round, sku)
		r.exec(`insert into variants (sku, product_id) values ($1, 1)`, name)
		r.exec(`insert into prices (store_id, sku, product_id, amount) values (1, $1, 1, 6000)`, name)
		r.exec(`insert into inventory (store_id, sku, product_id, on_hand) values (1, $1, 1, $2)`, name, historyUnits)
		r.exec(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, $1, 1, 'receipt', $2, 'test')`, name, historyUnits)
		r.fill(r.reader(sku), name, historyUnits+1)
	}
	for order := range historyOrders {
		r.fill(r.buyer(order), fmt.Sprintf("H%d-%d", r.round, order%historySKUs), unitsOf(order))
	}
}

// unitsOf is how many an order is over.
func unitsOf(order int) int64 { return int64(1 + order/historySKUs%3) }

// fill makes a customer with a cart.
func (r *recorder) fill(customer int64, sku string, quantity int64) {
	r.exec(`insert into customers (id, email) values ($1, 'h' || $1::bigint || '@example.org')`, customer)
	r.exec(`with k as (insert into carts (customer_id, store_id) values ($1, 1) returning id)
		insert into cart_items (cart_id, sku, quantity, unit_amount) select id, $2, $3, 6000 from k`, customer, sku, quantity)
}

// record has all clients take their turns and returns the history.
func (r *recorder) record(seed uint64) []porcupine.Operation {
	r.t.Helper()
	r.reset()
	r.began = time.Now()
	var clients sync.WaitGroup
	for c := range historyClients {
		clients.Go(func() {
			dice := rand.New(rand.NewPCG(seed, uint64(c)))
			for turn := range historyTurns {
				if err := r.turn(c, c*historyTurns+turn, dice); err != nil {
					r.t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	r.late.Wait() // for what was sent and not waited for: it may still happen
	return r.history
}

// turn reserves, and does something to an order that was reserved before, and reads.
func (r *recorder) turn(client, order int, dice *rand.Rand) error {
	a := action{kind: reserveOp, order: order, sku: order % historySKUs, quantity: unitsOf(order)}
	if err := r.act(client, a, known{action: a}, dice); err != nil {
		return err
	}
	for range 2 {
		k, found := r.pick(dice)
		if !found {
			break
		}
		a := k.action
		a.kind = []int{commitOp, cancelOp, cancelOp}[dice.IntN(3)]
		if err := r.act(client, a, k, dice); err != nil {
			return err
		}
	}
	a = action{kind: readOp, sku: dice.IntN(historySKUs)}
	return r.act(client, a, known{action: a}, dice)
}

// pick chooses among the last orders, so that clients meet.
func (r *recorder) pick(dice *rand.Rand) (known, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.orders) == 0 {
		return known{}, false
	}
	return r.orders[len(r.orders)-1-dice.IntN(min(len(r.orders), 6))], true
}

// act carries an action out and writes it down. A request of which nobody heard stands in the history without an end: it may
// happen at any time, or never. Sent again under its key it is another one, which finds what the first has done.
func (r *recorder) act(client int, a action, k known, dice *rand.Rand) error {
	for {
		op := porcupine.Operation{ClientId: client, Input: a, Call: time.Since(r.began).Nanoseconds(), Return: math.MaxInt64}
		rep, lost := r.exchange(a, k, dice)
		out := outcome{}
		if !lost {
			var err error
			if out, err = r.understand(a, k, rep); err != nil {
				return err
			}
			op.Return = time.Since(r.began).Nanoseconds()
		}
		op.Output = out
		r.note(op, lost)
		// A cancellation has no key here: who sends it again can't tell their own from another's.
		if !lost || a.kind == cancelOp || a.kind == readOp || dice.IntN(2) == 0 {
			return nil
		}
	}
}

// note writes the operation down; a read that nobody heard of says nothing.
func (r *recorder) note(op porcupine.Operation, lost bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lost {
		r.lost++
	}
	if !lost || as[action](op.Input).kind != readOp {
		r.history = append(r.history, op)
	}
}

// exchange sends the action's request on a bad line: of a few the request is lost, of a few the answer, and a few take
// their time while nobody waits any more. What breaks by itself is lost as well.
func (r *recorder) exchange(a action, k known, dice *rand.Rand) (rep reply, lost bool) {
	switch dice.IntN(80) {
	case 0:
		return reply{}, true
	case 1:
		_, _ = r.send(a, k) // its answer is lost on purpose
		return reply{}, true
	case 2:
		r.late.Go(func() { _, _ = r.send(a, k) }) // nobody waits for it
		return reply{}, true
	}
	rep, err := r.send(a, k)
	return rep, err != nil || rep.status >= 500
}

// send makes the request of an action.
func (r *recorder) send(a action, k known) (reply, error) {
	customer := r.buyer(a.order)
	key := []string{"Idempotency-Key", fmt.Sprintf("%s-%d", opNames[a.kind], a.order)}
	switch a.kind {
	case reserveOp:
		total := a.quantity * 6000
		return r.over("POST", "/api/v1/checkout", body(1, total, "late"), append(r.as(auth.Customer, customer), key...))
	case cancelOp:
		return r.over("POST", "/api/v1/cancel", cancelBody(k.id, ""), r.as(auth.Customer, customer))
	case commitOp:
		event, err := json.Marshal(payment.Event{ID: "evt_" + k.reference, State: payment.Captured, Reference: k.reference, Amount: a.quantity * 6000, Currency: "EUR"})
		if err != nil {
			return reply{}, err
		}
		return r.over("POST", events, string(event), []string{payment.HeaderSignature, payment.Sign(secret, event)})
	}
	return r.over("GET", theCart, "", r.as(auth.Customer, r.reader(a.sku)))
}

// over sends a request over the network.
func (r *recorder) over(method, path, body string, header []string) (reply, error) {
	req, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: got}, resp.Body.Close()
}

// understand reads what an answer says of the stock.
func (r *recorder) understand(a action, k known, rep reply) (outcome, error) {
	switch {
	case a.kind == reserveOp && rep.status == 201:
		return outcome{known: true, ok: !r.refuse || a.order%7 != 0}, r.learn(a, rep)
	case a.kind == readOp && rep.status == 200:
		free, err := r.freeIn(a.sku, rep)
		return outcome{known: true, ok: true, free: free}, err
	case rep.status == 200:
		return outcome{known: true, ok: true}, nil
	case rep.status == 409:
		return outcome{known: true}, nil
	}
	return outcome{}, fmt.Errorf("%s of order %d (%d) was answered %d: %s", opNames[a.kind], a.order, k.id, rep.status, rep.body)
}

// learn notes an order that was made.
func (r *recorder) learn(a action, rep reply) error {
	var o write.Order
	if err := json.Unmarshal(rep.body, &o); err != nil {
		return err
	}
	k := known{action: a, id: o.ID}
	if err := r.pool.QueryRow(context.Background(), `select reference from payments where order_id = $1`, o.ID).Scan(&k.reference); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders = append(r.orders, k)
	return nil
}

// freeIn reads how much there is from the changes of a cart that wants more.
func (r *recorder) freeIn(sku int, rep reply) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if past := r.lastly[sku]; r.stale && past != "" && len(r.history)%3 == 0 {
		rep.body = []byte(past)
	} else {
		r.lastly[sku] = string(rep.body)
	}
	var k write.Cart
	if err := json.Unmarshal(rep.body, &k); err != nil {
		return 0, err
	}
	if len(k.Changes) == 0 {
		return historyUnits + 1, nil // or more: so much there never was
	}
	if len(k.Changes) != 1 || k.Changes[0].Kind != "quantity" {
		return 0, fmt.Errorf("the reader's cart says %s", rep.body)
	}
	return k.Changes[0].Now, nil
}

// checkWithin is how long the checker may think about one history.
const checkWithin = 2 * time.Minute

func (r *recorder) check(history []porcupine.Operation) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(stockModel(historyOrders, historyUnits), history, checkWithin)
}

// TestHistoriesAreLinearizable lets clients reserve, commit and cancel over a network that loses requests and answers, and
// has porcupine find an order of instants in which one counter with holds would have answered all of it so.
func TestHistoriesAreLinearizable(t *testing.T) {
	r := newRecorder(t)
	histories := 4
	if os.Getenv("FRESHET_TEST_LONG") != "" {
		histories = 200
	}
	seed, ops := uint64(time.Now().UnixNano()), 0
	for n := range histories {
		history := r.record(seed + uint64(n))
		if t.Failed() {
			return
		}
		ops += len(history)
		if result := r.check(history); result != porcupine.Ok {
			t.Fatalf("seed %d: %s\n%s", seed+uint64(n), result, describe(history[max(0, len(history)-60):]))
		}
		r.audit()
	}
	t.Logf("seed %d: %d histories of %d operations, %d of them with an outcome that nobody knows", seed, histories, ops, r.lost)
}

func describe(history []porcupine.Operation) string {
	var b strings.Builder
	for _, op := range history {
		fmt.Fprintf(&b, "client %d, %d to %d: %+v %+v\n", op.ClientId, op.Call, op.Return, op.Input, op.Output)
	}
	return b.String()
}

// forgetting is a trigger on levels of stock that has a bug; %s is what it does to the new row.
const forgetting = `create or replace function forget() returns trigger language plpgsql as $$ begin
		%s
		if new.reserved < 0 then new.reserved = 0; end if;
		return new;
	end $$;
	create or replace trigger forget before update on inventory for each row execute function forget()`

// TestTheCheckerBites seeds bugs that a shop could have, below and above its code, and wants each to be found.
func TestTheCheckerBites(t *testing.T) {
	r := newRecorder(t)
	for name, bug := range map[string]struct {
		trigger       string
		stale, refuse bool
	}{
		"a hold that isn't counted":          {trigger: `if new.reserved > old.reserved and new.version % 3 = 0 then new.reserved = old.reserved; end if;`},
		"units that come back twice":         {trigger: `if new.reserved < old.reserved and new.on_hand = old.on_hand then new.reserved = new.reserved - 1; end if;`},
		"a cancellation that keeps":          {trigger: `if new.on_hand > old.on_hand then new.on_hand = old.on_hand; end if;`},
		"a read of the past":                 {stale: true},
		"a refusal that was an order":        {refuse: true},
		"a sale that leaves the units there": {trigger: `if new.on_hand < old.on_hand then new.on_hand = old.on_hand; end if;`},
	} {
		if bug.trigger != "" {
			r.exec(fmt.Sprintf(forgetting, bug.trigger))
		} else {
			r.exec(`drop trigger if exists forget on inventory`)
		}
		r.stale, r.refuse = bug.stale, bug.refuse
		if !r.finds(10) {
			t.Errorf("%s: not found in ten histories", name)
		}
	}
}

// finds says whether one of the histories is found not to be linearizable.
func (r *recorder) finds(histories uint64) bool {
	for seed := range histories {
		if r.check(r.record(seed)) == porcupine.Illegal {
			return true
		}
	}
	return false
}

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"freshet/api/auth"
	"freshet/deploy/stack/stacktest"
)

// shopper is a customer with something in the cart.
type shopper struct {
	email, sku string
	customer   int64
	checkout   map[string]any // the body by which they order
	queued     string         // where to ask what became of the order
}

// TestCustomersAreToldWhatBecameOfQueuedOrders orders while Postgres is away, kills the API that took the orders, changes a
// price and the stock when Postgres is back, and only then starts the API again: what is placed and what is refused, and
// why, comes to each customer by mail.
func TestCustomersAreToldWhatBecameOfQueuedOrders(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	server := stacktest.PostgresServer(t, 17)
	_, address := server.Database(t)
	s := newShopOn(t, address, 1, 5, *seedFlag)
	_, mail := s.posted()
	m := s.open()
	m.playing(ctx)
	s.ingest.supervise(ctx)
	s.process("alert", "project", "alert").supervise(ctx) // notify passes what it has passed
	s.process("notify", "project", "notify").supervise(ctx)
	s.follow(ctx)
	s.mustPass(ctx, "notify") // what was seeded is history
	m.write.start()
	awaitReady(ctx, t, m.base)
	shoppers := []*shopper{
		{email: "anna@example.org", sku: "same"}, {email: "bruno@example.org", sku: "dearer"}, {email: "carla@example.org", sku: "gone"},
	}
	for _, who := range shoppers {
		m.fill(ctx, who)
	}
	server.Crash()
	for _, who := range shoppers {
		m.order(ctx, who)
	}
	m.write.kill()
	server.Start()
	conn := s.connect()
	for _, change := range []string{
		`update prices set amount = amount + 100 where sku = 'dearer'`,
		`insert into stock_movements (store_id, sku, product_id, kind, quantity, reason, actor)
			select store_id, sku, product_id, 'adjustment', -on_hand, 'broken', 'test' from inventory where sku = 'gone'`,
		`update inventory set on_hand = 0 where sku = 'gone'`,
	} {
		if _, err := conn.Exec(ctx, change); err != nil {
			t.Fatal(err)
		}
	}
	m.write.start()
	for i, want := range [][]string{{"We have your order", "is paid"}, {"a price has changed"}, {"no longer to be had"}} {
		who := shoppers[i]
		s.eventually(ctx, who.email+" is told "+strings.Join(want, " and "), func() bool { return told(mail, who.email, want) })
	}
	for i, want := range []string{`"placed"`, "a price has changed", "out-of-stock"} {
		if got := m.ask(ctx, shoppers[i], http.MethodGet, shoppers[i].queued, nil, http.StatusOK).text; !strings.Contains(got, want) {
			t.Errorf("%s reads %s, want %s", shoppers[i].email, got, want)
		}
	}
}

// told says whether exactly so many letters came to the address, one with each of the texts.
func told(mail *stacktest.MailServer, to string, texts []string) bool {
	letters := slices.DeleteFunc(mail.Letters(), func(l stacktest.Letter) bool { return !slices.Contains(l.To, to) })
	for _, text := range texts {
		// A long line is cut in two where a mail needs it.
		if !slices.ContainsFunc(letters, func(l stacktest.Letter) bool { return strings.Contains(strings.ReplaceAll(l.Body, "=\r\n", ""), text) }) {
			return false
		}
	}
	return len(letters) == len(texts)
}

// fill makes the shopper, puts the only unit of their SKU on sale and into their cart, and has them see what it costs.
func (m *market) fill(ctx context.Context, who *shopper) {
	m.t.Helper()
	store, product := m.offer(ctx, who)
	m.ask(ctx, who, http.MethodPost, fmt.Sprintf("/api/v1/cart/%d", product), map[string]any{"store": store, "sku": who.sku, "quantity": 1}, http.StatusOK)
	quote := m.ask(ctx, who, http.MethodPost, "/api/v1/checkout/quote", map[string]any{"store": store, "country": "IT", "shipping": "standard"}, http.StatusOK)
	who.checkout = map[string]any{
		"store": store, "shipping": "standard", "method": "succeed",
		"address": map[string]string{"name": "Bo Li", "line1": "Via Roma 1", "city": "Milano", "postcode": "20121", "country": "IT"},
	}
	for _, agreed := range []string{"version", "total"} {
		who.checkout[agreed] = quote.body[agreed]
	}
}

// offer writes the customer and what they want into the tables.
func (m *market) offer(ctx context.Context, who *shopper) (store string, product int64) {
	m.t.Helper()
	err := pgx.BeginFunc(ctx, m.connect(), func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `insert into customers (email, lang) values ($1, 'en') returning id`, who.email).Scan(&who.customer); err != nil {
			return err
		}
		const insert = `insert into products (seller_id, type, status) select min(id), 'boot', 'active' from sellers
			returning id, (select min(id) from stores), (select code from stores order by id limit 1)`
		var id int64
		if err := tx.QueryRow(ctx, insert).Scan(&product, &id, &store); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(`insert into variants (sku, product_id) values ($1, $2)`, who.sku, product)
		batch.Queue(`insert into offers (store_id, product_id) values ($1, $2)`, id, product)
		batch.Queue(`insert into prices (store_id, sku, product_id, amount) values ($1, $2, $3, 1500)`, id, who.sku, product)
		batch.Queue(`insert into inventory (store_id, sku, product_id, on_hand) values ($1, $2, $3, 1)`, id, who.sku, product)
		batch.Queue(`insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values ($1, $2, $3, 'receipt', 1, 'test')`, id, who.sku, product)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		m.t.Fatalf("offer %s: %v", who.sku, err)
	}
	return store, product
}

// order checks the shopper's cart out, again under its key while neither Postgres nor the queue is there; the order has to
// be taken for later.
func (m *market) order(ctx context.Context, who *shopper) {
	m.t.Helper()
	m.eventually(ctx, "the order of "+who.email+" is taken", func() bool {
		r := m.send(ctx, who, http.MethodPost, "/api/v1/checkout", who.checkout)
		if r.status != http.StatusAccepted && r.status != http.StatusServiceUnavailable {
			m.t.Fatalf("the order of %s: status %d: %s", who.email, r.status, r.text)
		}
		who.queued = r.header.Get("Location")
		return r.status == http.StatusAccepted
	})
}

type response struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// ask sends a request of the shopper's to the write API and wants the status.
func (m *market) ask(ctx context.Context, who *shopper, method, path string, body any, status int) response {
	m.t.Helper()
	r := m.send(ctx, who, method, path, body)
	if r.status != status {
		m.t.Fatalf("%s %s as %s: status %d, want %d: %s", method, path, who.email, r.status, status, r.text)
	}
	return r
}

func (m *market) send(ctx context.Context, who *shopper, method, path string, body any) (r response) {
	m.t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		m.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, bytes.NewReader(sent))
	if err != nil {
		m.t.Fatal(err)
	}
	token, err := m.issuer.Issue(auth.Claims{Subject: strconv.FormatInt(who.customer, 10), Role: auth.Customer})
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", who.sku)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	raw, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(raw, &r.body)
	}
	if err != nil {
		m.t.Fatalf("%s %s: %s: %v", method, path, raw, err)
	}
	r.status, r.header, r.text = res.StatusCode, res.Header, string(raw)
	return r
}

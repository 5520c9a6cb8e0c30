package write_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"freshet/api"
	"freshet/api/apitest"
	"freshet/api/auth"
	"freshet/api/write"
	"freshet/api/write/invariant"
	"freshet/api/write/payment"
	"freshet/api/write/payment/sandbox"
	"freshet/deploy/postgres"
	"freshet/deploy/stack/stacktest"
)

const (
	token  = "a-token-for-the-tests"
	secret = "a-secret-for-the-tests"
)

// fixture is a shop small enough to know by heart: stores 1 (milano, EUR) and 2 (paris, EUR, closed), categories 1 and 2,
// seller 1, brand 1, customers 1 and 2; product 1 with the SKUs A-1 (20 in milano) and A-2 (none), both at 15.00.
const fixture = `
insert into category_trees (code, name) values ('fashion', 'Fashion');
insert into stores (code, name, market, currency, languages, tree_id, active) values
  ('milano', 'Milano', 'it', 'EUR', '{it,en}', 1, true), ('paris', 'Paris', 'fr', 'EUR', '{fr}', 1, false);
insert into categories (tree_id, parent_id, position, slug) values (1, null, 0, 'shoes'), (1, 1, 0, 'boots');
insert into category_texts values (1, 'it', 'Scarpe'), (2, 'it', 'Stivali');
insert into sellers (name, slug) values ('Calzaturificio', 'calzaturificio');
insert into brands (name, slug) values ('Lupo', 'lupo');
insert into attribute_defs (code, kind, facet, numeric_slot) values ('colour', 'keyword', true, null), ('weight', 'number', true, 0), ('vegan', 'boolean', false, null);
insert into customers (email) values ('anna@example.org'), ('bruno@example.org');
insert into products (seller_id, brand_id, type, status, attributes) values (1, 1, 'boot', 'active', '{"colour": "nero"}');
insert into product_texts (product_id, lang, title, slug) values (1, 'it', 'Stivale nero', 'stivale-nero');
insert into product_categories values (1, 2, 0);
insert into variants (sku, product_id) values ('A-1', 1), ('A-2', 1);
insert into offers (store_id, product_id) values (1, 1), (2, 1);
insert into prices (store_id, sku, product_id, amount) values (1, 'A-1', 1, 1500), (1, 'A-2', 1, 1500), (2, 'A-1', 1, 1600);
insert into inventory (store_id, sku, product_id, on_hand) values (1, 'A-1', 1, 20), (1, 'A-2', 1, 0), (2, 'A-1', 1, 5);
insert into stock_movements (store_id, sku, product_id, kind, quantity, actor) values (1, 'A-1', 1, 'receipt', 20, 'seed'), (2, 'A-1', 1, 'receipt', 5, 'seed');
`

// shop is a write server on a database of its own, with a payment provider beside it.
type shop struct {
	t       *testing.T
	pool    *pgxpool.Pool
	server  *api.Server
	shop    *write.Shop
	sandbox *sandbox.Sandbox
	issuer  *auth.Issuer
	tokens  [2]string                         // of the customers 1 and 2
	onTask  func(*http.Request) (hangUp bool) // called after the provider has done a task, before it answers
}

type sandboxPayment = sandbox.Payment

func newShop(t *testing.T, changes ...func(*write.Config)) *shop {
	t.Helper()
	t.Parallel()
	url := stacktest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 8
	write.Prepare(cfg)
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), fixture); err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, pool: pool}
	verifier := s.keys()
	for i := range s.tokens {
		s.tokens[i] = s.as(auth.Customer, int64(i+1))[1]
	}
	provider := s.play()
	config := write.Config{
		Pool: pool, Verifier: verifier, Issuer: s.issuer, Provider: provider, Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&config)
	}
	if s.shop, err = write.New(config); err != nil {
		t.Fatal(err)
	}
	s.server, err = api.New(api.Config{Name: "write", Token: token, Timeout: 10 * time.Minute, Log: slog.New(slog.DiscardHandler)}, s.shop.Ready)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.shop.Register(s.server); err != nil {
		t.Fatal(err)
	}
	return s
}

// keys makes the key that the shop's tokens are signed with.
func (s *shop) keys() *auth.Verifier {
	s.t.Helper()
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
	return verifier
}

// play starts the provider. Its events come back by the same door as everyone's requests, when the test delivers them.
func (s *shop) play() *payment.Remote {
	s.t.Helper()
	s.sandbox = sandbox.New(sandbox.Config{
		Token: "sandbox", Secret: secret, Webhook: "http://shop/api/v1/payments/sandbox/events", Delay: time.Hour,
		Client: &http.Client{Transport: door{s}},
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.sandbox.ServeHTTP(w, r)
		if s.onTask != nil && s.onTask(r) {
			panic(http.ErrAbortHandler)
		}
	}))
	// A provider that hangs up in the middle is what some tests are about; the server needn't log it.
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.t.Cleanup(server.Close)
	provider, err := payment.NewRemote("sandbox", server.URL, "sandbox", server.Client())
	if err != nil {
		s.t.Fatal(err)
	}
	return provider
}

// door brings a request to the server without a network.
type door struct{ s *shop }

func (d door) RoundTrip(r *http.Request) (*http.Response, error) { return d.s.server.App().Test(r, -1) }

// as is the headers of a request of the account; a seller's is of the seller with the number.
func (s *shop) as(role auth.Role, account int64) []string {
	s.t.Helper()
	claims := auth.Claims{Subject: strconv.FormatInt(account, 10), Role: role}
	if role == auth.Seller {
		claims.Subject, claims.Seller = strconv.FormatInt(account+900, 10), account // an account's number is never the seller's
	}
	signed, err := s.issuer.Issue(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return []string{"Authorization", "Bearer " + signed}
}

// The two customers, each time as headers that may be appended to.
func (s *shop) anna() []string  { return []string{"Authorization", s.tokens[0]} }
func (s *shop) bruno() []string { return []string{"Authorization", s.tokens[1]} }

// anyone is the headers of somebody who says nothing of themselves.
var anyone = []string{"Authorization", ""}

// reply is what came back, checked against the OpenAPI file.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) decode(t *testing.T, dst any) {
	t.Helper()
	if err := json.Unmarshal(r.body, dst); err != nil {
		t.Fatalf("decode %s: %v", r.body, err)
	}
}

// fields returns the names that the problem document complains about.
func (r reply) fields(t *testing.T) []string {
	t.Helper()
	var p api.Problem
	r.decode(t, &p)
	names := []string{}
	for _, f := range p.Errors {
		names = append(names, f.Field)
	}
	return names
}

func (s *shop) request(method, path, body string, header ...string) reply {
	s.t.Helper()
	r, err := s.try(method, path, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// try is request for goroutines, which may not end the test.
func (s *shop) try(method, path, body string, header ...string) (reply, error) {
	req := httptest.NewRequest(method, path, bytes.NewReader([]byte(body)))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := s.server.App().Test(req, -1)
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if err := resp.Body.Close(); err != nil {
		return reply{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if err := apitest.Check("write", req, resp, []byte(body), got); err != nil {
		return reply{}, err
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: got}, nil
}

func (s *shop) want(r reply, status int) reply {
	s.t.Helper()
	if r.status != status {
		s.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// number runs a query that yields one number.
func (s *shop) number(query string, args ...any) int64 {
	s.t.Helper()
	var n int64
	if err := s.pool.QueryRow(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// state is a digest of every row of every table, to see that nothing has changed.
func (s *shop) state() string {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `select table_name from information_schema.tables
		where table_schema = 'public' and table_name not like 'goose%' order by 1`)
	if err != nil {
		s.t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			s.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	var all string
	for _, name := range tables {
		var digest string
		// xmin tells rows apart that were written again with the same values.
		query := fmt.Sprintf(`select count(*) || ' ' || coalesce(md5(string_agg(x.xmin::text || x::text, '|' order by x::text)), '') from %s x`, name)
		if err := s.pool.QueryRow(s.t.Context(), query).Scan(&digest); err != nil {
			s.t.Fatal(err)
		}
		all += name + " " + digest + "\n"
	}
	return all
}

// audit wants everything to hold that holds at any moment.
func (s *shop) audit() {
	s.t.Helper()
	broken, err := invariant.Broken(s.t.Context(), s.pool)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, what := range broken {
		s.t.Error(what)
	}
}

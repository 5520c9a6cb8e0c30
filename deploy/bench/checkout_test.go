package bench

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"freshet/api"
	"freshet/api/auth"
	"freshet/api/write"
	"freshet/api/write/payment"
	"freshet/api/write/payment/sandbox"
	"freshet/deploy/postgres"
	"freshet/deploy/stack/stacktest"
)

// till is a write server on a database of its own, at a real address, with a payment provider, and what signs its
// customers' tokens.
func till(t *testing.T) (Target, *pgxpool.Pool, func(int64) (string, error)) {
	t.Helper()
	url := stacktest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	pool, err := openPool(t.Context(), url, 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := auth.NewIssuer("test", private, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(map[string]ed25519.PublicKey{"test": public})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := target(t, "http://127.0.0.1:1")
	to.PostgresURL, to.Write = url, "http://"+ln.Addr().String()
	const secret = "the-secret-of-the-tests"
	play := sandbox.New(sandbox.Config{Token: "sandbox", Secret: secret, Webhook: to.Write + "/api/v1/payments/sandbox/events", Delay: 100 * time.Millisecond})
	provider := httptest.NewServer(play)
	t.Cleanup(provider.Close)
	provider.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it hangs up on purpose
	remote, err := payment.NewRemote("sandbox", provider.URL, "sandbox", nil)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	shop, err := write.New(write.Config{Pool: pool, Verifier: verifier, Provider: remote, Secrets: []string{secret}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	server, err := api.New(api.Config{Name: "write", Token: "a-token-for-the-tests", Timeout: time.Minute, Log: quiet}, shop.Ready)
	if err != nil {
		t.Fatal(err)
	}
	if err := shop.Register(server); err != nil {
		t.Fatal(err)
	}
	beside(t, func(ctx context.Context) error { return server.Serve(ctx, ln) }, shop.Run, play.Run)
	return to, pool, func(customer int64) (string, error) {
		return issuer.Issue(auth.Claims{Subject: strconv.FormatInt(customer, 10), Role: auth.Customer})
	}
}

// beside runs all until the test ends, and waits for them then.
func beside(t *testing.T, runs ...func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range runs {
		g.Go(func() error { return run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestCheckoutSellsWhatThereIs(t *testing.T) {
	to, pool, sign := till(t)
	cfg := CheckoutConfig{
		Sign: sign, Attempts: 300, Buyers: 100, Units: 20, SKUs: 20, Workers: 16, Rates: []float64{10, 30}, Duration: 2 * time.Second,
		Patience: time.Minute, Seed: 7,
	}
	report, err := Checkout(t.Context(), to, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		t.Errorf("problems %q", report.Problems)
	}
	figures := map[string]map[string]float64{}
	for _, row := range report.Rows {
		figures[row.What] = row.Figures
	}
	one, many, steady := figures["one SKU"], figures["20 SKUs"], figures["30 orders/s"]
	// Twenty units came in at first and after each hundred attempts; those cancelled could be bought again.
	if one["orders"] < 20 || one["too late"] == 0 || one["orders"]+one["too late"]+one["too many unpaid"] != 300 || one["looks at the invariants"] == 0 {
		t.Errorf("one SKU: %v", one)
	}
	if many["orders"] < 20 || many["orders"]+many["too late"]+many["too many unpaid"] != 300 {
		t.Errorf("many SKUs: %v", many)
	}
	if steady["orders"] != 60 || figures["30 orders/s: "+kindVisit]["n"] != 60 {
		t.Errorf("at a steady rate: %v", steady)
	}
	if slow := figures["10 orders/s"]; slow["orders"] != 20 {
		t.Errorf("at a slower rate: %v", slow)
	}
	var open int
	if err := pool.QueryRow(t.Context(), `select (select count(*) from stores where active) + (select count(*) from products where status = 'active')
		+ (select count(*) from carts) + (select count(*) from inventory where on_hand > reserved)`).Scan(&open); err != nil {
		t.Fatal(err)
	}
	if open != 0 {
		t.Errorf("%d rows of the benchmark are still open for buyers", open)
	}
}

// TestCheckoutNoticesOverselling has the shop find a unit more at each reservation, which never came in.
func TestCheckoutNoticesOverselling(t *testing.T) {
	to, pool, sign := till(t)
	if _, err := pool.Exec(t.Context(), `
		create function generous() returns trigger language plpgsql as $$ begin
			if new.reserved > old.reserved then new.on_hand = new.on_hand + new.reserved - old.reserved; end if;
			return new;
		end $$;
		create trigger generous before update on inventory for each row execute function generous()`); err != nil {
		t.Fatal(err)
	}
	report, err := Checkout(t.Context(), to, CheckoutConfig{Sign: sign, Attempts: 150, Buyers: 50, Units: 5, SKUs: 5, Workers: 8, Patience: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(report.Problems, "\n")
	for _, want := range []string{"oversold", "levels that differ from the ledger's sum", "more was sold and held than came in"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing of %s: the problems are %q", want, report.Problems)
		}
	}
}

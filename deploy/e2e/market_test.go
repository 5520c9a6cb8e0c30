package e2e

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"freshet/api/auth"
	"freshet/api/write/payment/sandbox"
)

// market is a shop that sells: a write API with accounts, and a payment provider, which lives on when the API is killed.
type market struct {
	*shop
	base   string // the write API's address
	write  *process
	issuer *auth.Issuer
	play   *sandbox.Sandbox
}

const (
	marketSecret = "the-secret-of-the-market"
	marketToken  = "the-token-of-the-market"
)

// open gives the shop a write API, which isn't started, and what it needs to sell.
func (s *shop) open(args ...string) *market {
	s.t.Helper()
	listen := freeAddress(s.t)
	m := &market{shop: s, base: "http://" + listen}
	m.play = sandbox.New(sandbox.Config{
		Token: "sandbox", Secret: marketSecret, Webhook: m.base + "/api/v1/payments/sandbox/events", Delay: 100 * time.Millisecond,
	})
	provider := httptest.NewServer(m.play)
	provider.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it hangs up on purpose
	s.t.Cleanup(provider.Close)
	private, signing := signingKey(s.t)
	set := s.run("account-keys", signing)
	jwks := filepath.Join(s.t.TempDir(), "keys.jwks")
	if err := os.WriteFile(jwks, []byte(set), 0o600); err != nil {
		s.t.Fatal(err)
	}
	public, err := auth.ParseKeys([]byte(set))
	if err != nil {
		s.t.Fatal(err)
	}
	for kid := range public {
		if m.issuer, err = auth.NewIssuer(kid, private, time.Hour); err != nil {
			s.t.Fatal(err)
		}
	}
	s.env = append(s.env,
		"FRESHET_WRITE_LISTEN="+listen, "FRESHET_WRITE_TOKEN="+marketToken, "FRESHET_ACCOUNT_KEYS="+jwks, "FRESHET_ACCOUNT_SIGNING_KEY="+signing,
		"FRESHET_PAYMENT_URL="+provider.URL, "FRESHET_PAYMENT_TOKEN=sandbox", "FRESHET_PAYMENT_SECRETS="+marketSecret)
	m.write = s.process("write", append([]string{"serve", "write"}, args...)...)
	return m
}

// playing runs what the provider sends by itself until the test ends.
func (m *market) playing(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	played := make(chan error, 1)
	go func() { played <- m.play.Run(ctx) }()
	m.t.Cleanup(func() {
		stop()
		if err := <-played; err != nil {
			m.t.Errorf("the payment provider stopped: %v", err)
		}
	})
}

// signingKey makes the key that signs accounts' tokens, and its file.
func signingKey(t testing.TB) (private ed25519.PrivateKey, path string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "account.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return private, path
}

func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }() // nothing was sent through it
	return ln.Addr().String()
}

// awaitReady waits until the server answers.
func awaitReady(ctx context.Context, t testing.TB, base string) {
	t.Helper()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close() // only the status matters
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s isn't ready: %v", base, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

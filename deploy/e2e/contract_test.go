package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"freshet/api/auth"
	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/stacktest"
	openapi "freshet/docs/api"
)

// contract has schemathesis make requests from the OpenAPI file, such as it allows and such as it forbids.
type contract struct {
	program, file string
	long          bool
	examples      int // invented requests of each operation, beside those that the file's bounds suggest
}

func newContract(t *testing.T) contract {
	t.Helper()
	c := contract{
		program: stacktest.Program(t, "schemathesis", artifact.Schemathesis()), file: filepath.Join(t.TempDir(), "openapi.yaml"),
		long: os.Getenv("FRESHET_TEST_LONG") != "", examples: 2,
	}
	if c.long {
		c.examples = 300
	}
	if err := os.WriteFile(c.file, openapi.YAML, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// hold makes the requests of the operations that the filter takes; an answer that is a 5xx is an error, and out says which.
func (c contract) hold(ctx context.Context, t *testing.T, url, token string, filter ...string) (out []byte, err error) {
	t.Helper()
	args := append([]string{
		"run", c.file, "--url", url, "--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--max-examples", strconv.Itoa(c.examples),
		"--seed", fmt.Sprint(*seedFlag), "--workers", "4", "--request-timeout", "120", "--continue-on-failure", "--no-color",
		"--suppress-health-check", "all", "--warnings", "off", "--generation-database", "none",
	}, filter...)
	if token != "" {
		args = append(args, "--header", "Authorization: Bearer "+token)
	}
	cmd := artifact.SchemathesisCommand(ctx, c.program, args...)
	cmd.Dir = t.TempDir() // it keeps what it has found where it runs
	return cmd.CombinedOutput()
}

// TestNoRequestBreaksAnAPI asks both APIs of a seeded shop: no answer may be a 5xx. FRESHET_TEST_LONG=1 asks as every kind of
// caller, and makes a hundred times as many requests up.
func TestNoRequestBreaksAnAPI(t *testing.T) {
	c := newContract(t)
	ctx := deadline(t, 90*time.Minute)
	s := newShop(t, 2, 40, *seedFlag)
	for _, p := range s.pipeline() {
		p.start()
	}
	// A busy machine is no fault of the API's, and what a limit turns away tests nothing.
	m := s.open("--request-timeout", "1m", "--account-limit", "0")
	m.playing(ctx)
	m.write.start()
	read := s.openRead()
	s.follow(ctx)
	if err := s.catchUp(ctx); err != nil {
		t.Fatalf("seed %d: %v", *seedFlag, err)
	}
	awaitReady(ctx, t, m.base)
	awaitReady(ctx, t, read)
	token := func(role auth.Role, seller int64) string {
		signed, err := m.issuer.Issue(auth.Claims{Subject: "1", Role: role, Seller: seller})
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for _, caller := range []struct {
		who, api, url, token string
		long                 bool // only in a long run: by its routes the others get further
	}{
		{"a system of the shop", "write", m.base, marketToken, false},
		{"a customer", "write", m.base, token(auth.Customer, 0), false},
		{"a seller", "write", m.base, token(auth.Seller, 1), true},
		{"support", "write", m.base, token(auth.Support, 0), true},
		{"a guest", "write", m.base, "", true},
		{"a customer", "read", read, token(auth.Customer, 0), false},
		{"a guest", "read", read, "", true},
	} {
		if caller.long && !c.long {
			continue
		}
		t.Run(caller.api+"/"+caller.who, func(t *testing.T) {
			out, err := c.hold(ctx, t, caller.url, caller.token, "--include-tag", caller.api)
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", *seedFlag, err, out)
			}
			t.Logf("seed %d: %s", *seedFlag, out[max(0, len(out)-400):])
		})
	}
}

// TestABrokenAPIIsNoticed shows that the test above can fail.
func TestABrokenAPIIsNoticed(t *testing.T) {
	c := newContract(t)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	t.Cleanup(broken.Close)
	if out, err := c.hold(deadline(t, 10*time.Minute), t, broken.URL, "", "--include-operation-id", "healthz"); err == nil {
		t.Errorf("a server that answers 500 has passed:\n%s", out)
	}
}

// openRead starts a read API and returns its address.
func (s *shop) openRead() string {
	s.t.Helper()
	listen := freeAddress(s.t)
	s.env = append(s.env, "FRESHET_READ_LISTEN="+listen)
	s.process("read", "serve", "read", "--request-timeout", "1m").start()
	return "http://" + listen
}

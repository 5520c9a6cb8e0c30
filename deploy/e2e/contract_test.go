package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"freshet/api/auth"
	"freshet/deploy/stack/artifact"
	"freshet/deploy/stack/stacktest"
	openapi "freshet/docs/api"
)

// contract has schemathesis make requests from the OpenAPI file, such as it allows and such as it forbids.
type contract struct {
	program, file, hooks string
	long                 bool
	examples             int // invented requests of each operation, beside those that the file's bounds suggest
}

func newContract(t *testing.T) contract {
	t.Helper()
	hooks, err := filepath.Abs(filepath.Join("testdata", "schemathesis.py"))
	if err != nil {
		t.Fatal(err)
	}
	c := contract{
		hooks: hooks, program: stacktest.Program(t, "schemathesis", artifact.Schemathesis()), file: filepath.Join(t.TempDir(), "openapi.yaml"),
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
		// One worker: Python 3.11 can't parse in several threads at once, which is what several would do.
		"--seed", fmt.Sprint(*seedFlag), "--workers", "1", "--request-timeout", "120", "--continue-on-failure", "--no-color",
		"--suppress-health-check", "all", "--warnings", "off", "--generation-database", "none",
	}, filter...)
	if token != "" {
		args = append(args, "--header", "Authorization: Bearer "+token)
	}
	cmd := artifact.SchemathesisCommand(ctx, c.program, args...)
	cmd.Env = append(cmd.Env, "SCHEMATHESIS_HOOKS="+c.hooks)
	cmd.Dir = t.TempDir() // it keeps what it has found where it runs
	return cmd.CombinedOutput()
}

// caller is whom a request of the contract is from.
type caller struct {
	who, token string
	long       bool // only in a long run: by its routes the others get further
}

// TestNoRequestBreaksAnAPI asks the three APIs of a seeded shop: no answer may be a 5xx. FRESHET_TEST_LONG=1 asks as every
// kind of caller, and makes a hundred times as many requests up.
func TestNoRequestBreaksAnAPI(t *testing.T) {
	c := newContract(t)
	ctx := deadline(t, 90*time.Minute)
	s := newShop(t, 2, 40, *seedFlag)
	for _, p := range s.pipeline() {
		p.start()
	}
	// A busy machine is no fault of the API's, and what a limit turns away tests nothing.
	m := s.open("--request-timeout", "1m", "--account-limit", "0", "--rate-limit", "0")
	m.playing(ctx)
	m.write.start()
	// Positions that are made up never come.
	read := s.serve("read", "--request-timeout", "1m", "--wait", "10ms", "--rate-limit", "0")
	operate := s.serve("admin", "--request-timeout", "1m", "--rate-limit", "0")
	s.follow(ctx)
	if err := s.catchUp(ctx); err != nil {
		t.Fatalf("seed %d: %v", *seedFlag, err)
	}
	token := func(role auth.Role, seller int64) string {
		signed, err := m.issuer.Issue(auth.Claims{Subject: "1", Role: role, Seller: seller})
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for _, api := range []struct {
		name, url string
		callers   []caller
	}{
		{"write", m.base, []caller{
			{who: "a system of the shop", token: marketToken},
			{who: "a customer", token: token(auth.Customer, 0)},
			{who: "a seller", token: token(auth.Seller, 1), long: true},
			{who: "support", token: token(auth.Support, 0), long: true},
			{who: "a guest", long: true},
		}},
		{"read", read, []caller{{who: "a customer", token: token(auth.Customer, 0)}, {who: "a guest", long: true}}},
		{"admin", operate, []caller{{who: "an operator", token: marketToken}, {who: "a stranger", long: true}}},
	} {
		awaitReady(ctx, t, api.url)
		t.Run(api.name, func(t *testing.T) {
			t.Parallel()
			for _, who := range api.callers {
				if !who.long || c.long {
					c.mustHold(ctx, t, api.name, api.url, who)
				}
			}
		})
	}
}

func (c contract) mustHold(ctx context.Context, t *testing.T, api, url string, who caller) {
	t.Helper()
	out, err := c.hold(ctx, t, url, who.token, "--include-tag", api)
	if err != nil {
		t.Errorf("seed %d, %s: %v\n%s", *seedFlag, who.who, err, out)
		return
	}
	t.Logf("seed %d, %s: %s", *seedFlag, who.who, out[max(0, len(out)-400):])
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

// serve starts the read or the admin API and returns its address.
func (s *shop) serve(name string, args ...string) string {
	s.t.Helper()
	listen := freeAddress(s.t)
	s.env = append(s.env, "FRESHET_"+strings.ToUpper(name)+"_LISTEN="+listen, "FRESHET_ADMIN_TOKEN="+marketToken)
	s.process(name, append([]string{"serve", name}, args...)...).start()
	return "http://" + listen
}

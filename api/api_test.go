package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

func newServer(t *testing.T, cfg Config) (*Server, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&lockedWriter{w: &log}, nil))
	s, err := New(cfg, func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

// lockedWriter serializes writes; handlers of several requests log at once.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func do(t *testing.T, s *Server, r *http.Request) (*http.Response, Problem) {
	t.Helper()
	resp, err := s.App().Test(r, -1)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var p Problem
	if resp.Header.Get("Content-Type") == problemMedia {
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatalf("problem document %q: %v", body, err)
		}
	}
	return resp, p
}

func TestErrorsAreProblemDocuments(t *testing.T) {
	s, log := newServer(t, Config{Timeout: 50 * time.Millisecond})
	s.App().Get("/panic", func(*fiber.Ctx) error { panic("secret") })
	s.App().Get("/plain", func(*fiber.Ctx) error { return errors.New("secret") })
	s.App().Get("/typed", func(*fiber.Ctx) error {
		return Errorf(Unprocessable, "no such store").At("store").Because(errors.New("secret"))
	})
	s.App().Get("/slow", func(c *fiber.Ctx) error {
		<-c.UserContext().Done()
		return c.UserContext().Err()
	})
	for _, tt := range []struct {
		method, path, kind string
		status             int
	}{
		{"GET", "/nowhere", "not-found", 404},
		{"POST", "/typed", "method", 405},
		{"FETCH", "/typed", "invalid", 400},
		{"GET", "/panic", "internal", 500},
		{"GET", "/plain", "internal", 500},
		{"GET", "/typed", "unprocessable", 422},
		{"GET", "/slow", "unavailable", 503},
	} {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			resp, p := do(t, s, httptest.NewRequest(tt.method, tt.path, nil))
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || p.Status != tt.status || p.Type != problemType+tt.kind || p.Title == "" || p.Detail == "" {
				t.Errorf("%d %s, want %d of type %s", resp.StatusCode, body, tt.status, tt.kind)
			}
			if bytes.Contains(body, []byte("secret")) || bytes.Contains(body, []byte("goroutine")) {
				t.Errorf("the answer tells of the inside: %s", body)
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("no security headers")
			}
			if tt.status >= 500 && resp.Header.Get("X-Request-Id") == "" {
				t.Error("no request id to find the log by")
			}
		})
	}
	if !strings.Contains(log.String(), "secret") {
		t.Error("the cause isn't in the log")
	}
}

func TestBodyIsStrict(t *testing.T) {
	type line struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
	}
	type order struct {
		Lines []line `json:"lines"`
		Note  string `json:"note"`
	}
	for _, tt := range []struct{ name, body, want string }{
		{"empty", "", "empty"},
		{"blank", " \n", "empty"},
		{"cut off", `{"note":`, "middle"},
		{"two documents", `{} {}`, "more than one"},
		{"trailing text", `{} x`, "valid JSON"},
		{"unknown member", `{"lines":[{"sku":"a","price":1}]}`, "price"},
		{"repeated member", `{"note":"a","note":"b"}`, "twice"},
		{"fraction", `{"lines":[{"quantity":1.5}]}`, "lines[0].quantity"},
		{"exponent", `{"lines":[{"quantity":1e3}]}`, "lines[0].quantity"},
		{"overflow", `{"lines":[{"quantity":9223372036854775808}]}`, "lines[0].quantity"},
		{"string for number", `{"lines":[{"quantity":"1"}]}`, "lines[0].quantity"},
		{"the second of a list", `{"note":"a","lines":[{"sku":"a","quantity":1},{"sku":"b","quantity":true}]}`, "lines[1].quantity can't be a bool"},
		{"object for text", ` {"note": {"a":[1]}}`, "note can't be an object"},
		{"array for object", `[]`, "The body can't be an array"},
		{"null character", `{"note":"a\u0000b"}`, "U+0000"},
		{"null character in a name", `{"a\u0000b":1}`, "U+0000"},
		{"not UTF-8", "{\"note\":\"\xff\"}", "UTF-8"},
		{"deep", strings.Repeat("[", 40) + strings.Repeat("]", 40), "deeper"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Decode([]byte(tt.body), new(order))
			if err == nil || !strings.Contains(err.Error(), tt.want) || KindOf(err) != Invalid {
				t.Errorf("Decode(%s) = %v, want an invalid that says %q", tt.body, err, tt.want)
			}
		})
	}
	var o order
	if err := Decode([]byte(`{"note":"\\u0000 è","lines":[{"sku":"a","quantity":2},{"sku":"b","quantity":3}]}`), &o); err != nil {
		t.Fatal(err)
	}
	if o.Note != `\u0000 è` || len(o.Lines) != 2 || o.Lines[1].Quantity != 3 {
		t.Errorf("decoded %+v", o)
	}
}

// TestWrongTypesNameTheirPlace: a part of the body has one name, whatever is wrong with it, and the body itself has none.
func TestWrongTypesNameTheirPlace(t *testing.T) {
	var dst struct {
		Texts  map[string]struct{ Title string } `json:"texts"`
		Matrix [][]int                           `json:"matrix"`
		ID     int                               `json:"id"`
	}
	for body, want := range map[string]string{
		`{"texts":{"it":{"title":"a"},"en":{"title":1}}}`: "texts.en.title", `{"matrix":[[1,2],[3,"4"]]}`: "matrix[1][1]",
		`{"matrix":[[],{}]}`: "matrix[1]", "{\n \"matrix\" : [[1]] ,\n \"id\" : \"1\" }": "id", `{"texts":[]}`: "texts", `[]`: "", `"x"`: "",
	} {
		e := new(Error)
		if err := Decode([]byte(body), &dst); !errors.As(err, &e) {
			t.Fatalf("%s: %v", body, err)
		}
		if want == "" && len(e.Fields) > 0 || want != "" && (len(e.Fields) != 1 || e.Fields[0].Field != want) {
			t.Errorf("%s: the answer names %v, want %q", body, e.Fields, want)
		}
	}
}

// TestTextThatNoStoreHoldsIsRefused: no route gets to see bytes that aren't UTF-8 or the character U+0000.
func TestTextThatNoStoreHoldsIsRefused(t *testing.T) {
	s, _ := newServer(t, Config{})
	s.App().Get("/things/:thing", func(c *fiber.Ctx) error { return Send(c, 200, "ok") })
	for _, bad := range []string{"%00", "%ff", "%F0%28", "%ed%a0%80", "a%00b", "%c0%80"} {
		resp, p := do(t, s, httptest.NewRequest("GET", "/things/a?x=1&name="+bad, nil))
		if resp.StatusCode != 400 || len(p.Errors) != 1 || p.Errors[0].Field != "name" {
			t.Errorf("a value %s: %d %+v", bad, resp.StatusCode, p)
		}
		for _, path := range []string{"/things/" + bad, "/things/a?" + bad + "=1", "/things/a?x=1&x=" + bad + "&broken=%zz"} {
			if resp, p := do(t, s, httptest.NewRequest("GET", path, nil)); resp.StatusCode != 400 || p.Type != problemType+string(Invalid) {
				t.Errorf("%s: %d %+v", path, resp.StatusCode, p)
			}
		}
	}
	for _, good := range []string{"/things/%C3%A8", "/things/a%2Fb?name=%E2%82%AC+50%25", "/things/100%?x=%zz", "/things/a?x=%EF%BF%BD"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI, r.URL.Opaque = good, good // as it is written
		if resp, p := do(t, s, r); resp.StatusCode != 200 {
			t.Errorf("%s: %d %+v", good, resp.StatusCode, p)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,{"b":null}]}`, `[[[`, `"\ud800"`, `{"a":1}{`, "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var dst map[string]any
		if err := Decode(body, &dst); err != nil && KindOf(err) != Invalid {
			t.Fatalf("decode(%q) = %v: not an answer a client can use", body, err)
		}
	})
}

func TestGuard(t *testing.T) {
	for _, token := range []string{"", "short"} {
		s, _ := newServer(t, Config{Token: token})
		if _, err := s.Guard(); err == nil {
			t.Errorf("Guard with token %q did not refuse", token)
		}
	}
	s, _ := newServer(t, Config{Token: "0123456789abcdef"})
	guard, err := s.Guard()
	if err != nil {
		t.Fatal(err)
	}
	s.App().Get("/guarded", guard, func(c *fiber.Ctx) error { return Send(c, 200, "in") })
	for header, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer 0123456789abcdeF": 401, "Basic 0123456789abcdef": 401, "Bearer 0123456789abcdef0": 401,
		"Bearer 0123456789abcdef": 200, "bearer 0123456789abcdef": 200,
	} {
		r := httptest.NewRequest("GET", "/guarded", nil)
		r.Header.Set("Authorization", header)
		if resp, _ := do(t, s, r); resp.StatusCode != want {
			t.Errorf("Authorization %q: %d, want %d", header, resp.StatusCode, want)
		}
	}
}

func TestInFlightIsCapped(t *testing.T) {
	s, _ := newServer(t, Config{MaxInFlight: 1})
	entered, leave := make(chan struct{}), make(chan struct{})
	s.App().Get("/hold", func(c *fiber.Ctx) error {
		close(entered)
		<-leave
		return Send(c, 200, "ok")
	})
	held := make(chan error, 1)
	go func() {
		resp, err := s.App().Test(httptest.NewRequest("GET", "/hold", nil), -1)
		if err == nil {
			err = resp.Body.Close()
		}
		held <- err
	}()
	<-entered
	resp, p := do(t, s, httptest.NewRequest("GET", "/healthz", nil))
	if resp.StatusCode != 503 || p.Type != problemType+string(Busy) || resp.Header.Get("Retry-After") == "" {
		t.Errorf("second request: %d %+v", resp.StatusCode, p)
	}
	close(leave)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if resp, _ := do(t, s, httptest.NewRequest("GET", "/healthz", nil)); resp.StatusCode != 200 {
		t.Errorf("after the first has left: %d", resp.StatusCode)
	}
}

func TestBodyLimitAndGarbageOnTheWire(t *testing.T) {
	s, _ := newServer(t, Config{BodyLimit: 1 << 10})
	s.App().Post("/", func(c *fiber.Ctx) error { return Send(c, 200, "ok") })
	addr, stop := serve(t, s)
	defer stop()
	for name, tt := range map[string]struct{ request, want string }{
		"too large a body": {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" + strings.Repeat("x", 2000), "HTTP/1.1 413"},
		"too large a head": {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 10000) + "\r\n\r\n", "HTTP/1.1 431"},
		"not HTTP":         {"\x16\x03\x01 nonsense\r\n\r\n", "HTTP/1.1 400"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, tt.request); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 4<<10)
			n, _ := conn.Read(answer)
			if got := string(answer[:n]); !strings.HasPrefix(got, tt.want) || !strings.Contains(got, problemMedia) {
				t.Errorf("answer %q, want %s and a problem document", got, tt.want)
			}
		})
	}
}

func TestStoppingFinishesWhatHasBegun(t *testing.T) {
	s, _ := newServer(t, Config{})
	entered, leave := make(chan struct{}), make(chan struct{})
	s.App().Get("/hold", func(c *fiber.Ctx) error {
		close(entered)
		<-leave
		return Send(c, 200, "finished")
	})
	ctx, cancel := context.WithCancel(t.Context())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + ln.Addr().String() + "/hold")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	<-entered
	cancel()
	close(leave)
	if got := <-answered; !strings.Contains(got, "finished") {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func serve(t *testing.T, s *Server) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	return ln.Addr().String(), func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

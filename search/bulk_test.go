package search

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fake answers bulk requests as Elasticsearch does, versions included, and misbehaves as told. It is for faults only; the
// real server is tested beside it.
type fake struct {
	mu       sync.Mutex
	versions map[string]int64
	bodies   map[string]string
	requests []int // operations of each
	// request answers a whole request with a status, 0 for normally; item does so for one operation.
	request func(n, size int) int
	item    func(n int, id string) (status int, kind string)
}

func newFake(t testing.TB) (*fake, *Client) {
	f := &fake{versions: map[string]int64{}, bodies: map[string]string{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c, err := Open([]string{s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	n := len(f.requests)
	f.requests = append(f.requests, bytes.Count(body, []byte("\n"))/2)
	if f.request != nil {
		if status := f.request(n, len(body)); status != 0 {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"type":"es_rejected_execution_exception","reason":"request %d"},"status":%d}`, n, status)
			return
		}
	}
	items := []any{}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var a action
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil || !lines.Scan() {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		items = append(items, map[string]any{"index": f.store(n, a, lines.Text())})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items}) // the client may have gone
}

func (f *fake) store(n int, a action, doc string) map[string]any {
	op := a.Index
	if f.item != nil {
		if status, kind := f.item(n, op.ID); status != 0 {
			return map[string]any{"_index": op.Alias + "-g1", "status": status, "error": map[string]any{"type": kind, "reason": "told so"}}
		}
	}
	have, ok := f.versions[op.ID]
	if ok && (op.Version < have || op.Version == have && op.VersionType == "external") {
		return map[string]any{"_index": op.Alias + "-g1", "status": 409}
	}
	f.versions[op.ID], f.bodies[op.ID] = op.Version, doc
	return map[string]any{"_index": op.Alias + "-g1", "status": 201}
}

func quick(c *Client, cfg WriterConfig) *Writer {
	cfg.Backoff, cfg.MaxBackoff = time.Millisecond, 4*time.Millisecond
	return NewWriter(c, cfg)
}

func op(id string, version int64) Op {
	return Op{Alias: "a", ID: id, Routing: "1", Version: version, Body: fmt.Appendf(nil, `{"v":%d}`, version)}
}

func ops(n int, version int64) []Op {
	list := make([]Op, n)
	for i := range list {
		list[i] = op(fmt.Sprintf("1:%d", i), version)
	}
	return list
}

func outcomes(results []OpResult) string {
	var b strings.Builder
	for _, r := range results {
		b.WriteByte(" WSR"[r.Outcome])
	}
	return b.String()
}

func TestWriteOutcomes(t *testing.T) {
	f, c := newFake(t)
	f.versions["1:1"] = 9
	f.item = func(_ int, id string) (int, string) {
		if id == "1:2" {
			return 400, "document_parsing_exception"
		}
		return 0, ""
	}
	list := append(ops(4, 5), Op{Alias: "a", ID: "1:9", Routing: "1", Version: 1, Body: json.RawMessage("{\n\"v\":1}")},
		Op{Alias: "a", ID: "1:10", Routing: "1", Version: 1, Body: json.RawMessage("{broken")})
	w := quick(c, WriterConfig{})
	results, err := w.Write(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomes(results); got != "WSRWWR" {
		t.Errorf("outcomes %q", got)
	}
	for _, i := range []int{2, 5} {
		if results[i].Reason == nil {
			t.Errorf("operation %d is refused without a reason", i)
		}
	}
	if got := w.Counts(); got.Written != 3 || got.Stale != 1 || got.Refused != 2 || got.Requests != 1 {
		t.Errorf("counts %+v", got)
	}
}

func TestWriteQuotesAsJSON(t *testing.T) {
	f, c := newFake(t)
	id := "1:\x01\u2028\"\\\x7f"
	if _, err := quick(c, WriterConfig{}).Write(t.Context(), []Op{op(id, 3)}); err != nil {
		t.Fatal(err)
	}
	if f.versions[id] != 3 {
		t.Errorf("the ids arrived as %v", f.versions)
	}
}

func TestWriteBoundsRequests(t *testing.T) {
	f, c := newFake(t)
	var largest int
	f.request = func(_, size int) int { largest = max(largest, size); return 0 }
	if _, err := quick(c, WriterConfig{MaxBytes: 1000}).Write(t.Context(), ops(100, 1)); err != nil {
		t.Fatal(err)
	}
	if largest > 1000 || len(f.requests) < 10 || len(f.versions) != 100 {
		t.Errorf("%d requests, the largest of %d bytes, %d documents", len(f.requests), largest, len(f.versions))
	}
}

func TestWriteRetriesSmaller(t *testing.T) {
	for _, status := range []int{429, 502, 503, 504, 413} {
		f, c := newFake(t)
		f.request = func(n, _ int) int {
			if n < 3 {
				return status
			}
			return 0
		}
		results, err := quick(c, WriterConfig{MaxBytes: 10000}).Write(t.Context(), ops(64, 1))
		if err != nil || strings.Trim(outcomes(results), "W") != "" {
			t.Fatalf("%d: %q, %v", status, outcomes(results), err)
		}
		if f.requests[3]*6 > f.requests[0] {
			t.Errorf("%d: operations per request %v: want them halved after each failure", status, f.requests)
		}
	}
}

func TestWriteRetriesItems(t *testing.T) {
	f, c := newFake(t)
	f.item = func(n int, id string) (int, string) {
		if n < 2 && strings.HasSuffix(id, "3") {
			return []int{429, 503}[n], "es_rejected_execution_exception"
		}
		return 0, ""
	}
	results, err := quick(c, WriterConfig{}).Write(t.Context(), ops(40, 1))
	if err != nil || strings.Trim(outcomes(results), "W") != "" {
		t.Fatalf("%q, %v", outcomes(results), err)
	}
	if want := []int{40, 4, 4}; fmt.Sprint(f.requests) != fmt.Sprint(want) {
		t.Errorf("operations per request %v, want %v: only what was turned away is sent again", f.requests, want)
	}
}

func TestWriteGivesUp(t *testing.T) {
	tests := map[string]struct {
		request func(n, size int) int
		item    func(n int, id string) (int, string)
		is      error
		sent    int
	}{
		"overloaded for ever":   {request: func(int, int) int { return 429 }, sent: 4},
		"index missing":         {item: func(int, string) (int, string) { return 404, "index_not_found_exception" }, is: ErrIndexMissing, sent: 1},
		"not allowed":           {request: func(int, int) int { return 403 }, sent: 1},
		"items not allowed":     {item: func(int, string) (int, string) { return 403, "cluster_block_exception" }, sent: 1},
		"items break":           {item: func(int, string) (int, string) { return 500, "null_pointer_exception" }, sent: 1},
		"the index is closed":   {item: func(int, string) (int, string) { return 400, "index_closed_exception" }, sent: 1},
		"items turned away":     {item: func(int, string) (int, string) { return 429, "es_rejected_execution_exception" }, sent: 4},
		"malformed, says it":    {request: func(int, int) int { return 400 }, sent: 1},
		"something broke there": {request: func(int, int) int { return 500 }, sent: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, c := newFake(t)
			f.request, f.item = tt.request, tt.item
			_, err := quick(c, WriterConfig{Attempts: 4}).Write(t.Context(), ops(3, 1))
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v", err)
			}
			if len(f.requests) != tt.sent {
				t.Errorf("%d requests, want %d", len(f.requests), tt.sent)
			}
		})
	}
}

func TestWriteRefusesTheOversized(t *testing.T) {
	f, c := newFake(t)
	f.request = func(_, size int) int {
		if size > 5000 {
			return http.StatusRequestEntityTooLarge
		}
		return 0
	}
	list := ops(20, 1)
	list[7].Body = fmt.Appendf(nil, `{"v":%q}`, strings.Repeat("x", 6000))
	results, err := quick(c, WriterConfig{Attempts: 12}).Write(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomes(results); got != "WWWWWWWRWWWWWWWWWWWW" {
		t.Errorf("outcomes %q", got)
	}
}

func TestWriteStopsWithItsContext(t *testing.T) {
	f, c := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.request = func(n, _ int) int {
		if n == 1 {
			cancel()
		}
		return 503
	}
	w := NewWriter(c, WriterConfig{Backoff: time.Millisecond, Attempts: 1000})
	if _, err := w.Write(ctx, ops(1, 1)); err == nil || !errors.Is(err, ctx.Err()) {
		t.Errorf("error %v", err)
	}
}

// Whatever fails on the way and however often writes are repeated and reordered, the highest version is what is stored.
func TestWriteConverges(t *testing.T) {
	f, c := newFake(t)
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 429, 503, 504}), 0, 6).Draw(rt, "requests")
		weak := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 6).Draw(rt, "items")
		f.mu.Lock() // after the draws, which may not return
		f.versions, f.bodies, f.requests = map[string]int64{}, map[string]string{}, nil
		f.request = func(n, _ int) int {
			if n < len(faults) {
				return faults[n]
			}
			return 0
		}
		f.item = func(n int, id string) (int, string) {
			if n < len(weak) && id == fmt.Sprintf("1:%d", weak[n]) {
				return 429, "es_rejected_execution_exception"
			}
			return 0, ""
		}
		f.mu.Unlock()
		list := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Op {
			return op(fmt.Sprintf("1:%d", rapid.IntRange(0, 9).Draw(rt, "id")), rapid.Int64Range(1, 20).Draw(rt, "version"))
		}), 1, 60).Draw(rt, "ops")
		want := map[string]int64{}
		for _, o := range list {
			want[o.ID] = max(want[o.ID], o.Version)
		}
		results, err := quick(c, WriterConfig{MaxBytes: 800, Attempts: 20}).Write(t.Context(), list)
		if err != nil {
			rt.Fatal(err)
		}
		if strings.ContainsAny(outcomes(results), " R") {
			rt.Fatalf("outcomes %q", outcomes(results))
		}
		for id, v := range want {
			if f.versions[id] != v || f.bodies[id] != fmt.Sprintf(`{"v":%d}`, v) {
				rt.Fatalf("%s is at %d (%s), want %d", id, f.versions[id], f.bodies[id], v)
			}
		}
	})
}

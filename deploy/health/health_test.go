package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"freshet/deploy/health"
)

func get(t *testing.T, handler http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return recorder
}

func TestHealthzSaysWhatIsWrong(t *testing.T) {
	server := health.New("", prometheus.NewRegistry())
	if code := get(t, server.Handler(), "/healthz").Code; code != http.StatusOK {
		t.Errorf("without checks: %d", code)
	}
	broken := errors.New("connection refused")
	server.Check("kafka", func(context.Context) error { return broken })
	server.Check("mongodb", func(context.Context) error { return nil })
	answer := get(t, server.Handler(), "/healthz")
	var outcomes map[string]string
	if err := json.Unmarshal(answer.Body.Bytes(), &outcomes); err != nil {
		t.Fatal(err)
	}
	if answer.Code != http.StatusServiceUnavailable || outcomes["kafka"] != "connection refused" || outcomes["mongodb"] != "ok" {
		t.Errorf("%d %v", answer.Code, outcomes)
	}
	broken = nil
	if code := get(t, server.Handler(), "/healthz").Code; code != http.StatusOK {
		t.Errorf("after recovery: %d", code)
	}
}

func TestMetricsComeFromTheRegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "freshet_rows_total", Help: "Rows."})
	registry.MustRegister(counter)
	counter.Add(3)
	body := get(t, health.New("", registry).Handler(), "/metrics").Body.String()
	if !strings.Contains(body, "freshet_rows_total 3") {
		t.Errorf("got %s", body)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:0"} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- health.New(address, prometheus.NewRegistry()).Run(ctx) }()
		cancel()
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%q: %v", address, err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%q: Run does not end", address)
		}
	}
}

func TestRunReportsATakenPort(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	err := health.New(strings.TrimPrefix(taken.URL, "http://"), prometheus.NewRegistry()).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "listen for health requests") {
		t.Errorf("got %v", err)
	}
}

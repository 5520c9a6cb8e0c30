// Package health serves what an operator and the launcher ask each of Freshet's
// processes: GET /healthz, 200 once every check passes, GET /metrics for Prometheus, and
// GET /debug/pprof/ for go tool pprof. Every long-running subcommand runs one, beside its
// work, on an address that is the operator's alone.
//
// A failing check makes the answer 503 with the reason; it never ends the process.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one check, so that a probe gets its answer while a server hangs.
const checkTimeout = 2 * time.Second

// Server answers on an address of its own, apart from any public API.
type Server struct {
	address  string
	gatherer prometheus.Gatherer

	mu     sync.Mutex
	names  []string
	checks map[string]func(context.Context) error
}

// New returns a Server for the address, such as 127.0.0.1:8470; with an empty address
// its Run does nothing. Metrics come from gatherer.
func New(address string, gatherer prometheus.Gatherer) *Server {
	return &Server{address: address, gatherer: gatherer, checks: map[string]func(context.Context) error{}}
}

// Check adds something that must hold before the process counts as ready. Checks may
// be added while the server runs; without any, it is ready from the start.
func (s *Server) Check(name string, check func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.checks[name]; !known {
		s.names = append(s.names, name)
	}
	s.checks[name] = check
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	if s.address == "" {
		<-ctx.Done()
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for health requests: %w", err)
	}
	return s.serve(ctx, listener)
}

func (s *Server) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan error, 1)
	end := context.AfterFunc(ctx, func() {
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		stopped <- server.Shutdown(patience)
	})
	err := server.Serve(listener)
	if end() {
		return fmt.Errorf("serve health requests: %w", err)
	}
	// A probe that hangs must not hold up the end of the process.
	if err := <-stopped; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop serving health requests: %w", err)
	}
	return nil
}

// Handler returns the routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// healthz answers with every check's outcome by name: ok, or why not.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	outcomes, status := s.outcomes(ctx)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(outcomes)
}

func (s *Server) outcomes(ctx context.Context) (outcomes map[string]string, status int) {
	s.mu.Lock()
	names := append([]string(nil), s.names...)
	checks := make([]func(context.Context) error, len(names))
	for i, name := range names {
		checks[i] = s.checks[name]
	}
	s.mu.Unlock()
	outcomes, status = make(map[string]string, len(names)), http.StatusOK
	for i, name := range names {
		outcomes[name] = "ok"
		if err := checks[i](ctx); err != nil {
			outcomes[name], status = err.Error(), http.StatusServiceUnavailable
		}
	}
	return outcomes, status
}

package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"regexp"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
)

const headerRequestID = "X-Request-Id"

// requestID is what we take over from a caller; anything else could forge log lines.
var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// metrics are the server's collectors. The route is the pattern, never the path, so that clients can't make series.
type metrics struct {
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	panics   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, server string) (*metrics, error) {
	labels := prometheus.Labels{"server": server}
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "freshet_http_request_seconds", Help: "Time from a request to its answer.", ConstLabels: labels,
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"method", "route", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "freshet_http_requests_in_flight", Help: "Requests that are being answered.", ConstLabels: labels,
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "freshet_http_panics_total", Help: "Handlers that panicked; each is a bug.", ConstLabels: labels,
		}),
	}
	for _, c := range []prometheus.Collector{m.seconds, m.inFlight, m.panics} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the %s server: %w", server, err)
		}
	}
	return m, nil
}

// observe is the outermost handler: it names the request, gives it a deadline, catches panics, renders errors, and then
// tells log and metrics how it ended.
func (s *Server) observe(c *fiber.Ctx) error {
	start := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	id := c.Get(headerRequestID)
	if !requestID.MatchString(id) {
		id = newRequestID()
	}
	c.Set(headerRequestID, id)
	secure(c)
	// fiber's own user context is never cancelled. This one is not either when the client goes away, but it ends.
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Timeout)
	defer cancel()
	c.SetUserContext(ctx)
	err := s.next(c)
	if err != nil {
		s.fail(c, err)
	}
	closeUnread(c)
	status, took := c.Response().StatusCode(), time.Since(start)
	s.metrics.seconds.WithLabelValues(c.Method(), c.Route().Path, strconv.Itoa(status)).Observe(took.Seconds())
	s.cfg.Log.LogAttrs(ctx, level(c.Method(), status), "request", slog.String("server", s.cfg.Name), slog.String("request_id", id),
		slog.String("method", c.Method()), slog.String("path", c.Path()), slog.Int("status", status),
		slog.Duration("took", took), slog.Int("bytes", len(c.Response().Body())))
	return nil
}

// level keeps reads that went well, thousands a second, out of a log at its usual level.
func level(method string, status int) slog.Level {
	if (method == fiber.MethodGet || method == fiber.MethodHead) && status < fiber.StatusBadRequest {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// next runs the handlers and turns a panic of theirs into an error, so that one bad request is one 500.
func (s *Server) next(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.metrics.panics.Inc()
			s.cfg.Log.Error("handler panicked", "server", s.cfg.Name, "path", c.Path(), "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return c.Next()
}

// fail answers with the error's problem document and logs the cause where the client doesn't get to see it.
func (s *Server) fail(c *fiber.Ctx, err error) {
	e := asError(err)
	if e.Kind == Internal && c.UserContext().Err() != nil {
		e = Errorf(Unavailable, "The request took longer than %s.", s.cfg.Timeout).RetryAfter(1).Because(err)
	}
	status := render(c, e)
	if status >= fiber.StatusInternalServerError && e.Kind != Busy {
		s.cfg.Log.Error("request failed", "server", s.cfg.Name, "request_id", c.GetRespHeader(headerRequestID),
			"path", c.Path(), "status", status, "error", e.Error())
	}
}

// secure sets the headers that keep a browser from doing anything with an answer but read it.
func secure(c *fiber.Ctx) {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
}

// RequestID names the request, in the log and wherever else it is to be found again.
func RequestID(c *fiber.Ctx) string { return c.GetRespHeader(headerRequestID) }

func newRequestID() string {
	var b [12]byte
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Package api is the ground that the three HTTP servers stand on: a hardened fiber application, one form for every error
// (RFC 9457 problem documents), bearer tokens, limits, strict JSON, access log and metrics.
//
// api/write, api/read and api/admin register their routes on a Server; cmd/freshet runs it. Guarantees: no request takes
// longer than its deadline or more memory than the body limit; at most so many run at once; whatever a client sends, the
// answer is a problem document that says what is wrong with it, never a stack trace; a stopping server finishes the
// requests it has begun.
//
// Below a handler nothing sees the fiber.Ctx: it is reused for another request as soon as the handler returns. Handlers
// pass on c.UserContext(), which carries the deadline, and plain values.
package api

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what a Server is made of. The zero value of a field is its default.
type Config struct {
	// Name is the server's name in logs and metrics: "read", "write" or "admin".
	Name string
	// Listen is the address. Default 127.0.0.1:0: a server that should be reached from elsewhere says so.
	Listen string
	// Timeout bounds one request from its first byte read to its answer. Default 5 s. Too small and slow searches fail
	// under load; too large and a stalled store piles up requests until MaxInFlight refuses all.
	Timeout time.Duration
	// BodyLimit is the largest request body in bytes. Default 256 KB.
	BodyLimit int
	// MaxInFlight is how many requests run at once; one more is answered 503. Default 512.
	MaxInFlight int
	// Addresses limits each client address; nil for no limit.
	Addresses limiter
	// Proxies are the networks of the proxies in front of the server, whose X-Forwarded-For is believed. Too few and all
	// clients have a proxy's address; too many and a client can choose its own.
	Proxies []netip.Prefix
	// Token is what callers of guarded routes must send as `Authorization: Bearer`. Server.Guard refuses an empty one.
	Token string
	// Drain bounds how long a stopping server waits for requests in flight. Default 10 s.
	Drain time.Duration
	// Log receives one record per request (of reads that went well at level debug) and the causes of 5xx answers. Default
	// slog.Default().
	Log *slog.Logger
	// Metrics is where the server registers its collectors. Default: a registry nobody reads.
	Metrics prometheus.Registerer
}

func (c *Config) defaults() {
	set(&c.Name, "api")
	set(&c.Listen, "127.0.0.1:0")
	set(&c.Timeout, 5*time.Second)
	set(&c.BodyLimit, 256<<10)
	set(&c.MaxInFlight, 512)
	set(&c.Drain, 10*time.Second)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) validate() error {
	if c.Timeout < 0 || c.BodyLimit < 0 || c.MaxInFlight < 0 || c.Drain < 0 {
		return fmt.Errorf("%s server: timeouts and limits can't be negative", c.Name)
	}
	return nil
}

// fiberConfig is the application's, with everything that fiber leaves open by default closed.
func (c *Config) fiberConfig(onError fiber.ErrorHandler) fiber.Config {
	return fiber.Config{
		// Strings from the context otherwise point into a buffer that the next request overwrites.
		Immutable:     true,
		CaseSensitive: true,
		ReadTimeout:   5 * time.Second,
		WriteTimeout:  10 * time.Second,
		IdleTimeout:   60 * time.Second,
		BodyLimit:     c.BodyLimit,
		// Bodies are read by us: whole and up to the limit, but for routes that take much.
		StreamRequestBody:     true,
		ReadBufferSize:        8 << 10, // also the most that request line and headers may take
		Concurrency:           16 << 10,
		ErrorHandler:          onError,
		DisableStartupMessage: true,
		// No route takes a form, and a form parser is the part of the server with most holes found in it so far.
		DisablePreParseMultipartForm: true,
	}
}

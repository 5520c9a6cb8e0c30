package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"

	openapi "freshet/docs/api"
)

// Check says whether what a server needs is there; nil when it is.
type Check func(ctx context.Context) error

// Server is one HTTP server: the hardened application, to which a package of routes adds its own.
type Server struct {
	cfg     Config
	app     *fiber.App
	metrics *metrics
	// streamed are the routes whose handlers read the body themselves.
	streamed map[Link]bool
}

// New makes a server that has the routes common to all: the list of routes, the OpenAPI file and the health checks.
func New(cfg Config, ready Check) (*Server, error) {
	cfg.defaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, streamed: map[Link]bool{}}
	var err error
	if s.metrics, err = newMetrics(cfg.Metrics, cfg.Name); err != nil {
		return nil, err
	}
	s.app = fiber.New(cfg.fiberConfig(s.onError))
	s.refuseMethods()
	// A request that is still arriving takes no room from those that are here.
	s.app.Use(s.observe, text, s.body, inFlight(make(chan struct{}, cfg.MaxInFlight)).handle)
	if cfg.Addresses != nil {
		s.app.Use(addresses(cfg.Addresses, cfg.Proxies))
	}
	s.common(ready)
	return s, nil
}

// App is where routes are added, before Serve.
func (s *Server) App() *fiber.App { return s.app }

// onError answers what never reached a handler: a request that isn't HTTP, or too large.
func (s *Server) onError(c *fiber.Ctx, err error) error {
	secure(c)
	s.fail(c, err)
	return nil
}

// refuseMethods answers methods that no HTTP knows like every other error; fiber writes plain text before any handler.
func (s *Server) refuseMethods() {
	handle, known := s.app.Server().Handler, s.app.Config().RequestMethods
	s.app.Server().Handler = func(ctx *fasthttp.RequestCtx) {
		if slices.Contains(known, string(ctx.Method())) {
			handle(ctx)
			return
		}
		ctx.Request.Header.SetMethod(fiber.MethodGet)
		c := s.app.AcquireCtx(ctx)
		defer s.app.ReleaseCtx(c)
		secure(c)
		s.fail(c, Errorf(Invalid, "This isn't a method of HTTP."))
		closeUnread(c)
	}
}

func (s *Server) common(ready Check) {
	s.app.Get("/", s.index)
	s.app.Get("/openapi.yaml", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, "application/yaml; charset=utf-8")
		return c.Send(openapi.YAML)
	})
	s.app.Get("/healthz", func(c *fiber.Ctx) error { return Send(c, fiber.StatusOK, Health{Status: "up"}) })
	s.app.Get("/readyz", func(c *fiber.Ctx) error {
		if err := ready(c.UserContext()); err != nil {
			return Errorf(Unavailable, "A server that this one needs can't be reached.").RetryAfter(1).Because(err)
		}
		return Send(c, fiber.StatusOK, Health{Status: "ready"})
	})
}

// Health is the answer of the health checks.
type Health struct {
	Status string `json:"status"`
}

// Link is one route in the list that GET / answers.
type Link struct {
	Method string `json:"method"`
	Href   string `json:"href"`
}

// Index is the answer of GET /: what this server can do, for a person who looks around.
type Index struct {
	Server        string `json:"server"`
	Documentation string `json:"documentation"`
	Routes        []Link `json:"routes"`
}

func (s *Server) index(c *fiber.Ctx) error {
	return Send(c, fiber.StatusOK, Index{Server: "freshet " + s.cfg.Name, Documentation: "/openapi.yaml", Routes: s.Routes()})
}

// Routes lists the server's routes by path, in the form the OpenAPI file writes them: "/api/v1/stores/{store}".
func (s *Server) Routes() []Link {
	var links []Link
	for _, r := range s.app.GetRoutes(true) {
		if r.Method != fiber.MethodHead {
			links = append(links, Link{Method: r.Method, Href: template(r.Path)})
		}
	}
	slices.SortFunc(links, func(a, b Link) int {
		return compare(a.Href, b.Href, a.Method, b.Method)
	})
	return links
}

// Run listens at the configured address and serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for the %s server: %w", s.cfg.Name, err)
	}
	return s.Serve(ctx, ln)
}

// Serve answers requests from ln until ctx ends, then stops taking new ones and finishes those it has begun.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.cfg.Log.Info("serving", "server", s.cfg.Name, "address", ln.Addr().String())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := s.app.Listener(ln); err != nil {
			return fmt.Errorf("serve %s at %s: %w", s.cfg.Name, ln.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		// Requests in flight have contexts of their own, which this cancellation doesn't touch.
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
		defer cancel()
		if err := s.app.ShutdownWithContext(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("stop the %s server: %w", s.cfg.Name, err)
		}
		// The shutdown does nothing to a listener that isn't being served yet; closed, it ends the serving before it began.
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("close the %s server's listener: %w", s.cfg.Name, err)
		}
		return nil
	})
	return g.Wait()
}

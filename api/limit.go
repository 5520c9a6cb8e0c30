package api

import (
	"context"
	"math"
	"time"

	"github.com/gofiber/fiber/v2"
)

// inFlight caps the requests that run at once. One too many is refused at once: a queue in front of a slow store only
// makes every answer late.
type inFlight chan struct{}

func (f inFlight) handle(c *fiber.Ctx) error {
	select {
	case f <- struct{}{}:
		defer func() { <-f }()
		return c.Next()
	default:
		return Errorf(Busy, "This server runs %d requests at once and has no room for another.", cap(f)).RetryAfter(1)
	}
}

// limiter says whether all the keys may go on, and if not, after how long to ask again. Package limit has two.
type limiter interface {
	Take(ctx context.Context, keys ...string) (wait time.Duration, ok bool)
}

// Later makes the error for who asks too often, and says after how long to ask again.
func Later(wait time.Duration, format string, args ...any) *Error {
	return Errorf(TooMany, format, args...).RetryAfter(int(math.Ceil(wait.Seconds())))
}

// addresses is the handler that limits each client address.
func addresses(l limiter, p proxies) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if wait, ok := l.Take(c.UserContext(), subscriber(p.client(c))); !ok {
			return Later(wait, "This client sends more requests than it may.")
		}
		return c.Next()
	}
}

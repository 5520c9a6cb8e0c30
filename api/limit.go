package api

import (
	"hash/maphash"
	"math"
	"sync/atomic"
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

// rateSlots is how many clients are told apart. The table never grows, whatever addresses come; two clients whose
// addresses share a slot share its allowance, and the seed keeps an attacker from choosing whose.
const rateSlots = 1 << 14

// Rate limits each client by the generic cell rate algorithm: a slot holds the time at which its allowance is full again.
type Rate struct {
	seed  maphash.Seed
	slots [rateSlots]atomic.Int64
	each  time.Duration // what one request costs
	burst time.Duration // how far ahead of now a slot may be
	now   func() time.Time
}

// NewRate returns a Rate that lets each client do something so often per second, and burst times at once.
func NewRate(perSecond float64, burst int) *Rate {
	each := time.Duration(float64(time.Second) / perSecond)
	return &Rate{seed: maphash.MakeSeed(), each: each, burst: each * time.Duration(burst), now: time.Now}
}

// Take reports whether the client may go on, and if not, after how long it may.
func (r *Rate) Take(client string) (wait time.Duration, ok bool) {
	slot := r.slot(client)
	for {
		now, full := r.now().UnixNano(), slot.Load()
		next := max(now, full) + int64(r.each)
		if ahead := time.Duration(next - now); ahead > r.burst {
			return ahead - r.burst, false
		}
		if slot.CompareAndSwap(full, next) {
			return 0, true
		}
	}
}

func (r *Rate) slot(client string) *atomic.Int64 {
	return &r.slots[maphash.String(r.seed, client)%rateSlots]
}

func (r *Rate) handle(c *fiber.Ctx) error {
	// The socket's address, never a header: anyone can write X-Forwarded-For.
	if wait, ok := r.Take(c.Context().RemoteIP().String()); !ok {
		return Errorf(TooMany, "This client sends more requests than it may.").RetryAfter(int(math.Ceil(wait.Seconds())))
	}
	return c.Next()
}

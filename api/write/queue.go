package write

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"freshet/api"
)

// While Postgres is away, orders are taken into a queue and answered 202. They are the same requests under the same keys:
// placing one later is carrying the request out, so one that was carried out before, by whichever way, is answered and
// not done again, and one whose prices or stock have changed is refused as it would have been at once.

// Queued is an order that waits for the database.
type Queued struct {
	// ID follows from route, customer and key, so the same request has the same wherever it is taken.
	ID       string          `json:"id"`
	Route    string          `json:"route"` // checkout or orders
	Customer int64           `json:"customer"`
	Key      string          `json:"key"`
	Request  json.RawMessage `json:"request"`
	Accepted time.Time       `json:"accepted"`
}

// queue keeps orders durably and in their order. Package api/queue has one on Kafka.
type queue interface {
	// Waiting says whether there are orders in it: then the next ones go behind them.
	Waiting() bool
	// Add keeps the order durably before it returns. An order that waits already, with the same request, is not added
	// again; with another, the error is ErrOtherRequest.
	Add(ctx context.Context, q Queued) (replayed bool, err error)
	// Find returns an order that waits.
	Find(id string) (Queued, bool)
	// Ready says whether it takes orders.
	Ready(ctx context.Context) error
}

// ErrOtherRequest says that an order with the same key and another body waits in the queue.
var ErrOtherRequest = errors.New("another request with this key is queued")

// QueuedOrder is what the API says of an order that was taken while the database was away.
type QueuedOrder struct {
	ID       string    `json:"id"`
	State    string    `json:"state"` // queued, placed or refused
	Accepted time.Time `json:"accepted_at"`
	Order    *int64    `json:"order,omitempty"`
	// Problem is why it was refused, as the request would have been answered.
	Problem json.RawMessage `json:"problem,omitempty"`
}

// patience is how long an order may take before somebody looks whether Postgres is there at all.
const patience = 2 * time.Second

// placing is an order request on its way, by either way.
type placing struct {
	route    string
	customer int64
	key      string
	request  any
	place    func(ctx context.Context) (answer, string, error)
	location func(a answer) string
}

// placeOrQueue carries the request out, or takes it into the queue when Postgres can't be reached. Whether what was tried
// took effect need not be known: the key will tell. Behind orders that wait, the next wait too, so that nobody who comes
// later is served first.
func (s *Shop) placeOrQueue(c *fiber.Ctx, p placing) error {
	ctx := c.UserContext()
	if s.queue == nil {
		return p.answer(ctx, c)
	}
	if !s.queue.Waiting() {
		away, err := s.tryDirectly(ctx, func(ctx context.Context) error { return p.answer(ctx, c) })
		if err == nil || !away {
			return err
		}
	}
	q, err := p.queued()
	if err != nil {
		return err
	}
	replayed, err := s.queue.Add(ctx, q)
	switch {
	case errors.Is(err, ErrOtherRequest):
		return api.Errorf(api.KeyReused, "A request with this key and another body is queued; take a new key for a new request.").At(headerKey)
	case err != nil:
		return api.Errorf(api.Unavailable, "Neither the database nor the queue for orders can be reached. Send the request again under the same key.").RetryAfter(2).Because(err)
	}
	a, err := made(http.StatusAccepted, 0, QueuedOrder{ID: q.ID, State: "queued", Accepted: q.Accepted})
	if err != nil {
		return err
	}
	a.replayed = replayed
	return reply(c, a, "", "/api/v1/queued/"+q.ID)
}

// tryDirectly runs f and says whether Postgres can't be reached. When f takes long that is looked at while it runs, and f
// is given up: a server that hangs must not take the time that the queue needs.
func (s *Shop) tryDirectly(ctx context.Context, f func(ctx context.Context) error) (away bool, err error) {
	attempt, giveUp := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-attempt.Done():
			return
		case <-timer.C:
		}
		if away = s.away(attempt) && attempt.Err() == nil; away {
			giveUp()
		}
	})
	err = f(attempt)
	giveUp()
	watch.Wait()
	return away || api.KindOf(err) == api.Unavailable && s.away(ctx), err
}

// answer carries the request out.
func (p placing) answer(ctx context.Context, c *fiber.Ctx) error {
	a, position, err := p.place(ctx)
	if err != nil {
		return err
	}
	return reply(c, a, position, p.location(a))
}

// away says whether Postgres can't be reached. One that is only slow, or short of connections, is there: its orders are not
// to be taken by another way.
func (s *Shop) away(ctx context.Context) bool {
	brief, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	conn, err := pgx.ConnectConfig(brief, s.pool.Config().ConnConfig)
	if err != nil {
		says := new(pgconn.PgError)
		// 57P03: it starts, or ends.
		return !errors.As(err, &says) || says.Code[:2] == "57"
	}
	return conn.Close(brief) != nil
}

func (p placing) queued() (Queued, error) {
	request, err := json.Marshal(p.request)
	if err != nil {
		return Queued{}, fmt.Errorf("encode the order for the queue: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%s", p.route, p.customer, p.key))
	return Queued{
		ID: hex.EncodeToString(sum[:16]), Route: p.route, Customer: p.customer, Key: p.key, Request: request, Accepted: time.Now().UTC().Truncate(time.Millisecond),
	}, nil
}

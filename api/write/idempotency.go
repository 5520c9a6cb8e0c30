package write

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"freshet/api"
)

const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotent-Replayed"
)

var keyPattern = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`)

// idempotencyKey reads the header; required says whether the route can do without.
func idempotencyKey(c *fiber.Ctx, required bool) (string, error) {
	key := c.Get(headerKey)
	if key == "" && !required {
		return "", nil
	}
	if !keyPattern.MatchString(key) {
		return "", api.Errorf(api.Invalid, "Send the header %s, 1 to 255 visible ASCII characters that no other request has: "+
			"with it a request may be repeated and is carried out once.", headerKey).At(headerKey)
	}
	return key, nil
}

// answer is what a request is answered with, now and when it is repeated.
type answer struct {
	status   int
	body     []byte
	id       int64 // of what was made, for the Location header
	replayed bool
}

// once runs do unless a request with this scope and key has been carried out; then it returns the answer of that one. The
// key is inserted in do's own transaction: it exists if and only if the effect does, and of two requests at once the
// second waits for the first at the unique index. A request that fails leaves no key, so it may be tried again.
//
// The insert goes ahead of do's first statements, in their round trip. When the key turns out to be there they fail with
// errCarriedOut, and the transaction is rolled back and run again by whoever began it, the key first.
//
// The scope binds a key to a route and a customer: one customer's key says nothing about another's.
func once(ctx context.Context, tx *unit, scope, key string, request any, do func() (answer, error)) (answer, error) {
	if key == "" {
		return do()
	}
	// The decoded request is what counts, not its bytes: white space and the order of members may differ.
	canonical, err := json.Marshal(request)
	if err != nil {
		return answer{}, fmt.Errorf("fingerprint the request: %w", err)
	}
	fingerprint := sha256.Sum256(canonical)
	const insert = `insert into idempotency_keys (scope, key, fingerprint) values ($1, $2, $3) on conflict do nothing`
	tx.ahead(insert, scope, key, fingerprint[:]).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return errCarriedOut
		}
		return nil
	})
	if tx.again {
		if err := tx.flush(ctx); errors.Is(err, errCarriedOut) {
			return replay(ctx, tx, scope, key, fingerprint)
		} else if err != nil {
			return answer{}, fmt.Errorf("insert the idempotency key: %w", err)
		}
	}
	a, err := do()
	if err != nil {
		return answer{}, err
	}
	const finish = `update idempotency_keys set state = 'done', response_status = $3, response_body = $4 where scope = $1 and key = $2`
	tx.atCommit().Queue(finish, scope, key, a.status, a.body)
	return a, nil
}

// errCarriedOut is what a transaction ends with that did what was done before.
var errCarriedOut = errors.New("the request has been carried out")

func replay(ctx context.Context, tx pgx.Tx, scope, key string, fingerprint [sha256.Size]byte) (answer, error) {
	const query = `select fingerprint, response_status, response_body from idempotency_keys where scope = $1 and key = $2`
	a, stored := answer{replayed: true}, []byte(nil)
	if err := tx.QueryRow(ctx, query, scope, key).Scan(&stored, &a.status, &a.body); err != nil {
		return answer{}, fmt.Errorf("read the answer of the idempotency key: %w", err)
	}
	if string(stored) != string(fingerprint[:]) {
		return answer{}, api.Errorf(api.KeyReused, "A request with this key and another body was carried out before; "+
			"take a new key for a new request.").At(headerKey)
	}
	var made struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(a.body, &made); err != nil {
		return answer{}, fmt.Errorf("read the stored answer: %w", err)
	}
	a.id = made.ID
	return a, nil
}

// answerOnce runs do in a transaction and answers with what it made; a request with an idempotency key that was carried
// out before is answered as it was then. The scope is the caller's own.
func (s *Shop) answerOnce(c *fiber.Ctx, scope string, request any, do func(ctx context.Context, tx pgx.Tx) (answer, error)) error {
	key, err := idempotencyKey(c, false)
	if err != nil {
		return err
	}
	var a answer
	ctx := c.UserContext()
	position, err := s.transact(ctx, func(tx *unit) (err error) {
		a, err = once(ctx, tx, scope+"/"+callerOf(c).String(), key, request, func() (answer, error) { return do(ctx, tx) })
		return err
	})
	if err != nil {
		return err
	}
	s.poke()
	return reply(c, a, position, "")
}

// made is the answer for a document.
func made(status int, id int64, document any) (answer, error) {
	body, err := api.Encode(document)
	if err != nil {
		return answer{}, err
	}
	return answer{status: status, body: body, id: id}, nil
}

// reply sends the answer; location is the path of what was made, "" for none.
func reply(c *fiber.Ctx, a answer, position, location string) error {
	if position != "" {
		c.Set(headerPosition, position)
	}
	if a.replayed {
		c.Set(headerReplayed, "true")
	}
	if location != "" {
		c.Set(fiber.HeaderLocation, location)
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	return c.Status(a.status).Send(a.body)
}

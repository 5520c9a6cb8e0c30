package write

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"freshet/api"
)

// SessionRequest is the body of POST /sessions: somebody signs in.
type SessionRequest struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// RefreshRequest is the body of POST /sessions/refresh and of POST /sessions/end.
type RefreshRequest struct {
	Refresh string `json:"refresh_token"`
}

// Session is the answer: the token for requests, and the one that gets the next.
type Session struct {
	Account Account `json:"account"`
	Access  string  `json:"access_token"`
	// ExpiresIn is for how many seconds the access token is good.
	ExpiresIn int64  `json:"expires_in"`
	Refresh   string `json:"refresh_token"`
}

func (s *Shop) postSession(c *fiber.Ctx) error {
	if s.issuer == nil {
		return api.Errorf(api.Unavailable, "This server has no key to sign tokens with.")
	}
	var r SessionRequest
	if err := api.Body(c, &r); err != nil {
		return err
	}
	var ch check
	ch.text("email", r.Email, 1, 254)
	ch.password("password", r.Password)
	if err := ch.err(); err != nil {
		return err
	}
	ctx := c.UserContext()
	if err := s.limits.signIn(ctx, r.Email); err != nil {
		return err
	}
	account, digest, err := s.accountBy(ctx, r.Email)
	if err != nil {
		return err
	}
	good, err := s.hashing.matches(ctx, r.Password, digest)
	if err != nil {
		return err
	}
	if !good {
		return api.Errorf(api.SignIn, "No account has this address and password.")
	}
	return s.answerSession(c, func(ctx context.Context, tx pgx.Tx) (*Session, error) {
		return s.begin(ctx, tx, account, nil)
	})
}

func (s *Shop) answerSession(c *fiber.Ctx, f func(context.Context, pgx.Tx) (*Session, error)) error {
	var session *Session
	ctx := c.UserContext()
	_, err := s.transact(ctx, func(tx *unit) (err error) {
		session, err = f(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	// Committed with no session: a token was used twice, and its family ended with that.
	if session == nil {
		return api.Errorf(api.SignIn, "This refresh token isn't good, or not any more. Sign in again.")
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return api.Send(c, http.StatusOK, session)
}

// begin issues both tokens. family names the session that a refresh goes on with; nil begins one.
func (s *Shop) begin(ctx context.Context, tx pgx.Tx, account Account, family *string) (*Session, error) {
	access, err := s.issuer.Issue(account.claims())
	if err != nil {
		return nil, err
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	refresh := base64.RawURLEncoding.EncodeToString(b[:])
	const insert = `insert into sessions (digest, family, account_id) values ($1, coalesce($2::uuid, gen_random_uuid()), $3)`
	if _, err := tx.Exec(ctx, insert, digest(refresh), family, account.ID); err != nil {
		return nil, fmt.Errorf("begin a session of account %d: %w", account.ID, err)
	}
	return &Session{Account: account, Access: access, ExpiresIn: int64(s.issuer.Life().Seconds()), Refresh: refresh}, nil
}

func readRefresh(c *fiber.Ctx) (*RefreshRequest, error) {
	var r RefreshRequest
	if err := api.Body(c, &r); err != nil {
		return nil, err
	}
	var ch check
	ch.text("refresh_token", r.Refresh, 43, 43)
	return &r, ch.err()
}

// postRefresh changes a refresh token for a new pair. Each is good once: of a token that comes again somebody has a copy,
// and it can't be told which of the two is the thief, so the whole session ends.
func (s *Shop) postRefresh(c *fiber.Ctx) error {
	if s.issuer == nil {
		return api.Errorf(api.Unavailable, "This server has no key to sign tokens with.")
	}
	r, err := readRefresh(c)
	if err != nil {
		return err
	}
	return s.answerSession(c, func(ctx context.Context, tx pgx.Tx) (*Session, error) { return s.refresh(ctx, tx, digest(r.Refresh)) })
}

func (s *Shop) refresh(ctx context.Context, tx pgx.Tx, token []byte) (*Session, error) {
	if err := lockSessions(ctx, tx, token); err != nil {
		return nil, err
	}
	const query = `select s.family::text, s.used_at is not null, a.id, a.role, a.seller_id from sessions s join accounts a on a.id = s.account_id
		where s.digest = $1 and s.expires_at > now() and a.active for update of s`
	var family string
	var used bool
	var account Account
	err := tx.QueryRow(ctx, query, token).Scan(&family, &used, &account.ID, &account.Role, &account.SellerID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find a session: %w", err)
	}
	if used {
		s.log.Warn("refresh token used twice", "account", account.ID)
		return nil, endSession(ctx, tx, token)
	}
	if _, err := tx.Exec(ctx, `update sessions set used_at = now() where digest = $1`, token); err != nil {
		return nil, fmt.Errorf("use a session of account %d: %w", account.ID, err)
	}
	return s.begin(ctx, tx, account, &family)
}

// lockSessions makes those who refresh and end sessions of one account take turns. Without it the end of a session doesn't
// see the token that a refresh is just inserting, and the thief's copy outlives it.
func lockSessions(ctx context.Context, tx pgx.Tx, token []byte) error {
	const query = `select 1 from accounts where id = (select account_id from sessions where digest = $1) for no key update`
	if _, err := tx.Exec(ctx, query, token); err != nil {
		return fmt.Errorf("lock the sessions of an account: %w", err)
	}
	return nil
}

// endSession forgets every token of the session that the token belongs to. The caller has the account's sessions locked.
func endSession(ctx context.Context, tx pgx.Tx, token []byte) error {
	const del = `delete from sessions where family = (select family from sessions where digest = $1)`
	if _, err := tx.Exec(ctx, del, token); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// postSignOut ends a session. Access tokens of it that are out go on until their minutes are over.
func (s *Shop) postSignOut(c *fiber.Ctx) error {
	r, err := readRefresh(c)
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	if _, err := s.transact(ctx, func(tx *unit) error {
		if err := lockSessions(ctx, tx, digest(r.Refresh)); err != nil {
			return err
		}
		return endSession(ctx, tx, digest(r.Refresh))
	}); err != nil {
		return err
	}
	return c.SendStatus(http.StatusNoContent)
}

// forgetSessions deletes refresh tokens past their time.
func (s *Shop) forgetSessions(ctx context.Context) (bool, error) {
	const batch = `delete from sessions where digest in (select digest from sessions where expires_at <= now() limit $1)`
	tag, err := s.pool.Exec(ctx, batch, sweepBatch)
	return err == nil && tag.RowsAffected() >= sweepBatch, err
}

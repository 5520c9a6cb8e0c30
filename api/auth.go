package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// ErrNoToken is returned by Guard for a server without one: routes that should be guarded must not be open by accident.
var ErrNoToken = errors.New("no bearer token is configured")

// minToken is the fewest characters a token may have; guessing a shorter one is no work.
const minToken = 16

// Bearer returns the token that the request carries, "" for none.
func Bearer(c *fiber.Ctx) string {
	scheme, token, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// TokenCheck returns what says whether a bearer token is the server's.
func (s *Server) TokenCheck() (func(token string) bool, error) {
	if s.cfg.Token == "" {
		return nil, ErrNoToken
	}
	if len(s.cfg.Token) < minToken {
		return nil, errors.New("the bearer token is shorter than 16 characters")
	}
	// Digests have one length, so that the comparison's time says nothing about the token's.
	want := sha256.Sum256([]byte(s.cfg.Token))
	return func(token string) bool {
		got := sha256.Sum256([]byte(token))
		return subtle.ConstantTimeCompare(want[:], got[:]) == 1
	}, nil
}

// Guard returns a handler that lets only requests with the server's bearer token pass.
func (s *Server) Guard() (fiber.Handler, error) {
	matches, err := s.TokenCheck()
	if err != nil {
		return nil, err
	}
	return func(c *fiber.Ctx) error {
		if !matches(Bearer(c)) {
			return Errorf(Unauthorized, "Send the header `Authorization: Bearer <token>` with this server's token.")
		}
		return c.Next()
	}, nil
}

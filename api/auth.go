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

// Guard returns a handler that lets only requests with the server's bearer token pass.
func (s *Server) Guard() (fiber.Handler, error) {
	if s.cfg.Token == "" {
		return nil, ErrNoToken
	}
	if len(s.cfg.Token) < minToken {
		return nil, errors.New("the bearer token is shorter than 16 characters")
	}
	// Digests have one length, so that the comparison's time says nothing about the token's.
	want := sha256.Sum256([]byte(s.cfg.Token))
	return func(c *fiber.Ctx) error {
		scheme, token, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(token)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return Errorf(Unauthorized, "Send the header `Authorization: Bearer <token>` with this server's token.")
		}
		return c.Next()
	}, nil
}

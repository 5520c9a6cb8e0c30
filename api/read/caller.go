package read

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/api/auth"
)

// caller is whose token a request carries; the zero caller carries none.
type caller struct {
	role    auth.Role
	account int64
	seller  int64 // whose products a seller keeps
}

// private makes a route that only accounts of the roles may call. What of it is theirs is decided by the handler, by
// ownership: whatever isn't is not found.
func (s *Shop) private(stages []string, f handler, roles ...auth.Role) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who, err := s.identify(api.Bearer(c))
		switch {
		case err != nil:
			return err
		case who.role == "":
			return api.Errorf(api.Unauthorized, "Send the header `Authorization: Bearer <token>` with an account's token.")
		case !slices.Contains(roles, who.role):
			return api.Errorf(api.Forbidden, "This isn't for the role %s.", who.role)
		}
		return s.answer(c, stages, who, f)
	}
}

// anyone makes a route that anybody may call, and that knows who does if they say so.
func (s *Shop) anyone(stages []string, f handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who, err := s.identify(api.Bearer(c))
		if err != nil {
			return err
		}
		return s.answer(c, stages, who, f)
	}
}

// identify believes a token or refuses it; no token is nobody.
func (s *Shop) identify(token string) (caller, error) {
	if token == "" {
		return caller{}, nil
	}
	refused := api.Errorf(api.Unauthorized, "The bearer token isn't good, or not any more.")
	if s.cfg.Verifier == nil {
		return caller{}, refused
	}
	claims, err := s.cfg.Verifier.Verify(token)
	if err != nil {
		return caller{}, refused.Because(err)
	}
	account, err := claims.Account()
	if err != nil {
		return caller{}, refused.Because(err)
	}
	return caller{role: claims.Role, account: account, seller: claims.Seller}, nil
}

// account is whose things the request is about: the caller's own, or for support those of the account that the parameter
// names, and for who reads data where the things are a seller's. Nobody else has the parameter. A customer's account has the customer's id; a seller may have several accounts, so
// theirs says whose they are.
func (r *request) account(parameter string) int64 {
	switch r.who.role {
	case auth.Support, auth.Data:
	case auth.Seller:
		return r.who.seller
	default:
		return r.who.account
	}
	if !r.query.values.Has(parameter) {
		r.query.fail(parameter, "The parameter %s must say whose.", parameter)
		return 0
	}
	return r.query.integer(parameter, 1, maxID, 0)
}

// maxID is the largest id there can be.
const maxID = 1<<63 - 1

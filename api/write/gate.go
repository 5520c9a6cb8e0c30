package write

import (
	"fmt"
	"slices"

	"github.com/gofiber/fiber/v2"

	"freshet/api"
	"freshet/api/auth"
)

// The callers that have no account.
const (
	guest   auth.Role = "guest"   // nobody said who it is
	service auth.Role = "service" // a system of the shop, with the server's own token
)

// caller is who a request comes from. account is 0 for guests and services.
type caller struct {
	role    auth.Role
	account int64
	seller  int64 // whose products a seller keeps, 0 for other roles
	request string
}

// owns is the seller whose things the caller may change; nil for those who may change anyone's. Queries ask for it as
// `$n::bigint is null or seller_id = $n`: what another owns is then not found.
func (c caller) owns() *int64 {
	if c.role != auth.Seller {
		return nil
	}
	return &c.seller
}

// String names the caller in the ledger and in keys.
func (c caller) String() string { return fmt.Sprintf("%s/%d", c.role, c.account) }

// gate knows callers by what they send as bearer token.
type gate struct {
	service  func(token string) bool
	verifier *auth.Verifier // nil where no accounts are configured
	limits   Limits
}

// allow returns a handler that lets only the roles pass, and that every route has: what it doesn't name is closed.
func (g *gate) allow(roles ...auth.Role) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who, err := g.identify(api.Bearer(c), c.Get(fiber.HeaderAuthorization) != "")
		if err != nil {
			return err
		}
		switch {
		case slices.Contains(roles, who.role):
			if err := g.limits.account(c.UserContext(), who); err != nil {
				return err
			}
			who.request = api.RequestID(c)
			c.Locals(callerKey{}, who)
			return c.Next()
		case who.role == guest:
			return api.Errorf(api.Unauthorized, "Send the header `Authorization: Bearer <token>`.")
		default:
			return api.Errorf(api.Forbidden, "This isn't for the role %s.", who.role)
		}
	}
}

func (g *gate) identify(token string, sent bool) (caller, error) {
	if !sent {
		return caller{role: guest}, nil
	}
	if g.service(token) {
		return caller{role: service}, nil
	}
	refused := api.Errorf(api.Unauthorized, "The bearer token isn't good, or not any more.")
	if g.verifier == nil {
		return caller{}, refused
	}
	claims, err := g.verifier.Verify(token)
	if err != nil {
		return caller{}, refused.Because(err)
	}
	account, err := claims.Account()
	if err != nil {
		return caller{}, refused.Because(err)
	}
	return caller{role: claims.Role, account: account, seller: claims.Seller}, nil
}

type callerKey struct{}

// callerOf returns whom the gate let pass.
func callerOf(c *fiber.Ctx) caller {
	who, ok := c.Locals(callerKey{}).(caller)
	if !ok {
		return caller{role: guest}
	}
	return who
}

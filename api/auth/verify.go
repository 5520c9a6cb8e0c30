// Package auth says who a request comes from: it issues the access tokens of accounts and verifies them.
//
// api/write issues and verifies, api/read only verifies. Tokens are JWT signed with Ed25519, so that a server that verifies
// can't issue. Guarantees: a token is good for one issuer, one audience and a few minutes; its key is one of those the
// verifier was given, named by `kid`, and no header can choose another algorithm.
package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Role is what an account may do.
type Role string

// The roles of accounts.
const (
	Customer Role = "customer" // buys
	Seller   Role = "seller"   // keeps the products of one seller
	Support  Role = "support"  // helps customers: cancels, refunds, receives returns
	Data     Role = "data"     // reads what the shop sells and has, and nothing of customers
)

var roles = []Role{Customer, Seller, Support, Data}

const (
	issuer   = "freshet"
	audience = "freshet-api"
	leeway   = 30 * time.Second // between the clocks of the server that issued and of this one
)

// Claims are what a token says of its bearer. Subject is the account's id in decimal; a customer's account has the
// customer's id.
type Claims struct {
	Subject string
	Role    Role
	// Seller is whose products a seller's account keeps; 0 for every other role.
	Seller int64
}

// check wants the role to be one, and a seller's account to say whose.
func (c Claims) check() error {
	if !slices.Contains(roles, c.Role) {
		return fmt.Errorf("there is no role %.20q", c.Role)
	}
	if c.Seller < 0 || (c.Role == Seller) != (c.Seller != 0) {
		return fmt.Errorf("the role %s can't be of seller %d", c.Role, c.Seller)
	}
	_, err := c.Account()
	return err
}

// Account is the subject as a number.
func (c Claims) Account() (int64, error) {
	id, err := strconv.ParseInt(c.Subject, 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("the subject %.20q isn't an account", c.Subject)
	}
	return id, nil
}

// token is the form of the claims on the wire.
type token struct {
	Role   Role  `json:"role"`
	Seller int64 `json:"seller,omitempty"`
	jwt.RegisteredClaims
}

// Verifier tells good tokens from others.
type Verifier struct {
	keys   map[string]ed25519.PublicKey
	parser *jwt.Parser
}

// NewVerifier returns a Verifier that accepts tokens signed by one of the keys, which are named by their `kid`. Several
// are for the time of a change: the new key is first accepted everywhere, then used.
func NewVerifier(keys map[string]ed25519.PublicKey) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("a verifier needs at least one key")
	}
	for kid, key := range keys {
		if kid == "" || len(key) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("key %q isn't a named Ed25519 public key", kid)
		}
	}
	return &Verifier{keys: keys, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
	)}, nil
}

// Verify returns what the token says, or why it isn't to be believed.
func (v *Verifier) Verify(signed string) (Claims, error) {
	var t token
	if _, err := v.parser.ParseWithClaims(signed, &t, v.key); err != nil {
		return Claims{}, fmt.Errorf("verify the token: %w", err)
	}
	claims := Claims{Subject: t.Subject, Role: t.Role, Seller: t.Seller}
	if err := claims.check(); err != nil {
		return Claims{}, fmt.Errorf("verify the token: %w", err)
	}
	return claims, nil
}

func (v *Verifier) key(t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	key, ok := v.keys[kid]
	if !ok {
		return nil, fmt.Errorf("no key is named %.64q", kid)
	}
	return key, nil
}

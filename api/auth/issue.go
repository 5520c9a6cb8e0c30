package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer signs tokens.
type Issuer struct {
	kid  string
	key  ed25519.PrivateKey
	life time.Duration
}

// NewIssuer returns an Issuer whose tokens are signed by the key of that name and good for life. A token can't be called
// back, so life is how long an account that was closed can go on.
func NewIssuer(kid string, key ed25519.PrivateKey, life time.Duration) (*Issuer, error) {
	if kid == "" || len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("an issuer needs a named Ed25519 private key")
	}
	if life < time.Second || life > time.Hour {
		return nil, fmt.Errorf("tokens live from a second to an hour, not %s", life)
	}
	return &Issuer{kid: kid, key: key, life: life}, nil
}

// Life is how long a token is good for.
func (i *Issuer) Life() time.Duration { return i.life }

// Issue signs a token for the claims.
func (i *Issuer) Issue(c Claims) (string, error) {
	if err := c.check(); err != nil {
		return "", fmt.Errorf("issue a token: %w", err)
	}
	now := time.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, token{Role: c.Role, Seller: c.Seller, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: c.Subject,
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(i.life)),
	}})
	t.Header["kid"] = i.kid
	signed, err := t.SignedString(i.key)
	if err != nil {
		return "", fmt.Errorf("sign a token for %s %s: %w", c.Role, c.Subject, err)
	}
	return signed, nil
}

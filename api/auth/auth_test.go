package auth_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"freshet/api/auth"
)

func key(t *testing.T) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func TestIssuedIsVerified(t *testing.T) {
	public, private := key(t)
	issuer, err := auth.NewIssuer("a", private, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(map[string]ed25519.PublicKey{"a": public})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []auth.Claims{{Subject: "7", Role: auth.Customer}, {Subject: "8", Role: auth.Seller, Seller: 3}} {
		signed, err := issuer.Issue(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := verifier.Verify(signed)
		if err != nil || got != want {
			t.Errorf("verified %+v, %v; want %+v", got, err, want)
		}
	}
	for _, wrong := range []auth.Claims{
		{Subject: "7", Role: auth.Seller},
		{Subject: "7", Role: auth.Customer, Seller: 3},
		{Subject: "7", Role: auth.Seller, Seller: -3},
		{Subject: "7", Role: "root"},
		{Subject: "x", Role: auth.Data},
	} {
		if _, err := issuer.Issue(wrong); err == nil {
			t.Errorf("issued %+v", wrong)
		}
	}
}

// TestForgeriesAreRefused signs what a forger could: each token differs from a good one in one thing.
func TestForgeriesAreRefused(t *testing.T) {
	public, private := key(t)
	_, stranger := key(t)
	verifier, err := auth.NewVerifier(map[string]ed25519.PublicKey{"a": public})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"iss": "freshet", "aud": "freshet-api", "sub": "7", "role": "customer", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	}
	sign := func(method jwt.SigningMethod, kid any, signer any, change func(jwt.MapClaims)) string {
		claims := good()
		if change != nil {
			change(claims)
		}
		token := jwt.NewWithClaims(method, claims)
		if kid != nil {
			token.Header["kid"] = kid
		}
		signed, err := token.SignedString(signer)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	set := func(name string, value any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = value } }
	if _, err := verifier.Verify(sign(jwt.SigningMethodEdDSA, "a", private, nil)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for name, signed := range map[string]string{
		"another's signature":       sign(jwt.SigningMethodEdDSA, "a", stranger, nil),
		"a key of another name":     sign(jwt.SigningMethodEdDSA, "b", private, nil),
		"no key name":               sign(jwt.SigningMethodEdDSA, nil, private, nil),
		"a number for a key name":   sign(jwt.SigningMethodEdDSA, 1, private, nil),
		"no signature":              sign(jwt.SigningMethodNone, "a", jwt.UnsafeAllowNoneSignatureType, nil),
		"the public key as secret":  sign(jwt.SigningMethodHS256, "a", []byte(public), nil),
		"another issuer":            sign(jwt.SigningMethodEdDSA, "a", private, set("iss", "someone")),
		"another audience":          sign(jwt.SigningMethodEdDSA, "a", private, set("aud", "other")),
		"expired":                   sign(jwt.SigningMethodEdDSA, "a", private, set("exp", now.Add(-time.Minute).Unix())),
		"without an end":            sign(jwt.SigningMethodEdDSA, "a", private, func(c jwt.MapClaims) { delete(c, "exp") }),
		"of the future":             sign(jwt.SigningMethodEdDSA, "a", private, set("iat", now.Add(time.Hour).Unix())),
		"a role that isn't":         sign(jwt.SigningMethodEdDSA, "a", private, set("role", "root")),
		"a seller of nobody":        sign(jwt.SigningMethodEdDSA, "a", private, set("role", "seller")),
		"a customer of a seller":    sign(jwt.SigningMethodEdDSA, "a", private, set("seller", 1)),
		"a subject that isn't":      sign(jwt.SigningMethodEdDSA, "a", private, set("sub", "7 or 1=1")),
		"a subject below the first": sign(jwt.SigningMethodEdDSA, "a", private, set("sub", "0")),
		"garbage":                   "a.b.c",
		"nothing":                   "",
	} {
		if claims, err := verifier.Verify(signed); err == nil {
			t.Errorf("%s: believed, as %+v", name, claims)
		}
	}
}

package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// ParseKeys reads the public keys of a JWK set (RFC 7517): Ed25519 keys (RFC 8037), each with a kid of its own. A set with a
// private key in it is refused, since whoever verifies must not be able to issue.
func ParseKeys(jwks []byte) (map[string]ed25519.PublicKey, error) {
	var set struct {
		Keys []struct {
			Kty string `json:"kty"`
			Crv string `json:"crv"`
			Kid string `json:"kid"`
			X   string `json:"x"`
			D   string `json:"d"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, fmt.Errorf("read the JWK set: %w", err)
	}
	keys := make(map[string]ed25519.PublicKey, len(set.Keys))
	for i, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		switch {
		case k.D != "":
			return nil, fmt.Errorf("key %d of the JWK set is private: give the public ones alone", i)
		case err != nil || k.Kty != "OKP" || k.Crv != "Ed25519" || len(x) != ed25519.PublicKeySize || k.Kid == "":
			return nil, fmt.Errorf("key %d of the JWK set isn't a named Ed25519 public key", i)
		case keys[k.Kid] != nil:
			return nil, fmt.Errorf("two keys of the JWK set are called %.64q", k.Kid)
		}
		keys[k.Kid] = x
	}
	return keys, nil
}

package auth_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"freshet/api/auth"
)

func TestParseKeys(t *testing.T) {
	public, _ := key(t)
	x := base64.RawURLEncoding.EncodeToString(public)
	one := func(kid, crv, rest string) string {
		return fmt.Sprintf(`{"kty":"OKP","crv":%q,"kid":%q,"x":%q%s}`, crv, kid, x, rest)
	}
	keys, err := auth.ParseKeys([]byte(`{"keys":[` + one("a", "Ed25519", "") + `,` + one("b", "Ed25519", `,"use":"sig"`) + `]}`))
	if err != nil || len(keys) != 2 || !public.Equal(keys["b"]) {
		t.Errorf("keys %v, %v", keys, err)
	}
	for name, set := range map[string]string{
		"no JSON":         `keys`,
		"a private key":   `{"keys":[` + one("a", "Ed25519", `,"d":"AAAA"`) + `]}`,
		"another curve":   `{"keys":[` + one("a", "X25519", "") + `]}`,
		"no name":         `{"keys":[` + one("", "Ed25519", "") + `]}`,
		"one name twice":  `{"keys":[` + one("a", "Ed25519", "") + `,` + one("a", "Ed25519", "") + `]}`,
		"a short key":     `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AAAA"}]}`,
		"not base64":      `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"??"}]}`,
		"a symmetric key": `{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}`,
	} {
		if keys, err := auth.ParseKeys([]byte(set)); err == nil {
			t.Errorf("%s: accepted as %v", name, keys)
		}
	}
}

package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"freshet/api/auth"
)

// TestWhatIsSignedIsVerified goes by files, as the servers do.
func TestWhatIsSignedIsVerified(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private, public := filepath.Join(t.TempDir(), "account.pem"), filepath.Join(t.TempDir(), "account.jwks")
	if err := os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := publicKeys([]string{private})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(public, set, 0o600); err != nil {
		t.Fatal(err)
	}
	issuer, err := loadIssuer(private, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := loadVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := issuer.Issue(auth.Claims{Subject: "7", Role: auth.Support})
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := verifier.Verify(signed); err != nil || claims.Subject != "7" {
		t.Errorf("verified %+v, %v", claims, err)
	}
	if _, err := loadIssuer(public, time.Minute); err == nil {
		t.Error("a JWK set signs")
	}
}

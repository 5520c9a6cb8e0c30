package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"freshet/api/auth"
)

// TestUpMakesTheKeysOfAccountsOnce signs and verifies by the files, as the servers do.
func TestUpMakesTheKeysOfAccountsOnce(t *testing.T) {
	data := t.TempDir()
	for range 2 {
		if err := makeAccountKeys(data); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(data, signingKeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v %v, want it to be its owner's alone", info, err)
	}
	issuer, err := loadIssuer(filepath.Join(data, signingKeyFile), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := loadVerifier(filepath.Join(data, accountKeysFile))
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.Issue(auth.Claims{Subject: "7", Role: auth.Customer})
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := verifier.Verify(token); err != nil || claims.Subject != "7" {
		t.Errorf("%+v, %v", claims, err)
	}
	if _, err := loadIssuer(filepath.Join(data, accountKeysFile), time.Minute); err == nil {
		t.Error("a JWK set signs")
	}
}

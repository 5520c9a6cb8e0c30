package main

import (
	"fmt"
	"os"

	"freshet/api/auth"
)

// loadVerifier returns what believes the tokens that the keys of the file signed; nil without a file.
func loadVerifier(path string) (*auth.Verifier, error) {
	if path == "" {
		return nil, nil
	}
	jwks, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the keys of accounts: %w", err)
	}
	keys, err := auth.ParseKeys(jwks)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return auth.NewVerifier(keys)
}

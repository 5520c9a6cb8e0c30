package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTokensAreMadeOnceAndTheEnvironmentWins(t *testing.T) {
	data := t.TempDir()
	first := newSettings(nil, os.Stdout, os.Stderr)
	if err := first.loadTokens(data); err != nil {
		t.Fatal(err)
	}
	if err := first.storeTokens(data); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(data, "write.token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token's file: %v %v, want it to be its owner's alone", info, err)
	}
	second := newSettings([]string{"FRESHET_ADMIN_TOKEN=given-by-the-operator"}, os.Stdout, os.Stderr)
	if err := second.loadTokens(data); err != nil {
		t.Fatal(err)
	}
	if second.tokens["FRESHET_WRITE_TOKEN"] != first.tokens["FRESHET_WRITE_TOKEN"] || len(first.tokens["FRESHET_WRITE_TOKEN"]) < 16 {
		t.Error("a second up made another token")
	}
	if second.tokens["FRESHET_ADMIN_TOKEN"] != "given-by-the-operator" {
		t.Error("the environment's token was not taken")
	}
}

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tokenFiles are where up keeps the bearer tokens and secrets that it made up, for whoever may read the data directory's
// files: the variable that a process takes it from, and the file.
var tokenFiles = map[string]string{
	"FRESHET_WRITE_TOKEN": "write.token", "FRESHET_ADMIN_TOKEN": "admin.token",
	"FRESHET_PAYMENT_TOKEN": "payment.token", "FRESHET_PAYMENT_SECRETS": "payment.secret",
	"FRESHET_CURSOR_KEY": "cursor.key",
}

// loadTokens gives whoever needs a token one: the one in the environment, the one that was made before, or a new one, which
// storeTokens keeps once the data directory is there.
func (s *settings) loadTokens(data string) error {
	s.tokens = map[string]string{}
	for name, file := range tokenFiles {
		if token := s.env[name]; token != "" {
			s.tokens[name] = token
			continue
		}
		content, err := os.ReadFile(filepath.Join(data, file))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the token of %s: %w", name, err)
		}
		token := strings.TrimSpace(string(content))
		if token == "" {
			var b [24]byte
			_, _ = rand.Read(b[:]) // never fails: it ends the process instead
			token = hex.EncodeToString(b[:])
		}
		s.tokens[name] = token
	}
	if !s.givesAccountKeys() {
		s.tokens[signingKeyVariable], s.tokens[accountKeysVariable] = filepath.Join(data, signingKeyFile), filepath.Join(data, accountKeysFile)
	}
	if s.env[paymentVariable] == "" {
		s.tokens[paymentVariable] = "http://" + s.sandboxListen()
	}
	return nil
}

// storeTokens writes the tokens that the environment doesn't give into files that only their owner can read, and makes the
// keys of accounts.
func (s *settings) storeTokens(data string) error {
	for name, file := range tokenFiles {
		if s.env[name] != "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(data, file), []byte(s.tokens[name]+"\n"), 0o600); err != nil {
			return fmt.Errorf("keep the token of %s: %w", name, err)
		}
	}
	if s.givesAccountKeys() {
		return nil
	}
	return makeAccountKeys(data)
}

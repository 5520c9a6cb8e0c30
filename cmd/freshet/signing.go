package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"freshet/api/auth"
)

// loadSigningKey reads a private key and names it by its public half, so that the name never lies.
func loadSigningKey(path string) (kid string, key ed25519.PrivateKey, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("read the key of accounts: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return "", nil, fmt.Errorf("%s isn't PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return "", nil, fmt.Errorf("%s isn't an Ed25519 key", path)
	}
	sum := sha256.Sum256(publicOf(key))
	return hex.EncodeToString(sum[:8]), key, nil
}

// publicOf is the half that verifies: the last 32 bytes of the key (RFC 8032).
func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return ed25519.PublicKey(key[32:]) }

// loadIssuer returns what signs accounts' tokens with the key of the file; nil without a file.
func loadIssuer(path string, life time.Duration) (*auth.Issuer, error) {
	if path == "" {
		return nil, nil
	}
	kid, key, err := loadSigningKey(path)
	if err != nil {
		return nil, err
	}
	return auth.NewIssuer(kid, key, life)
}

// Where up keeps the keys of accounts in the data directory, and the variables that name the files.
const (
	signingKeyFile, signingKeyVariable   = "account.pem", "FRESHET_ACCOUNT_SIGNING_KEY"
	accountKeysFile, accountKeysVariable = "account.jwks", "FRESHET_ACCOUNT_KEYS"
)

// givesAccountKeys says whether the environment names keys of accounts: then up makes none.
func (s *settings) givesAccountKeys() bool {
	return s.env[signingKeyVariable] != "" || s.env[accountKeysVariable] != ""
}

// makeAccountKeys makes the key that signs the tokens of accounts, unless it is there, and the file of its public half.
func makeAccountKeys(data string) error {
	private := filepath.Join(data, signingKeyFile)
	if _, err := os.Stat(private); errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return fmt.Errorf("make the key of accounts: %w", err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return fmt.Errorf("make the key of accounts: %w", err)
		}
		if err := os.WriteFile(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			return fmt.Errorf("keep the key of accounts: %w", err)
		}
	}
	public, err := publicKeys([]string{private})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(data, accountKeysFile), public, 0o600); err != nil {
		return fmt.Errorf("keep the public keys of accounts: %w", err)
	}
	return nil
}

func newAccountKeysCommand(s *settings) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "account-keys KEY.pem…",
		Short: "Print the public halves of signing keys, as --account-keys takes them, or make a key",
		Example: `  openssl genpkey -algorithm ed25519 -out account.pem
  freshet account-keys account.pem > account.jwks
  freshet serve write --account-signing-key account.pem --account-keys account.jwks`,
		GroupID: "data",
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case dir != "" && len(args) == 0:
				return makeAccountKeys(dir)
			case dir != "" || len(args) == 0:
				return errors.New("name the files of keys, or the directory to --make one in")
			}
			set, err := publicKeys(args)
			if err != nil {
				return err
			}
			return s.printf("%s\n", set)
		},
	}
	cmd.Flags().StringVar(&dir, "make", "", "directory to make "+signingKeyFile+" in, unless it is there, and "+accountKeysFile+" beside it")
	return cmd
}

// publicKeys is the JWK set (RFC 8037) of the keys in the files.
func publicKeys(paths []string) ([]byte, error) {
	keys := make([]map[string]string, len(paths))
	for i, path := range paths {
		kid, key, err := loadSigningKey(path)
		if err != nil {
			return nil, err
		}
		keys[i] = map[string]string{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": base64.RawURLEncoding.EncodeToString(publicOf(key))}
	}
	return json.MarshalIndent(map[string]any{"keys": keys}, "", "  ")
}

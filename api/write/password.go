package write

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"

	"freshet/api"
)

// The cost of a password's digest: what OWASP recommends for argon2id, 19 MB and two passes.
const (
	argonTime   = 2
	argonMemory = 19 << 10 // KB
	argonKey    = 32
	argonSalt   = 16
)

// hashing bounds how many digests are made at once: each takes memory and a processor for some milliseconds, and whoever
// signs in a thousand times a second shall not take them from everyone.
type hashing chan struct{}

func newHashing() hashing { return make(hashing, max(1, runtime.GOMAXPROCS(0))) }

func (h hashing) do(ctx context.Context, password string, salt []byte) ([]byte, error) {
	select {
	case h <- struct{}{}:
		defer func() { <-h }()
		return argon2.IDKey([]byte(password), salt, argonTime, argonMemory, 1, argonKey), nil
	case <-ctx.Done():
		return nil, api.Errorf(api.Busy, "Too many sign in at the moment.").RetryAfter(1).Because(ctx.Err())
	}
}

// hash digests a new password, in the usual notation.
func (h hashing) hash(ctx context.Context, password string) (string, error) {
	var salt [argonSalt]byte
	_, _ = rand.Read(salt[:]) // never fails: it ends the process instead
	key, err := h.do(ctx, password, salt[:])
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemory, argonTime, b64(salt[:]), b64(key)), nil
}

// matches says whether the password has the digest. With an empty digest it takes as long and says no, so that the time of
// an answer doesn't tell whether there is such an account.
func (h hashing) matches(ctx context.Context, password, digest string) (bool, error) {
	salt, key := make([]byte, argonSalt), make([]byte, argonKey)
	if digest != "" {
		parts := strings.Split(digest, "$")
		if len(parts) != 6 || parts[3] != fmt.Sprintf("m=%d,t=%d,p=1", argonMemory, argonTime) {
			return false, fmt.Errorf("a password's digest has another cost than %d KB and %d passes", argonMemory, argonTime)
		}
		var err error
		if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
			return false, fmt.Errorf("read a password's salt: %w", err)
		}
		if key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
			return false, fmt.Errorf("read a password's digest: %w", err)
		}
	}
	got, err := h.do(ctx, password, salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, key) == 1 && digest != "", nil
}

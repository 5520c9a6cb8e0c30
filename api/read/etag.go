package read

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// etag is a strong validator: made of the bytes themselves, it changes with the documents' versions, with the language,
// with a label that is resolved when read, and with a newer program that writes the same documents in another way.
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// matches says whether the header If-None-Match names the tag. RFC 9110 compares weakly here: a proxy that compressed the
// answer has put W/ before it.
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

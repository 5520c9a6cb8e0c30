// Package search is the index that answers search and facets: its definition in five languages, the document, the bulk
// writer that fills it, and the query that reads it.
//
// projectors/index writes through Writer and makes documents with FromView; cmd/freshet calls Ensure before either side
// starts; api/read asks Searcher; search/relevance measures what it finds. Guarantees: a document is replaced only by one
// of a higher version, in whatever order and however often they are sent; a deleted offer leaves a versioned tombstone, so
// no late write brings it back; a page of results is one request with exact counts; and what a shopper types reaches the
// server only as the value of a match, term or prefix clause, never as a query language.
package search

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Languages lists the languages that documents are in, in the order of the project's documents.
func Languages() []string { return []string{"it", "fr", "de", "es", "en"} }

// firstGeneration is the one that Ensure makes; see Indices.Build for the next ones.
const firstGeneration = 1

// Alias returns the name that readers and writers use for the index.
func Alias(prefix string) string { return prefix + "-offers" }

// Index returns the name of the index that is behind the alias until another generation is.
func Index(prefix string) string { return indexOf(prefix, firstGeneration) }

// checkPrefix says whether names made of the prefix are ones that Elasticsearch allows.
func checkPrefix(prefix string) error {
	if prefix == "" || len(prefix) > 100 {
		return fmt.Errorf("index prefix %q: want 1 to 100 characters", prefix)
	}
	if strings.ContainsAny(prefix[:1], "-_+.") {
		return fmt.Errorf("index prefix %q: must not begin with %q", prefix, prefix[:1])
	}
	for _, r := range prefix {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' {
			return fmt.Errorf("index prefix %q: %q is not allowed, only a-z, 0-9, '-', '_' and '.'", prefix, r)
		}
	}
	return nil
}

// digest names a definition by its content.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

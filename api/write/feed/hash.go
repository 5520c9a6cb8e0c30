package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

func shortHash(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(sum[:8])
}

var skuRunes = regexp.MustCompile(`[^A-Za-z0-9._-]`)

// skuOf makes the SKU of a seller's id. SKUs are the shop's, ids the seller's: the seller's number keeps those of two
// sellers apart, and a hash tells ids apart that differ only in what a SKU can't hold.
func skuOf(seller int64, id string) string {
	clean := skuRunes.ReplaceAllString(id, "-")
	if clean != id || len(clean) > 40 {
		clean = fmt.Sprintf("%s-%08x", strings.TrimRight(clean[:min(len(clean), 30)], "-"), uint32(shortHash(id)>>32))
	}
	return fmt.Sprintf("%d-%s", seller, clean)
}

// scopeSize is how many bytes of a content hash say which feed it is of.
const scopeSize = 8

// scopeOf names a feed: its store and language.
func scopeOf(store int64, lang string) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", store, lang))
	return sum[:scopeSize:scopeSize]
}

// contentHash covers what the feed says of a product, and begins with which feed that is. So a feed knows the products that
// it leads, and an edit made in the shop stays until the feed says something new.
func contentHash(scope []byte, it *item) []byte {
	code := it.gtin
	if it.group != "" {
		code = "" // the variant's alone
	}
	alt := it.title
	if len(it.images) == 0 {
		alt = "" // the title is in the images alone
	}
	content := sha256.Sum256(encode(struct {
		Brand, GTIN, Kind string
		Alt               string
		Images            []string
		Paths             [][]string
		Words             map[string][]string
		Weight            *float64
	}{it.brand, code, it.kind, alt, it.images, it.paths, it.words, it.weight}))
	return append(scope, content[:32-scopeSize]...)
}

// encode marshals what always can be.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return b
}

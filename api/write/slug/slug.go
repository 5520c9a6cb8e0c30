// Package slug makes the readable part of a URL out of a name.
//
// The feed import and the seed call it for categories, brands, sellers and products. It guarantees what the schema's
// checks ask for: lower-case ASCII letters, digits and single inner hyphens, starting with a letter or digit; or nothing
// at all, where a name has no letter it can spell (the caller then chooses something else).
package slug

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// spelt are letters that decomposition leaves as they are.
var spelt = strings.NewReplacer("ß", "ss", "ẞ", "ss", "æ", "ae", "Æ", "ae", "œ", "oe", "Œ", "oe", "ø", "o", "Ø", "o", "ł", "l", "Ł", "l", "đ", "d", "Đ", "d", "þ", "th", "Þ", "th", "ı", "i")

// Make returns the slug of name, at most limit bytes, cut at a hyphen where there is one in the second half.
func Make(name string, limit int) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(spelt.Replace(name)) {
		switch {
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		case r >= 0x300 && r <= 0x36f: // an accent, split off its letter
			continue
		default:
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	return cut(b.String(), limit)
}

func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[:limit]
	if i := strings.LastIndexByte(s, '-'); i > limit/2 {
		s = s[:i]
	}
	return strings.TrimRight(s, "-")
}

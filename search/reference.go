package search

import (
	"slices"
	"strings"
	"unicode"

	"freshet/projectors/view"
)

// A part of a reference is looked for from so many letters and digits on. Of less there is too much that begins with it.
const minReference = 4

// references are the codes that a shopper may type in for this product: SKUs and GTINs, and of each SKU what is left of it
// after each separator, since a prefix of one of those is a part of the SKU.
func references(v *view.Offer) []string {
	refs := []string{reference(v.GTIN)}
	for _, variant := range v.Variants {
		refs = append(refs, reference(variant.GTIN))
		for rest := variant.SKU; rest != ""; {
			if ref := reference(rest); len(ref) >= minReference || rest == variant.SKU {
				refs = append(refs, ref)
			}
			at := strings.IndexFunc(rest, isSeparator)
			if at < 0 {
				break
			}
			rest = strings.TrimLeftFunc(rest[at:], isSeparator)
		}
	}
	slices.Sort(refs)
	refs = slices.Compact(refs)
	return slices.DeleteFunc(refs, func(s string) bool { return s == "" })
}

func isSeparator(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// reference writes a code as it is compared: without separators, and a GTIN without the zeros in front, which the longer
// of its forms have more of.
func reference(code string) string {
	ref := bare(code)
	if isDigits(ref) && len(ref) >= 8 {
		return strings.TrimLeft(ref, "0")
	}
	return ref
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// asReference is the part of a reference that a word or a whole text may be, "" if it doesn't look like one: codes have
// digits or separators.
func asReference(text string) string {
	ref := reference(text)
	coded := strings.ContainsFunc(ref, unicode.IsDigit) || strings.ContainsAny(text, "-_/.")
	if !coded || len(ref) < minReference || strings.ContainsAny(text, ",%\"") {
		return ""
	}
	return ref
}

package api

import (
	"cmp"
	"strings"
)

// template writes a fiber pattern as OpenAPI does: "/a/:b" is "/a/{b}".
func template(pattern string) string {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if name, ok := strings.CutPrefix(p, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

// compare orders by a pair of strings, the first deciding.
func compare(a, b, a2, b2 string) int { return cmp.Or(cmp.Compare(a, b), cmp.Compare(a2, b2)) }

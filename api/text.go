package api

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
)

// text refuses what no store of ours can hold as text, before any route sees it: bytes that aren't UTF-8 and the character
// U+0000, in the path or the query. Postgres would answer with an error of its own, which isn't the caller's to read.
func text(c *fiber.Ctx) error {
	uri := c.Request().URI()
	if path := uri.PathOriginal(); !plain(path) && !storable(unescaped(string(path))) {
		return Errorf(Invalid, "The path must be UTF-8 text without the character U+0000.")
	}
	raw := uri.QueryString()
	if plain(raw) {
		return c.Next()
	}
	// What is not well-formed is for the route to refuse, which knows whether it reads the query at all.
	query, _ := url.ParseQuery(string(raw))
	for name, values := range query {
		if !storable(name) {
			return Errorf(Invalid, "The name of a parameter must be UTF-8 text without the character U+0000.")
		}
		for _, value := range values {
			if !storable(value) {
				return Errorf(Invalid, "This must be UTF-8 text without the character U+0000.").At(name)
			}
		}
	}
	return c.Next()
}

// plain says that nothing in it needs a closer look, as is so of nearly every request.
func plain(raw []byte) bool {
	return bytes.IndexFunc(raw, func(r rune) bool { return r == '%' || r == 0 || r >= utf8.RuneSelf }) < 0
}

func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// unescaped is the text that a part of a path stands for; what isn't well-formed stands for itself.
func unescaped(raw string) string {
	if text, err := url.PathUnescape(raw); err == nil {
		return text
	}
	return raw
}

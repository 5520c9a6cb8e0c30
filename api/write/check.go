package write

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"freshet/api"
)

// pattern is a rule for a text, for machines and in words that go on from "must".
type pattern struct {
	*regexp.Regexp
	words string
}

// The patterns and limits of the schema, checked here first so that an answer names the field.
var (
	skuPattern = pattern{
		regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$`),
		"be 1 to 64 letters, digits, dots, dashes, underscores or slashes, and begin with a letter or digit",
	}
	slugPattern = pattern{
		regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,159}$`), "be 1 to 160 small letters, digits or dashes, and not begin with a dash",
	}
	codePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	namePattern = pattern{
		regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`), "be 1 to 64 small letters, digits or underscores, and begin with a letter",
	}
	gtinPattern = pattern{regexp.MustCompile(`^[0-9]{8,14}$`), "be 8 to 14 digits"}
	// A provider's names for methods, payments and events.
	methodPattern  = pattern{regexp.MustCompile(`^[\x21-\x7e]{1,200}$`), "be 1 to 200 characters of ASCII without blanks"}
	eventPattern   = pattern{regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,200}$`), "be 1 to 200 letters, digits, dots, dashes, underscores or colons"}
	countryPattern = pattern{regexp.MustCompile(`^[A-Z]{2}$`), "be the two capital letters of a country, as in IT"}
	languages      = []string{"de", "en", "es", "fr", "it"}
)

const (
	maxMoney    = 100_000_000_000
	maxMovement = 1_000_000_000
	maxPerOrder = 1000 // units of one SKU in an order
	maxLines    = 100  // of an order
	maxRows     = 500  // of prices or stock in one request
)

// check collects everything that is wrong with a request, so that one answer names it all.
type check struct {
	fields []api.Field
}

// maxComplaints keeps a body made of mistakes from making an answer as large.
const maxComplaints = 20

func (c *check) bad(field, format string, args ...any) {
	if len(c.fields) < maxComplaints {
		c.fields = append(c.fields, api.Field{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
}

func (c *check) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &api.Error{Kind: api.Unprocessable, Detail: "Some values aren't acceptable; errors names them.", Fields: c.fields}
}

func (c *check) match(field, value string, p pattern) {
	if !p.MatchString(value) {
		c.bad(field, "must %s", p.words)
	}
}

func (c *check) between(field string, value, low, high int64) {
	if value < low || value > high {
		c.bad(field, "must be from %d to %d", low, high)
	}
}

func (c *check) id(field string, value int64) {
	if value <= 0 {
		c.bad(field, "must be a positive id")
	}
}

func (c *check) count(field string, n, low, high int) {
	if n < low || n > high {
		c.bad(field, "must have from %d to %d entries", low, high)
	}
}

// text wants low to high characters, none of them a control character but tab and newline, and not all of them blank.
func (c *check) text(field, value string, low, high int) {
	if n := utf8.RuneCountInString(value); n < low || n > high {
		c.bad(field, "must have from %d to %d characters", low, high)
		return
	}
	if low > 0 && strings.TrimSpace(value) == "" {
		c.bad(field, "must not be blank")
	}
	if strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }) {
		c.bad(field, "must not hold control characters")
	}
}

// moment reads an optional RFC 3339 time.
func (c *check) moment(field string, value *string) *time.Time {
	if value == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *value)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		c.bad(field, "must be a time of this or the next century as in 2026-01-31T09:00:00Z")
		return nil
	}
	return &t
}

// unique complains about the second of two equal keys.
func unique[K comparable](c *check, seen map[K]bool, field string, key K) {
	if seen[key] {
		c.bad(field, "is there twice")
	}
	seen[key] = true
}

// cut shortens what a client sent before it is repeated to them.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

package read

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"freshet/api"
)

// Limits of a query string. They are generous: a shopper who ticks every box stays below.
const (
	maxQuery      = 4096
	maxParameters = 100
)

// query is the query string as parameters are taken out of it; what nobody has taken at the end is an error. It keeps the
// first error, so that callers can take all they want and ask once.
type query struct {
	values url.Values
	err    error
}

func parseQuery(raw string) (*query, error) {
	if len(raw) > maxQuery {
		return nil, api.Errorf(api.Invalid, "The query string is longer than %d bytes.", maxQuery)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, api.Errorf(api.Invalid, "The query string isn't well-formed.")
	}
	if len(values) > maxParameters {
		return nil, api.Errorf(api.Invalid, "There are more than %d parameters.", maxParameters)
	}
	for name, list := range values {
		for _, v := range append(list, name) {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return nil, api.Errorf(api.Invalid, "A parameter isn't UTF-8 text.")
			}
		}
	}
	return &query{values: values}, nil
}

func (q *query) fail(name, format string, args ...any) {
	if q.err == nil {
		q.err = api.Errorf(api.Invalid, format, args...).At(name)
	}
}

// all takes every value of a parameter.
func (q *query) all(name string) []string {
	values := q.values[name]
	delete(q.values, name)
	return values
}

// one takes a parameter that may be there once; given says whether it was.
func (q *query) one(name string) (value string, given bool) {
	values := q.all(name)
	if len(values) > 1 {
		q.fail(name, "The parameter %s may be there once.", name)
	}
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// integer takes a whole number from low to high.
func (q *query) integer(name string, low, high, otherwise int64) int64 {
	text, given := q.one(name)
	if !given {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		q.fail(name, "The parameter %s must be a whole number from %d to %d.", name, low, high)
		return otherwise
	}
	return n
}

// amount takes an optional amount of money.
func (q *query) amount(name string) *int64 {
	if !q.values.Has(name) {
		return nil
	}
	n := q.integer(name, 0, 100_000_000_000, 0)
	return &n
}

// boolean takes true or false.
func (q *query) boolean(name string) bool {
	text, given := q.one(name)
	if given && text != "true" && text != "false" {
		q.fail(name, "The parameter %s must be true or false.", name)
	}
	return text == "true"
}

// number takes an optional finite number.
func (q *query) number(name string) *float64 {
	text, given := q.one(name)
	if !given {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		q.fail(name, "The parameter %s must be a number.", name)
		return nil
	}
	return &n
}

// withPrefix lists the names of the parameters left that begin with the prefix, sorted so that errors are always the same.
func (q *query) withPrefix(prefix string) []string {
	var names []string
	for name := range q.values {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// end returns the first error, and one for parameters that nobody took: a misspelt filter must not look like one that
// matches everything.
func (q *query) end() error {
	if q.err != nil {
		return q.err
	}
	if left := q.withPrefix(""); len(left) > 0 {
		name := left[0]
		if len(name) > 64 {
			name = strings.ToValidUTF8(name[:64], "")
		}
		return api.Errorf(api.Invalid, "There is no parameter %q here.", name).At(name)
	}
	return nil
}

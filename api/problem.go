package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// Kind says what sort of thing went wrong, and with that the status and the type of the problem document.
type Kind string

// The kinds of error. Internal is every error that isn't an *Error.
const (
	Invalid       Kind = "invalid"       // the request can't be understood: 400
	Unauthorized  Kind = "unauthorized"  // no or a wrong token: 401
	SignIn        Kind = "sign-in"       // a wrong password, or a refresh token that isn't good: 401
	Signature     Kind = "signature"     // an event that isn't its sender's: 401
	Forbidden     Kind = "forbidden"     // a right token for something else: 403
	NotFound      Kind = "not-found"     // 404
	Method        Kind = "method"        // 405
	Conflict      Kind = "conflict"      // understood, but the present state forbids it: 409
	OutOfStock    Kind = "out-of-stock"  // a conflict that shoppers meet: 409
	Gone          Kind = "gone"          // it was there once, and was only ever lent: 410
	TooLarge      Kind = "too-large"     // 413
	MediaType     Kind = "media-type"    // 415
	Unprocessable Kind = "unprocessable" // understood, but a value in it names nothing or breaks a rule: 422
	KeyReused     Kind = "key-reused"    // an idempotency key with another body: 422
	TooMany       Kind = "too-many"      // 429
	HeaderSize    Kind = "header-size"   // 431
	Timeout       Kind = "timeout"       // the client was too slow to send: 408
	Internal      Kind = "internal"      // 500
	Unavailable   Kind = "unavailable"   // a server behind this one is down or too slow: 503
	Busy          Kind = "busy"          // too many requests in flight: 503
)

var kinds = map[Kind]struct {
	status int
	title  string
}{
	Invalid:       {http.StatusBadRequest, "The request can't be understood"},
	Unauthorized:  {http.StatusUnauthorized, "A bearer token is needed"},
	SignIn:        {http.StatusUnauthorized, "The sign-in failed"},
	Signature:     {http.StatusUnauthorized, "The signature is wrong"},
	Forbidden:     {http.StatusForbidden, "Not allowed"},
	NotFound:      {http.StatusNotFound, "There is nothing here"},
	Method:        {http.StatusMethodNotAllowed, "The method isn't allowed here"},
	Conflict:      {http.StatusConflict, "The present state forbids it"},
	OutOfStock:    {http.StatusConflict, "Out of stock"},
	Gone:          {http.StatusGone, "It is no longer there"},
	TooLarge:      {http.StatusRequestEntityTooLarge, "The body is too large"},
	MediaType:     {http.StatusUnsupportedMediaType, "The body must be JSON"},
	Unprocessable: {http.StatusUnprocessableEntity, "A value isn't acceptable"},
	KeyReused:     {http.StatusUnprocessableEntity, "The idempotency key was used for another request"},
	TooMany:       {http.StatusTooManyRequests, "Too many requests"},
	HeaderSize:    {http.StatusRequestHeaderFieldsTooLarge, "The request's head is too large"},
	Timeout:       {http.StatusRequestTimeout, "The request came too slowly"},
	Internal:      {http.StatusInternalServerError, "Something went wrong here"},
	Unavailable:   {http.StatusServiceUnavailable, "Not available at the moment"},
	Busy:          {http.StatusServiceUnavailable, "Too busy at the moment"},
}

// Field names one part of the request and what is wrong with it: "lines[0].sku", or a query parameter.
type Field struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Error is an error with a kind, which the client gets to see. Its cause, if any, goes to the log alone.
type Error struct {
	Kind   Kind
	Detail string
	Fields []Field
	// Retry is after how many seconds the client may try again, 0 for unsaid.
	Retry int
	Cause error
}

// Errorf makes an Error whose detail is the formatted text; an error among the arguments belongs into Because instead,
// since the client reads the detail.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// At returns the error with a field named; the error's detail becomes the field's when the field has none of its own.
func (e *Error) At(field string) *Error {
	e.Fields = append(e.Fields, Field{Field: field, Detail: e.Detail})
	return e
}

// Because returns the error with the cause that the log shows.
func (e *Error) Because(err error) *Error {
	e.Cause = err
	return e
}

// RetryAfter returns the error with the number of seconds after which a retry makes sense.
func (e *Error) RetryAfter(seconds int) *Error {
	e.Retry = seconds
	return e
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Detail, e.Cause)
	}
	return string(e.Kind) + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.Cause }

// List writes the alternatives that there are as a detail has them: "relevance, newest or popularity".
func List[S ~string](names []S) string {
	var b strings.Builder
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(name))
	}
	return b.String()
}

// KindOf returns the kind of the first *Error in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	if e := new(Error); errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Problem is the document of an error, as RFC 9457 has it.
type Problem struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail,omitempty"`
	Instance  string  `json:"instance,omitempty"`
	RequestID string  `json:"request_id,omitempty"`
	Errors    []Field `json:"errors,omitempty"`
	// Message is the detail again, where the clients of InstantSearch look for it.
	Message string `json:"message,omitempty"`
}

// instantPrefix begins the paths that speak the wire format of InstantSearch.
const instantPrefix = "/1/"

// problemType prefixes a Kind: a name to branch on, not a page to open.
const problemType = "urn:problem-type:freshet:"

const problemMedia = "application/problem+json"

// asError maps what a handler, fiber or fasthttp returned to an Error.
func asError(err error) *Error {
	if e := new(Error); errors.As(err, &e) {
		return e
	}
	f := new(fiber.Error)
	if !errors.As(err, &f) {
		return &Error{Kind: Internal, Detail: "The error is logged under the request id.", Cause: err}
	}
	switch f.Code {
	case http.StatusNotFound:
		return &Error{Kind: NotFound, Detail: "No route has this path; GET / lists them."}
	case http.StatusMethodNotAllowed:
		return &Error{Kind: Method, Detail: "The path exists, but not with this method; see the Allow header."}
	case http.StatusRequestEntityTooLarge:
		return &Error{Kind: TooLarge, Detail: "The body is larger than this server takes."}
	case http.StatusRequestHeaderFieldsTooLarge:
		return &Error{Kind: HeaderSize, Detail: "Request line and headers may take 8 KB together."}
	case http.StatusRequestTimeout:
		return &Error{Kind: Timeout, Detail: "The request did not arrive in time."}
	case http.StatusUnprocessableEntity:
		return &Error{Kind: Unprocessable, Detail: f.Message}
	}
	// What is left comes from reading a request that isn't HTTP; fiber calls some of that a bad gateway.
	return &Error{Kind: Invalid, Detail: "This isn't a well-formed HTTP request.", Cause: err}
}

// Problem is the error as a document, for answers that speak of another request's error.
func (e *Error) Problem() Problem {
	k := kinds[e.Kind]
	return Problem{Type: problemType + string(e.Kind), Title: k.title, Status: k.status, Detail: e.Detail, Errors: e.Fields}
}

// render writes the error as the answer and returns its status.
func render(c *fiber.Ctx, e *Error) int {
	problem := e.Problem()
	problem.Instance, problem.RequestID = c.Path(), c.GetRespHeader(headerRequestID)
	if strings.HasPrefix(problem.Instance, instantPrefix) {
		problem.Message = problem.Detail
	}
	if e.Retry > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(e.Retry))
	}
	if problem.Status == http.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="freshet"`)
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	if err := send(c, problem.Status, problemMedia, problem); err != nil {
		c.Status(http.StatusInternalServerError)
	}
	return problem.Status
}

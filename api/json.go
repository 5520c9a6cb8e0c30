package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
)

// maxDepth is how deeply a request body may nest; none of ours goes past five.
const maxDepth = 32

// Send answers with a JSON document.
func Send(c *fiber.Ctx, status int, document any) error {
	return send(c, status, fiber.MIMEApplicationJSONCharsetUTF8, document)
}

// Encode is the JSON that Send writes: without HTML escapes, since it is served as JSON and never sniffed.
func Encode(document any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return b.Bytes(), nil
}

func send(c *fiber.Ctx, status int, media string, document any) error {
	body, err := Encode(document)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, media)
	return c.Status(status).Send(body)
}

// Body decodes the request's body, one JSON document, into dst. It is strict, so that a typing error in an optional
// field's name is an answer and not a silence: unknown and repeated members, a second document, wrong types, fractions
// where integers belong and text that Postgres can't store are errors that name the place.
func Body(c *fiber.Ctx, dst any) error {
	media, _, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	if err != nil || media != fiber.MIMEApplicationJSON {
		return Errorf(MediaType, "Send the body as application/json.")
	}
	return Decode(c.Body(), dst)
}

// Decode is Body for a document that came another way.
func Decode(body []byte, dst any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return Errorf(Invalid, "The body is empty; it must be a JSON object.")
	}
	if !utf8.Valid(body) {
		return Errorf(Invalid, "The body isn't UTF-8.")
	}
	if err := scan(body); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(dst); err != nil {
		return explain(body, err)
	}
	return nil
}

// explain turns the decoder's error into one that a caller of the API understands.
func explain(body []byte, err error) error {
	wrong := new(json.UnmarshalTypeError)
	if errors.As(err, &wrong) {
		field := place(body, wrong.Offset)
		if field == "" {
			return Errorf(Invalid, "The body can't be %s here.", withArticle(wrong.Value))
		}
		return Errorf(Invalid, "%s can't be %s here.", field, withArticle(wrong.Value)).At(field)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return Errorf(Invalid, "There is no member %s.", name).At(strings.Trim(name, `"`))
	}
	return Errorf(Invalid, "The body isn't the JSON that this route takes.").Because(err)
}

// withArticle is what the decoder calls a kind of value, as a sentence has it: "an array", "a number 1.5".
func withArticle(kind string) string {
	if kind == "array" || kind == "object" {
		return "an " + kind
	}
	return "a " + kind
}

// scan walks the tokens for what encoding/json lets pass: repeated members, a second document, endless nesting, and the
// character U+0000, which neither text nor jsonb of Postgres can hold.
func scan(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	s := scanner{}
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return s.end()
		}
		if err != nil {
			return Errorf(Invalid, "The body isn't valid JSON near byte %d.", dec.InputOffset())
		}
		if s.done {
			return Errorf(Invalid, "The body holds more than one JSON document.")
		}
		if err := s.take(token); err != nil {
			return err
		}
	}
}

// scanner knows where in the document a token stands: the stack holds the members seen of each open object, nil for an array.
type scanner struct {
	stack []map[string]bool
	value bool // the next token of the innermost object is a value, not a name
	done  bool
}

func (s *scanner) take(token json.Token) error {
	if text, ok := token.(string); ok {
		if strings.ContainsRune(text, 0) {
			return Errorf(Invalid, "The character U+0000 can't be stored.")
		}
		if members := s.object(); members != nil && !s.value {
			if members[text] {
				return Errorf(Invalid, "The member %q is there twice.", text).At(text)
			}
			members[text], s.value = true, true
			return nil
		}
	}
	switch token {
	case json.Delim('{'):
		s.stack, s.value = append(s.stack, map[string]bool{}), false
	case json.Delim('['):
		s.stack = append(s.stack, nil)
	case json.Delim('}'), json.Delim(']'):
		s.stack = s.stack[:len(s.stack)-1]
		s.value = false
	default:
		s.value = false
	}
	s.done = len(s.stack) == 0
	if len(s.stack) > maxDepth {
		return Errorf(Invalid, "The body nests deeper than %d levels.", maxDepth)
	}
	return nil
}

func (s *scanner) object() map[string]bool {
	if len(s.stack) == 0 {
		return nil
	}
	return s.stack[len(s.stack)-1]
}

func (s *scanner) end() error {
	if !s.done {
		return Errorf(Invalid, "The body ends in the middle of its JSON document.")
	}
	return nil
}

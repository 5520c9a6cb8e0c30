package change

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// avroNode writes the values of one schema.
type avroNode struct {
	kind       string // Avro's
	optional   bool
	nullSecond bool // in the union
	fields     []avroField
	item       *avroNode // of an array or map
}

type avroField struct {
	name string // `"id":`, with the comma before it where it is not the first
	node *avroNode
}

// avroReader reads JSON of this package's own writing: no spaces, fields in the schema's order. The first failure stays.
type avroReader struct {
	rest    []byte
	scratch []byte
	err     error
}

func (r *avroReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("at %.40q: "+format, append([]any{r.rest}, args...)...)
	}
	r.rest = nil
}

func (r *avroReader) take(text string) bool {
	if len(r.rest) < len(text) || string(r.rest[:len(text)]) != text {
		return false
	}
	r.rest = r.rest[len(text):]
	return true
}

// scalar takes a number, true or false.
func (r *avroReader) scalar() []byte {
	n := bytes.IndexAny(r.rest, ",]}")
	if n < 0 {
		n = len(r.rest)
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

// str takes a string; the result is good until the next one.
func (r *avroReader) str() []byte {
	if !r.take(`"`) {
		r.fail("want a string")
		return nil
	}
	end := bytes.IndexByte(r.rest, '"')
	if end >= 0 && bytes.IndexByte(r.rest[:end], '\\') < 0 {
		text := r.rest[:end]
		r.rest = r.rest[end+1:]
		return text
	}
	return r.escaped()
}

func (r *avroReader) escaped() []byte {
	r.scratch = r.scratch[:0]
	for i := 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; c {
		case '"':
			r.rest = r.rest[i+1:]
			return r.scratch
		case '\\':
			n := r.escape(r.rest[i+1:])
			if n == 0 {
				r.fail("escape at %d", i)
				return nil
			}
			i += n
		default:
			r.scratch = append(r.scratch, c)
		}
	}
	r.fail("no end of a string")
	return nil
}

// escape appends what the escape after a backslash stands for and returns its length, 0 for none.
func (r *avroReader) escape(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), text[0]); i >= 0 {
		r.scratch = append(r.scratch, "\"\\/\b\f\n\r\t"[i])
		return 1
	}
	code, ok := hex4(text)
	if !ok {
		return 0
	}
	if utf16.IsSurrogate(code) && len(text) > 6 && text[5] == '\\' {
		if low, ok := hex4(text[6:]); ok {
			r.scratch = utf8.AppendRune(r.scratch, utf16.DecodeRune(code, low))
			return 11
		}
	}
	r.scratch = utf8.AppendRune(r.scratch, code)
	return 5
}

// hex4 reads u and four hexadecimal digits.
func hex4(text []byte) (rune, bool) {
	if len(text) < 5 || text[0] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(text[1:5]), 16, 16)
	return rune(v), err == nil
}

func (n *avroNode) append(dst []byte, r *avroReader) []byte {
	if n.optional {
		null := r.take("null")
		branch := byte(0)
		if null == n.nullSecond {
			branch = 2 // the zigzag form of 1
		}
		dst = append(dst, branch)
		if null {
			return dst
		}
	}
	switch n.kind {
	case "int", "long":
		v, err := strconv.ParseInt(string(r.scalar()), 10, 64)
		if err != nil {
			r.fail("want an integer: %w", err)
		}
		return binary.AppendVarint(dst, v)
	case "float":
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(r.float())))
	case "double":
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(r.float()))
	case "boolean":
		switch {
		case r.take("true"):
			return append(dst, 1)
		case r.take("false"):
			return append(dst, 0)
		}
		r.fail("want a boolean")
	case "string":
		text := r.str()
		return append(binary.AppendVarint(dst, int64(len(text))), text...)
	case "bytes":
		return r.appendBytes(dst)
	case "record":
		return n.appendRecord(dst, r)
	default:
		return n.appendItems(dst, r)
	}
	return dst
}

// float takes a number, or one of the strings that stand for what JSON lacks.
func (r *avroReader) float() float64 {
	text := r.rest
	if len(text) > 0 && text[0] == '"' {
		text = r.str()
	} else {
		text = r.scalar()
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil && v == 0 {
		r.fail("want a number: %w", err)
	}
	return v
}

func (r *avroReader) appendBytes(dst []byte) []byte {
	text := r.str()
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	size, err := base64.StdEncoding.Decode(raw, text)
	if err != nil {
		r.fail("want base64: %w", err)
	}
	return append(binary.AppendVarint(dst, int64(size)), raw[:size]...)
}

func (n *avroNode) appendRecord(dst []byte, r *avroReader) []byte {
	if !r.take("{") {
		r.fail("want an object")
	}
	for i := range n.fields {
		f := &n.fields[i]
		if !r.take(f.name) {
			r.fail("want field %s", f.name)
			return dst
		}
		dst = f.node.append(dst, r)
		if r.err != nil {
			return dst
		}
	}
	if !r.take("}") {
		r.fail("want the end of an object")
	}
	return dst
}

// appendItems writes an array or a map as one block, whose count stands before it.
func (n *avroNode) appendItems(dst []byte, r *avroReader) []byte {
	open, end := "[", "]"
	if n.kind == "map" {
		open, end = "{", "}"
	}
	if !r.take(open) {
		r.fail("want %s", open)
		return dst
	}
	start, count := len(dst), 0
	for ; !r.take(end) && r.err == nil; count++ {
		if count > 0 && !r.take(",") {
			r.fail("want , or %s", end)
		}
		if n.kind == "map" {
			key := r.str()
			dst = append(binary.AppendVarint(dst, int64(len(key))), key...)
			if !r.take(":") {
				r.fail("want a colon")
			}
		}
		dst = n.item.append(dst, r)
	}
	if count > 0 {
		dst = slices.Insert(dst, start, binary.AppendVarint(nil, int64(count))...)
	}
	return append(dst, 0)
}

package change

import (
	"bytes"
	"fmt"
)

// maxArrayDepth is more than Postgres allows (6).
const maxArrayDepth = 8

// writeArray reads an array literal, `{1,NULL,"a b"}`, with or without bounds before it, and writes a JSON array of its
// elements; an array of arrays becomes nested arrays.
func writeArray(t *Type, dst, text []byte) ([]byte, error) {
	rest := text
	if len(rest) > 0 && rest[0] == '[' { // "[0:2]={…}"
		i := bytes.IndexByte(rest, '=')
		rest = rest[i+1:]
	}
	dst, rest, err := t.elem.appendArray(dst, rest, 0)
	if err != nil {
		return dst, fmt.Errorf("array %.60q: %w", text, err)
	}
	if len(rest) > 0 {
		return dst, fmt.Errorf("array %.60q: more behind its end", text)
	}
	return dst, nil
}

func (t *Type) appendArray(dst, rest []byte, depth int) (out, left []byte, err error) {
	if len(rest) == 0 || rest[0] != '{' || depth == maxArrayDepth {
		return dst, rest, fmt.Errorf("no opening brace, or too deep")
	}
	dst, rest = append(dst, '['), rest[1:]
	for first := true; ; first = false {
		if len(rest) == 0 {
			return dst, rest, fmt.Errorf("no closing brace")
		}
		if rest[0] == '}' {
			return append(dst, ']'), rest[1:], nil
		}
		if !first {
			dst, rest = append(dst, ','), rest[1:]
		}
		if len(rest) > 0 && rest[0] == '{' {
			dst, rest, err = t.appendArray(dst, rest, depth+1)
		} else {
			dst, rest, err = t.appendElement(dst, rest)
		}
		if err != nil {
			return dst, rest, err
		}
	}
}

func (t *Type) appendElement(dst, rest []byte) (out, left []byte, err error) {
	if len(rest) > 0 && rest[0] == '"' {
		text, left, err := unquote(rest)
		if err != nil {
			return dst, rest, err
		}
		dst, err = t.appendValue(dst, text)
		return dst, left, err
	}
	n := bytes.IndexAny(rest, ",}")
	if n < 0 {
		return dst, rest, fmt.Errorf("no end of an element")
	}
	if bytes.Equal(rest[:n], []byte("NULL")) {
		return append(dst, "null"...), rest[n:], nil
	}
	dst, err = t.appendValue(dst, rest[:n])
	return dst, rest[n:], err
}

// unquote reads a text in double quotes with backslash escapes.
func unquote(rest []byte) (text, left []byte, err error) {
	if len(rest) == 0 || rest[0] != '"' {
		return nil, rest, fmt.Errorf("no opening quote")
	}
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			if i++; i < len(rest) {
				text = append(text, rest[i])
			}
		case '"':
			return text, rest[i+1:], nil
		default:
			text = append(text, rest[i])
		}
	}
	return nil, rest, fmt.Errorf("no closing quote")
}

package tree

import (
	"bytes"
	"errors"
)

// The texts that are cut up here were encoded by encoding/json when the page was stored, so there are no blanks between the
// tokens, and what is inside of a value is looked at no closer than it takes to find its end. A text of another form is
// refused.

var errForm = errors.New("a stored page isn't JSON as it is written")

// members calls fn with every member of an object.
func members(object []byte, fn func(name string, value []byte) error) error {
	return each(object, '{', '}', func(entry []byte) error {
		end := stringEnd(entry)
		if end < 0 || end == len(entry) || entry[end] != ':' {
			return errForm
		}
		return fn(string(entry[1:end-1]), entry[end+1:])
	})
}

// elements calls fn with every element of an array, or of null with none.
func elements(array []byte, fn func(element []byte) error) error {
	if string(array) == "null" {
		return nil
	}
	return each(array, '[', ']', fn)
}

// each calls fn with everything that stands between the commas of an array or an object.
func each(text []byte, open, closed byte, fn func(entry []byte) error) error {
	last := len(text) - 1
	if last < 1 || text[0] != open || text[last] != closed {
		return errForm
	}
	for rest := text[1:last]; len(rest) > 0; {
		end := entryEnd(rest)
		if end <= 0 || end == len(rest)-1 {
			return errForm
		}
		if err := fn(rest[:end]); err != nil {
			return err
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return nil
}

// entryEnd is where the comma behind the first entry is, or the end of the text; -1 where there is neither.
func entryEnd(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			n := stringEnd(text[i:])
			if n < 0 {
				return -1
			}
			i += n - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	if depth != 0 {
		return -1
	}
	return len(text)
}

// stringEnd is where the string that the text begins with ends, -1 where it doesn't.
func stringEnd(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		return -1
	}
	for i := 1; ; {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		backslashes := 0
		for text[i-2-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i
		}
	}
}

package ingest

import (
	"bytes"
	"fmt"

	"freshet/ingest/change"
)

// rowWriter takes COPY's text format and hands its rows on. Postgres sends a row a message, but nothing promises that, so
// rows are cut at line ends; a line end inside a value is escaped.
type rowWriter struct {
	columns int
	row     func([]change.Value) error

	rest   []byte
	values []change.Value
}

// Write takes the next piece of the copy.
func (w *rowWriter) Write(p []byte) (int, error) {
	n := len(p)
	if len(w.rest) > 0 {
		p = append(w.rest, p...)
		w.rest = nil
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			w.rest = bytes.Clone(p)
			break
		}
		if err := w.line(p[:end]); err != nil {
			return 0, err
		}
		p = p[end+1:]
	}
	return n, nil
}

func (w *rowWriter) line(line []byte) error {
	w.values = w.values[:0]
	for more := w.columns > 0; more; {
		var field []byte
		field, line, more = bytes.Cut(line, []byte{'\t'})
		if bytes.Equal(field, []byte(`\N`)) {
			w.values = append(w.values, change.Value{Kind: change.ValueNull})
			continue
		}
		w.values = append(w.values, change.Value{Kind: change.ValueText, Text: unescape(field)})
	}
	if len(w.values) != w.columns {
		return fmt.Errorf("copied row has %d columns, want %d", len(w.values), w.columns)
	}
	return w.row(w.values)
}

// unescape undoes COPY's escapes in place: what follows a backslash is a control character's letter or stands for itself.
func unescape(field []byte) []byte {
	i := bytes.IndexByte(field, '\\')
	if i < 0 {
		return field
	}
	out := field[:i]
	for ; i < len(field); i++ {
		c := field[i]
		if c == '\\' && i+1 < len(field) {
			i++
			if c = field[i]; c >= 'b' && c <= 'v' {
				if at := bytes.IndexByte([]byte("bfnrtv"), c); at >= 0 {
					c = "\b\f\n\r\t\v"[at]
				}
			}
		}
		out = append(out, c)
	}
	return out
}

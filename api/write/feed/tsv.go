package feed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLines is how many lines one quoted value may span: an opening quote that is never closed must not swallow the feed.
const maxLines = 200

// tsvSource reads tab-separated rows below a header. A value that begins with a quote may hold tabs, line ends and doubled
// quotes; where the quote is never closed it is a character as any other (inches begin many a title).
type tsvSource struct {
	in      *bufio.Reader
	header  []string
	line    int        // the last line taken
	pending []textLine // read ahead, and given back
}

type textLine struct {
	text    string
	tooLong bool
}

func newTSVSource(in *bufio.Reader) (*tsvSource, error) {
	s := &tsvSource{in: in}
	line, err := s.take()
	if err != nil || line.tooLong {
		return nil, fmt.Errorf("the feed has no header row: %w", errors.Join(err, errors.New("neither XML nor tab-separated")))
	}
	names := map[string]bool{}
	for _, name := range splitTabs(line.text) {
		name = normalName(strings.Trim(name, `"`))
		s.header = append(s.header, name)
		names[name] = true
	}
	for _, needed := range []string{"id", "title", "price"} {
		if !names[needed] {
			return nil, fmt.Errorf("the feed's header row has no column %s: neither XML nor a tab-separated product feed", needed)
		}
	}
	return s, nil
}

// take returns the next line without its end.
func (s *tsvSource) take() (textLine, error) {
	s.line++
	if len(s.pending) > 0 {
		line := s.pending[0]
		s.pending = s.pending[1:]
		return line, nil
	}
	return s.readLine()
}

func (s *tsvSource) readLine() (textLine, error) {
	var b strings.Builder
	for {
		part, err := s.in.ReadSlice('\n')
		if b.Len()+len(part) <= maxRow {
			b.Write(part)
		} else {
			b.Reset()
			b.WriteString("\n") // past the limit from now on
			return textLine{tooLong: true}, s.discard(err)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && b.Len() == 0:
			return textLine{}, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return textLine{}, err
		}
		return textLine{text: strings.TrimRight(b.String(), "\r\n")}, nil
	}
}

// discard reads to the end of a line that is too long; err is how its last part ended.
func (s *tsvSource) discard(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = s.in.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (s *tsvSource) next() (rawRow, error) {
	for {
		line, err := s.take()
		if err != nil {
			return rawRow{}, err
		}
		number := s.line
		if line.tooLong {
			return rawRow{}, &Rejection{Line: number, Reason: fmt.Sprintf("the line is longer than %d bytes", maxRow)}
		}
		if strings.TrimSpace(line.text) == "" {
			continue
		}
		values, err := s.fields(line.text)
		if err != nil {
			return rawRow{}, err
		}
		return s.row(number, values)
	}
}

// fields splits a record, and takes the lines that a quoted value goes on with.
func (s *tsvSource) fields(text string) ([]string, error) {
	values, closed := splitQuoted(text)
	literal := splitTabs(text)
	if closed && len(values) != len(s.header) && len(literal) == len(s.header) {
		return literal, nil // the quotes are characters: they would join columns that are all there
	}
	if closed {
		return values, nil
	}
	var taken []textLine
	whole := text
	for len(taken) < maxLines && len(whole) <= maxRow {
		line, err := s.take()
		if errors.Is(err, io.EOF) {
			s.line--
			break
		}
		if err != nil {
			return nil, err
		}
		taken = append(taken, line)
		if line.tooLong {
			break
		}
		whole += "\n" + line.text
		if values, closed := splitQuoted(whole); closed && len(values) == len(s.header) {
			return values, nil
		}
	}
	s.line -= len(taken)
	s.pending = append(taken, s.pending...)
	return literal, nil
}

func (s *tsvSource) row(line int, values []string) (rawRow, error) {
	row := rawRow{line: line, values: map[string][]string{}}
	if len(values) > len(s.header) {
		return rawRow{}, &Rejection{Line: line, ID: values[0], Reason: fmt.Sprintf("%d values, but the header has %d columns", len(values), len(s.header))}
	}
	for i, value := range values {
		value = strings.TrimSpace(value)
		if value == "" {
			continue
		}
		if len(value) > maxValue {
			return rawRow{}, &Rejection{Line: line, ID: row.first("id"), Reason: fmt.Sprintf("%s is longer than %d bytes", s.header[i], maxValue)}
		}
		row.values[s.header[i]] = append(row.values[s.header[i]], value)
	}
	return row, nil
}

func splitTabs(text string) []string { return strings.Split(text, "\t") }

// splitQuoted splits at tabs outside quotes; closed is false where a quote is open at the end.
func splitQuoted(text string) (values []string, closed bool) {
	for {
		var value string
		var more bool
		if strings.HasPrefix(text, `"`) {
			var ended bool
			value, text, more, ended = quoted(text)
			if !ended {
				return nil, false
			}
		} else {
			value, text, more = strings.Cut(text, "\t")
		}
		values = append(values, value)
		if !more {
			return values, true
		}
	}
}

// quoted takes a value that begins with a quote. A quote that is followed by neither a tab nor the end closes nothing: then
// the value is what stands there up to the tab.
func quoted(text string) (value, rest string, more, ended bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != '"':
			b.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		case i+1 == len(text):
			return b.String(), "", false, true
		case text[i+1] == '\t':
			return b.String(), text[i+2:], true, true
		default:
			value, rest, more = strings.Cut(text, "\t")
			return value, rest, more, true
		}
	}
	return "", "", false, false
}

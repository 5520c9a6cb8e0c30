package feed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// The bounds of what a feed may hold; a row past them is rejected, so that one can't take the memory.
const (
	maxValue  = 64 << 10 // bytes of one attribute
	maxValues = 500      // attributes of one row
	maxRow    = 1 << 20  // bytes of one row
)

// rawRow is a row as the feed has it: attribute names in Google's spelling, in the order of their values.
type rawRow struct {
	line   int
	values map[string][]string
}

func (r rawRow) first(name string) string {
	if v := r.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// rowSource yields rows: a *Rejection for one that can't be read, io.EOF at the end, another error when nothing more can be.
type rowSource interface{ next() (rawRow, error) }

// open finds out what kind of feed it is, by its content.
func open(in io.Reader) (rowSource, error) {
	peek := bufio.NewReaderSize(in, 64<<10)
	head, err := peek.Peek(1024)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read the feed: %w", err)
	}
	text, err := decode(peek, head)
	if err != nil {
		return nil, err
	}
	clean := bufio.NewReaderSize(&cleaner{in: text}, 64<<10)
	for {
		b, err := clean.Peek(1)
		if err != nil {
			return nil, errors.New("the feed is empty")
		}
		if b[0] != ' ' && b[0] != '\n' && b[0] != '\r' {
			break
		}
		if _, err := clean.Discard(1); err != nil {
			return nil, fmt.Errorf("read the feed: %w", err)
		}
	}
	if b, err := clean.Peek(1); err == nil && b[0] == '<' {
		return newXMLSource(clean)
	}
	return newTSVSource(clean)
}

var declared = regexp.MustCompile(`^\s*<\?xml[^>]*encoding=["']([A-Za-z0-9._-]{1,40})["']`)

// decode returns the feed as UTF-8: by its byte order mark, else by what its XML declaration says.
func decode(in *bufio.Reader, head []byte) (*bufio.Reader, error) {
	var from encoding.Encoding
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		if _, err := in.Discard(3); err != nil {
			return nil, fmt.Errorf("read the feed: %w", err)
		}
		return in, nil
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		from = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	default:
		m := declared.FindSubmatch(head)
		if m == nil || strings.EqualFold(string(m[1]), "utf-8") {
			return in, nil
		}
		var err error
		if from, err = htmlindex.Get(string(m[1])); err != nil {
			return nil, fmt.Errorf("the feed is in %s, which is not known here; save it as UTF-8", m[1])
		}
	}
	return bufio.NewReaderSize(from.NewDecoder().Reader(in), 64<<10), nil
}

// cleaner replaces bytes that are no text by U+FFFD. The XML decoder would end at the first one; so the row that holds it
// can be rejected, and the next read.
type cleaner struct {
	in   *bufio.Reader
	rest []byte // of a rune that did not fit
	err  error
}

func (c *cleaner) Read(p []byte) (int, error) {
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	for c.err == nil && n < len(p) {
		r, _, err := c.in.ReadRune()
		if err != nil {
			c.err = err
			break
		}
		if (r < ' ' && r != '\n' && r != '\r' && r != '\t') || r == 0xfffe || r == 0xffff {
			r = utf8.RuneError
		}
		if r < utf8.RuneSelf {
			p[n] = byte(r)
			n++
			continue
		}
		encoded := utf8.AppendRune(nil, r)
		took := copy(p[n:], encoded)
		n += took
		c.rest = encoded[took:]
		if len(c.rest) > 0 {
			break
		}
	}
	if n == 0 && c.err != nil {
		return 0, c.err
	}
	return n, nil
}

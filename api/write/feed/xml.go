package feed

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// googleSpace is the namespace of the attributes; a feed that forgot to declare it leaves the bare prefix.
const (
	googleSpace = "http://base.google.com/ns/1.0"
	barePrefix  = "g"
	atomSpace   = "http://www.w3.org/2005/Atom"
)

const (
	maxToken = 4 << 20 // bytes between two tokens of the XML
	maxDepth = 64      // open elements
)

// xmlSource reads RSS items and Atom entries, token by token.
type xmlSource struct {
	dec   *xml.Decoder
	limit *tokenLimit
	depth int
}

func newXMLSource(in io.Reader) (*xmlSource, error) {
	limit := &tokenLimit{in: in}
	s := &xmlSource{dec: xml.NewDecoder(limit), limit: limit}
	s.dec.Entity = xml.HTMLEntity // feeds hold &nbsp; and the like
	// The text is UTF-8 by now, whatever the declaration says.
	s.dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for {
		token, err := s.token()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the feed is XML without an element")
		}
		if err != nil {
			return nil, err
		}
		if start, isStart := token.(xml.StartElement); isStart {
			switch strings.ToLower(start.Name.Local) {
			case "rss", "feed", "rdf":
				return s, nil
			}
			return nil, fmt.Errorf("the feed's root is <%s>: neither RSS 2.0 nor Atom", start.Name.Local)
		}
	}
}

func (s *xmlSource) token() (xml.Token, error) {
	s.limit.left = maxToken
	token, err := s.dec.Token()
	switch token.(type) {
	case xml.StartElement:
		if s.depth++; s.depth > maxDepth {
			return nil, fmt.Errorf("line %d: elements are nested more than %d deep", s.line(), maxDepth)
		}
	case xml.EndElement:
		s.depth--
	}
	return token, err
}

func (s *xmlSource) line() int {
	line, _ := s.dec.InputPos()
	return line
}

func (s *xmlSource) next() (rawRow, error) {
	for {
		token, err := s.token()
		if err != nil {
			return rawRow{}, err
		}
		start, isStart := token.(xml.StartElement)
		if isStart && (start.Name.Local == "item" || start.Name.Local == "entry") && start.Name.Space != googleSpace {
			return s.item()
		}
	}
}

// item reads up to the end of the item, also when the row is rejected: the next one begins there.
func (s *xmlSource) item() (rawRow, error) {
	b := itemBuilder{row: rawRow{line: s.line(), values: map[string][]string{}}, plain: map[string][]string{}}
	depth := s.depth
	for {
		token, err := s.token()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return rawRow{}, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if s.depth == depth+1 {
				b.begin(t)
			}
		case xml.CharData:
			// Only what stands directly in an attribute: a price in g:shipping is not the price.
			if s.depth == depth+1 {
				b.add(t)
			}
		case xml.EndElement:
			switch s.depth {
			case depth:
				b.end()
			case depth - 1:
				return b.finish()
			}
		}
	}
}

// itemBuilder gathers the attributes of an item.
type itemBuilder struct {
	row      rawRow
	plain    map[string][]string // RSS's and Atom's own elements, which count where Google's are missing
	name     string
	google   bool
	ignored  bool
	text     strings.Builder
	size     int
	count    int
	rejected string // the reason
}

func (b *itemBuilder) begin(start xml.StartElement) {
	b.text.Reset()
	b.name = normalName(start.Name.Local)
	b.google = start.Name.Space == googleSpace || start.Name.Space == barePrefix
	b.ignored = !b.google && start.Name.Space != "" && start.Name.Space != atomSpace
	if b.google {
		return
	}
	switch b.name {
	case "summary", "content": // Atom's
		b.name = "description"
	case "link":
		for _, a := range start.Attr {
			if a.Name.Local == "href" {
				b.text.WriteString(a.Value)
			}
		}
	}
}

func (b *itemBuilder) add(text []byte) {
	if b.text.Len()+len(text) > maxValue {
		b.rejected = fmt.Sprintf("%s is longer than %d bytes", b.name, maxValue)
		return
	}
	b.text.Write(text)
}

func (b *itemBuilder) end() {
	value := strings.TrimSpace(b.text.String())
	b.text.Reset()
	if b.ignored || value == "" {
		return
	}
	b.size += len(value)
	if b.count++; b.count > maxValues || b.size > maxRow {
		b.rejected = fmt.Sprintf("more than %d attributes or %d bytes", maxValues, maxRow)
		return
	}
	if b.google {
		b.row.values[b.name] = append(b.row.values[b.name], value)
	} else {
		b.plain[b.name] = append(b.plain[b.name], value)
	}
}

func (b *itemBuilder) finish() (rawRow, error) {
	for name, values := range b.plain {
		if b.row.values[name] == nil {
			b.row.values[name] = values
		}
	}
	if b.rejected != "" {
		return rawRow{}, &Rejection{b.row.line, b.row.first("id"), b.rejected}
	}
	return b.row, nil
}

// normalName writes a name as Google does: "g:Image Link" is image_link.
func normalName(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	name = strings.TrimPrefix(name, "g:")
	return strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), "_")
}

// tokenLimit ends a document whose single token would not fit in memory: the decoder holds each one whole.
type tokenLimit struct {
	in   io.Reader
	left int
}

func (l *tokenLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("a single text or tag of the XML is longer than %d bytes", maxToken)
	}
	n, err := l.in.Read(p)
	l.left -= n
	return n, err
}

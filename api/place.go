package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// place names the part of a JSON document that ends at or first after the offset, as every other error names it:
// "lines[0].sku", and "" for the document itself. The decoder's own name lacks the numbers of lists.
func place(body []byte, offset int64) string {
	f := finder{dec: json.NewDecoder(bytes.NewReader(body)), offset: offset}
	f.value("")
	return f.at
}

// finder reads a document, whose nesting scan has bounded, up to a part of it.
type finder struct {
	dec    *json.Decoder
	offset int64
	at     string
}

// value reads one value and says whether the part is in it.
func (f *finder) value(at string) bool {
	token, err := f.dec.Token()
	if err != nil || f.dec.InputOffset() >= f.offset {
		f.at = at
		return true
	}
	switch token {
	case json.Delim('['):
		for i := 0; f.dec.More(); i++ {
			if f.value(fmt.Sprintf("%s[%d]", at, i)) {
				return true
			}
		}
	case json.Delim('{'):
		for f.dec.More() {
			name, err := f.dec.Token()
			if err != nil || f.value(strings.TrimPrefix(fmt.Sprintf("%s.%v", at, name), ".")) {
				return true
			}
		}
	default:
		return false
	}
	_, err = f.dec.Token() // what closes it
	return err != nil
}

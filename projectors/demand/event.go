package demand

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"freshet/ingest/change"
)

// MaxText is the longest text that is counted, in bytes.
const MaxText = 200

// The kinds of event.
const (
	Search = "search"
	Click  = "click"
)

// Event is a record of the topic: a search, or a click on one of its hits. It says nothing of who it was.
type Event struct {
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	Store   int64     `json:"store"`
	Lang    string    `json:"lang"`
	Text    string    `json:"text"`              // as Normal makes it
	Total   int64     `json:"total"`             // hits of a search
	Fuzzy   bool      `json:"fuzzy,omitempty"`   // only misspellings of the text were found
	Product int64     `json:"product,omitempty"` // of a click
}

// manyDigits are more than any number of an article has: those of cards and of bank accounts have as many.
const manyDigits = 15

// Normal is a text as it is counted: in small letters, with single spaces and nothing that can't be seen, cut where it is too
// long. It is empty for what isn't counted: what has an address of mail in it says who asks, or of whom, and what has as many
// digits as a card may be one. Other names and numbers of people can't be told from what a shop sells.
func Normal(text string) string {
	text = strings.Join(strings.Fields(strings.ToLower(strings.ToValidUTF8(text, ""))), " ")
	text = norm.NFC.String(strings.Join(strings.Fields(strings.Map(visible, text)), " "))
	if strings.Contains(text, "@") || count(text, unicode.IsDigit) >= manyDigits {
		return ""
	}
	for len(text) > MaxText {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return strings.TrimSpace(text)
}

// visible leaves out what would change how the text around it is shown.
func visible(r rune) rune {
	if !unicode.IsGraphic(r) {
		return -1
	}
	return r
}

func count(text string, of func(rune) bool) (n int) {
	for _, r := range text {
		if of(r) {
			n++
		}
	}
	return n
}

// Encode is the record's key, which routes it by store, and its value.
func (e *Event) Encode() (key, value []byte, err error) {
	value, err = json.Marshal(e)
	return strconv.AppendInt(nil, e.Store, 10), value, err
}

// decode reads a record. The error wraps change.ErrMalformed.
func decode(value []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(value, &e); err != nil {
		return e, fmt.Errorf("%w: a search event: %w", change.ErrMalformed, err)
	}
	if e.Store <= 0 || e.Lang == "" || e.Text == "" || len(e.Text) > MaxText || e.At.IsZero() || e.Kind != Search && e.Kind != Click {
		return e, fmt.Errorf("%w: a search event without what it is of", change.ErrMalformed)
	}
	return e, nil
}

package read

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"freshet/api"
	"freshet/search"
)

// firstPage is the cursor that a walk begins with.
const firstPage = "*"

// cursors signs the places of walks. A place says what to ask the server for, so only one that came from here is believed,
// and only for the query it came with.
type cursors struct{ key []byte }

func newCursors(key []byte) cursors {
	if len(key) == 0 {
		key = make([]byte, sha256.Size)
		_, _ = rand.Read(key) // never fails: it ends the process instead
	}
	return cursors{key}
}

// signature is of a place and the query it is a place in.
func (c cursors) signature(q *search.Query, place []byte) ([]byte, error) {
	asked, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encode a query: %w", err)
	}
	mac := hmac.New(sha256.New, c.key)
	for _, part := range [][]byte{asked, place} {
		_, _ = fmt.Fprintf(mac, "%d:", len(part)) // a hash takes everything
		_, _ = mac.Write(part)
	}
	return mac.Sum(nil), nil
}

// write makes the cursor of a place, "" for none.
func (c cursors) write(q *search.Query, at *search.Place) (string, error) {
	if at == nil {
		return "", nil
	}
	place, err := json.Marshal(at)
	if err != nil {
		return "", fmt.Errorf("encode a place: %w", err)
	}
	signature, err := c.signature(q, place)
	return base64.RawURLEncoding.EncodeToString(append(signature, place...)), err
}

// read takes a cursor back; nil for the first page's.
func (c cursors) read(q *search.Query, cursor string) (*search.Place, error) {
	if cursor == firstPage {
		return nil, nil
	}
	refused := api.Errorf(api.Invalid, "The cursor isn't one that a page of this search said in next; all other parameters must be those of that page.").At("cursor")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) < sha256.Size {
		return nil, refused.Because(err)
	}
	signature, err := c.signature(q, raw[sha256.Size:])
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(signature, raw[:sha256.Size]) {
		return nil, refused
	}
	at := new(search.Place)
	if err := json.Unmarshal(raw[sha256.Size:], at); err != nil {
		return nil, refused.Because(err) // of a version before this one
	}
	return at, nil
}

// find answers a query: the page at its offset, or where the request has a cursor the walk's next page and the cursor of
// the one after.
func (s *Shop) find(ctx context.Context, r *request, q *search.Query) (result search.Result, next string, err error) {
	if r.cursor == "" {
		result, err = s.cfg.Searcher.Search(ctx, *q, r.dims)
		return result, "", err
	}
	at, err := s.cursors.read(q, r.cursor)
	if err != nil {
		return result, "", err
	}
	result, place, err := s.cfg.Searcher.Page(ctx, *q, at, r.dims)
	if err != nil {
		return result, "", err
	}
	next, err = s.cursors.write(q, place)
	return result, next, err
}

package search

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Stored is a document as the index holds it, with the version it was stored under.
type Stored struct {
	Index    string   `json:"_index"`
	Version  int64    `json:"_version"`
	Document Document `json:"_source"`
}

// Get reads the document of an offer, also one that no search has seen yet; false when there is none.
func (c *Client) Get(ctx context.Context, prefix string, store, product int64) (Stored, bool, error) {
	if err := checkPrefix(prefix); err != nil {
		return Stored{}, false, err
	}
	path := "/" + url.PathEscape(Alias(prefix)) + "/_doc/" + url.PathEscape(ID(store, product)) + "?routing=" + strconv.FormatInt(store, 10)
	var stored struct {
		Found bool `json:"found"`
		Stored
	}
	err := c.json(ctx, http.MethodGet, path, nil, &stored)
	var status *statusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound && status.Type == "" { // the index is there, the document isn't
		return Stored{}, false, nil
	}
	if err != nil {
		return Stored{}, false, fmt.Errorf("read the search document %s: %w", ID(store, product), err)
	}
	return stored.Stored, stored.Found, nil
}

package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8"
)

// maxAnswer bounds what is read of one answer: a page with all its facets is below 1 MB, a bulk answer below 2 MB.
const maxAnswer = 64 << 20

// Client speaks to Elasticsearch. It is safe for concurrent use.
type Client struct {
	es interface {
		Perform(*http.Request) (*http.Response, error)
	}
}

// Open returns a client of the servers at the addresses. It makes no connection. The library's own retries are off: they
// leave out 429, and what may be repeated is decided by Writer, which knows the versions.
func Open(addresses []string) (*Client, error) {
	transport := &http.Transport{
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second,
	}
	es, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: addresses, Transport: transport, DisableRetry: true})
	if err != nil {
		return nil, fmt.Errorf("open Elasticsearch client: %w", err)
	}
	return &Client{es: es}, nil
}

// statusError is an answer that is not a success.
type statusError struct {
	Status int
	Type   string
	Reason string
}

func (e *statusError) Error() string {
	if e.Type == "" {
		return fmt.Sprintf("Elasticsearch answered %d: %s", e.Status, e.Reason)
	}
	return fmt.Sprintf("Elasticsearch answered %d, %s: %s", e.Status, e.Type, e.Reason)
}

// errTransport is wrapped by errors of the way to the server: no answer came, or not all of it.
var errTransport = errors.New("no answer from Elasticsearch")

// passing says whether the same request may succeed later: the server is overloaded, starting or away.
func passing(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return PassingStatus(status.Status)
	}
	return errors.Is(err, errTransport)
}

// PassingStatus says of an answer's HTTP status whether the same request may succeed later: the server has too much to do or is not
// all there.
func PassingStatus(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// do makes one request and decodes a successful answer into out, where given.
func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request %s %s: %w", method, path, err)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := c.es.Perform(req)
	if err != nil {
		return fmt.Errorf("%w: %s %s: %w", errTransport, method, path, err)
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if closeErr := res.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("%w: read answer of %s %s: %w", errTransport, method, path, err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %w", method, path, failure(res.StatusCode, answer))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode answer of %s %s: %w", method, path, err)
	}
	return nil
}

// json makes a request with a JSON body.
func (c *Client) json(ctx context.Context, method, path string, body, out any) error {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode %s %s: %w", method, path, err)
		}
	}
	return c.do(ctx, method, path, "application/json", encoded, out)
}

// failure reads Elasticsearch's error body; one that is not of its making (a proxy's page) is kept as text.
func failure(status int, body []byte) *statusError {
	var e struct {
		Error json.RawMessage `json:"error"`
	}
	var detail struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal(body, &e) == nil && json.Unmarshal(e.Error, &detail) == nil {
		return &statusError{Status: status, Type: detail.Type, Reason: detail.Reason}
	}
	if len(body) > 300 {
		body = body[:300]
	}
	return &statusError{Status: status, Reason: string(body)}
}

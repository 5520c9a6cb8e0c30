// Package registry speaks to a schema registry with Confluent's HTTP interface (Confluent, Apicurio, Karapace, Redpanda).
//
// ingest calls it when a table becomes known, under Avro. It guarantees that the id it returns names the very schema it was
// given: registering one that is there already returns the id it has.
package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// timeout bounds one request.
const timeout = 10 * time.Second

// Client is a client of one registry.
type Client struct {
	base *url.URL
	user *url.Userinfo
	http *http.Client
}

// New returns a client of the registry at a URL, "http://user:password@host:port/path", user and path optional.
func New(address string) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, errors.New("schema registry: want a URL http://host:port") // the URL may hold a password
	}
	user := base.User
	base.User = nil
	return &Client{base: base, user: user, http: &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}}}, nil
}

// Error is an answer of the registry that is none: the schema is invalid, or not compatible with the subject's last one.
type Error struct {
	Subject string
	Status  int
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("schema registry refuses %s with status %d, code %d: %s", e.Subject, e.Status, e.Code, e.Message)
}

// Register makes an Avro schema the latest version of a subject, unless the subject has it, and returns its id.
func (c *Client) Register(ctx context.Context, subject, schema string) (uint32, error) {
	body, err := json.Marshal(map[string]string{"schema": schema})
	if err != nil {
		return 0, fmt.Errorf("schema of %s: %w", subject, err)
	}
	target := c.base.JoinPath("subjects", url.PathEscape(subject), "versions")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("register %s: %w", subject, err)
	}
	request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	if c.user != nil {
		password, _ := c.user.Password()
		request.SetBasicAuth(c.user.Username(), password)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, fmt.Errorf("register %s: %w", subject, err)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return 0, fmt.Errorf("register %s: %w", subject, err)
	}
	return idOf(subject, response.StatusCode, answer)
}

func idOf(subject string, status int, answer []byte) (uint32, error) {
	if status != http.StatusOK {
		refused := &Error{Subject: subject, Status: status}
		if err := json.Unmarshal(answer, refused); err != nil {
			refused.Message = fmt.Sprintf("%.200q", answer)
		}
		return 0, refused
	}
	var registered struct {
		ID *uint32 `json:"id"`
	}
	if err := json.Unmarshal(answer, &registered); err != nil {
		return 0, fmt.Errorf("register %s: answer %.200q: %w", subject, answer, err)
	}
	if registered.ID == nil {
		return 0, fmt.Errorf("register %s: no id in %.200q", subject, answer)
	}
	return *registered.ID, nil
}

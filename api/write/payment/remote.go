package payment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Remote is a provider that is spoken to over HTTP: POST {base}/{kind} with the task as JSON.
type Remote struct {
	name   string
	base   *url.URL
	token  string
	client *http.Client
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// maxIdle is how many connections to the provider are kept for the next task.
const maxIdle = 32

// NewRemote returns the provider at the base URL, which is sent the token as bearer. client may be nil.
func NewRemote(name, base, token string, client *http.Client) (*Remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the payment provider's address %q isn't an http or https URL", base)
	}
	if client == nil {
		// Well below the lease of a task, so that a provider that hangs doesn't hang two workers with one task.
		client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second,
			// Every task goes to one host. By default two connections to it are kept, and all others closed after each answer.
			MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: time.Minute,
		}}
	}
	return &Remote{name: name, base: u, token: token, client: client}, nil
}

// Name is the provider's, in payments and in the path of its events.
func (r *Remote) Name() string { return r.name }

// Do gives the provider the task. An error means that it isn't known whether it was carried out: give it again.
func (r *Remote) Do(ctx context.Context, kind Kind, task Task) (Answer, error) {
	body, err := json.Marshal(task)
	if err != nil {
		return Answer{}, fmt.Errorf("encode task %s: %w", task.Key, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base.JoinPath(string(kind)).String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("make the request for task %s: %w", task.Key, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := r.client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("give task %s to %s: %w", task.Key, r.name, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("give task %s to %s: status %d", task.Key, r.name, resp.StatusCode)
	}
	var a Answer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&a); err != nil {
		return Answer{}, fmt.Errorf("read the answer to task %s of %s: %w", task.Key, r.name, err)
	}
	if !a.State.Known() {
		return Answer{}, fmt.Errorf("%s answers task %s with the state %.20q", r.name, task.Key, a.State)
	}
	return a, nil
}

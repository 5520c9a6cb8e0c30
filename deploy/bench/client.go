package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"
)

// answerTimeout bounds a request: one that takes longer is an error of the server's.
const answerTimeout = 10 * time.Second

// client asks one HTTP server over kept connections. It is fasthttp's, since what the client burns is taken from the server
// that is measured on the same cores.
type client struct {
	host  *fasthttp.HostClient
	base  string
	token string
}

// answer is what came back. Its body is the caller's.
type answer struct {
	status int
	behind bool // the server could not wait until it shows the position it was sent
	asOf   string
	body   []byte
}

// newClient asks the server at a URL; token, if any, is sent with every request.
func newClient(base, token string, connections int) (*client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no URL of a server", base)
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	return &client{base: base, token: token, host: &fasthttp.HostClient{
		Addr: address, IsTLS: u.Scheme == "https", Name: "freshet-bench", MaxConns: connections,
		ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, MaxConnWaitTimeout: answerTimeout,
		// A kept connection that the server has just closed is tried again once, on a new one.
		MaxIdemponentCallAttempts: 2,
	}}, nil
}

func (c *client) close() { c.host.CloseIdleConnections() }

// get asks for a path and takes the answer, whatever its status.
func (c *client) get(ctx context.Context, path string) (answer, error) {
	var a answer
	err := c.do(ctx, fasthttp.MethodGet, path, "", func(r *fasthttp.Response) {
		a.status, a.body = r.StatusCode(), append([]byte(nil), r.Body()...)
	})
	return a, err
}

// do sends a request. take sees the response only while it runs: the buffers are reused.
func (c *client) do(ctx context.Context, method, path, position string, take func(*fasthttp.Response)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(c.base + path)
	req.Header.SetMethod(method)
	if position != "" {
		req.Header.Set("Freshet-Position", position)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if err := c.host.DoTimeout(req, resp, answerTimeout); err != nil {
		return fmt.Errorf("%s %s%s: %w", method, c.base, path, err)
	}
	take(resp)
	return nil
}

// check asks for a path, looks at the status alone and returns an error for any but 200.
func (c *client) check(ctx context.Context, path string) error {
	var wrong error
	err := c.do(ctx, fasthttp.MethodGet, path, "", func(r *fasthttp.Response) {
		if r.StatusCode() != fasthttp.StatusOK {
			wrong = statusError(path, r.StatusCode(), r.Body())
		}
	})
	return errors.Join(err, wrong)
}

// read asks for a path and decodes the JSON of a 200.
func (c *client) read(ctx context.Context, path string, into any) error {
	a, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	if a.status != fasthttp.StatusOK {
		return statusError(path, a.status, a.body)
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("decode the answer to %s: %w", path, err)
	}
	return nil
}

// at asks for a path as of a position.
func (c *client) at(ctx context.Context, path, position string) (answer, error) {
	var a answer
	err := c.do(ctx, fasthttp.MethodGet, path, position, func(r *fasthttp.Response) {
		a = answer{
			status: r.StatusCode(), behind: len(r.Header.Peek("Freshet-Behind")) > 0,
			asOf: string(r.Header.Peek("Freshet-As-Of")), body: append([]byte(nil), r.Body()...),
		}
	})
	return a, err
}

func statusError(path string, status int, body []byte) error {
	return fmt.Errorf("%s answered %d: %.200s", path, status, body)
}

package bench

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/valyala/fasthttp"
)

// sent is a request that has a body, or changes something.
type sent struct {
	method, path string
	token        string // bearer, "" for none
	key          string // idempotency key, "" for none
	body         any    // encoded as JSON; nil for none
}

// answered is what came back, with the type of the problem document, if it is one.
type answered struct {
	status  int
	body    []byte
	problem string
}

// decode reads the JSON of a good answer.
func (a answered) decode(into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("decode %.200s: %w", a.body, err)
	}
	return nil
}

// send sends the request once and takes the answer, whatever its status. An error means that what became of it isn't known.
func (c *client) send(ctx context.Context, s sent) (a answered, err error) {
	if err := ctx.Err(); err != nil {
		return a, err
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(c.base + s.path)
	req.Header.SetMethod(s.method)
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	if s.key != "" {
		req.Header.Set("Idempotency-Key", s.key)
	}
	if s.body != nil {
		body, err := json.Marshal(s.body)
		if err != nil {
			return a, fmt.Errorf("encode the body of %s %s: %w", s.method, s.path, err)
		}
		req.Header.SetContentType("application/json")
		req.SetBodyRaw(body)
	}
	if err := c.host.DoTimeout(req, resp, answerTimeout); err != nil {
		return a, fmt.Errorf("%s %s%s: %w", s.method, c.base, s.path, err)
	}
	a.status, a.body = resp.StatusCode(), append([]byte(nil), resp.Body()...)
	if a.status >= fasthttp.StatusBadRequest {
		var p struct{ Type string }
		if err := a.decode(&p); err == nil {
			a.problem = p.Type
		}
	}
	return a, nil
}

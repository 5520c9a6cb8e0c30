// Package apitest holds what the servers do against the OpenAPI file. The tests of api/write, api/read and api/admin call
// it for every request they make, so that neither routes nor answers can drift from their description.
package apitest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"freshet/api"
	openapi "freshet/docs/api"
)

// Document loads and validates the file, once.
var Document = sync.OnceValues(func() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder) // lines, which no schema describes
	doc, err := loader.LoadFromData(openapi.YAML)
	if err != nil {
		return nil, fmt.Errorf("load the OpenAPI file: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("validate the OpenAPI file: %w", err)
	}
	return doc, nil
})

// Routes lists what the file says that a server answers: the operations that carry the server's name as a tag.
func Routes(server string) ([]api.Link, error) {
	doc, err := Document()
	if err != nil {
		return nil, err
	}
	var links []api.Link
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if slices.Contains(op.Tags, server) {
				links = append(links, api.Link{Method: method, Href: path})
			}
		}
	}
	return links, nil
}

// Difference says which routes a server has and the file does not, and the other way round; empty when they agree.
func Difference(server string, routes []api.Link) (string, error) {
	described, err := Routes(server)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, r := range routes {
		if !slices.Contains(described, r) {
			fmt.Fprintf(&b, "%s %s is not in the file\n", r.Method, r.Href)
		}
	}
	for _, r := range described {
		if !slices.Contains(routes, r) {
			fmt.Fprintf(&b, "%s %s is in the file and no route\n", r.Method, r.Href)
		}
	}
	return b.String(), nil
}

// Check holds an answer against the file: the status must be described, the headers and the body must be as described,
// and a request that was answered well must be one that the file allows. Requests that the file has no operation for must
// be refused with a problem document.
func Check(server string, req *http.Request, resp *http.Response, sent, got []byte) error {
	doc, err := Document()
	if err != nil {
		return err
	}
	route, params := match(doc, server, req)
	if route == nil {
		if resp.StatusCode < 400 || resp.StatusCode >= 500 || !isProblem(resp) {
			return fmt.Errorf("%s %s, which the file doesn't have, was answered %d: %s", req.Method, req.URL, resp.StatusCode, got)
		}
		return nil
	}
	options := &openapi3filter.Options{
		IncludeResponseStatus: true, MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: options}
	if resp.StatusCode < 400 {
		req.Body = io.NopCloser(bytes.NewReader(sent))
		if err := openapi3filter.ValidateRequest(req.Context(), in); err != nil {
			return fmt.Errorf("%s %s was answered %d, but the file doesn't allow the request: %w", req.Method, req.URL, resp.StatusCode, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: options,
	}
	if err := openapi3filter.ValidateResponse(req.Context(), out.SetBodyBytes(got)); err != nil {
		return fmt.Errorf("%s %s: the answer %d isn't as the file says: %w\n%s", req.Method, req.URL, resp.StatusCode, err, got)
	}
	return nil
}

func isProblem(resp *http.Response) bool {
	return resp.Header.Get("Content-Type") == "application/problem+json"
}

// match finds the operation of a request among the server's. A path without parameters goes before one with.
func match(doc *openapi3.T, server string, req *http.Request) (*routers.Route, map[string]string) {
	paths := doc.Paths.Map()
	byParameters := func(a, b string) int {
		return cmp.Or(strings.Count(a, "{")-strings.Count(b, "{"), strings.Compare(a, b))
	}
	for _, path := range slices.SortedFunc(maps.Keys(paths), byParameters) {
		item := paths[path]
		op := item.GetOperation(req.Method)
		if op == nil || !slices.Contains(op.Tags, server) {
			continue
		}
		if params, ok := parameters(path, req.URL.EscapedPath()); ok {
			return &routers.Route{Spec: doc, Path: path, PathItem: item, Method: req.Method, Operation: op}, params
		}
	}
	return nil, nil
}

// parameters matches a path against a template.
func parameters(template, path string) (map[string]string, bool) {
	want, have := strings.Split(template, "/"), strings.Split(strings.TrimSuffix(path, "/"), "/")
	if template == "/" {
		return nil, path == "/"
	}
	if len(want) != len(have) {
		return nil, false
	}
	params := map[string]string{}
	for i, w := range want {
		if name, ok := strings.CutPrefix(w, "{"); ok && have[i] != "" {
			params[strings.TrimSuffix(name, "}")] = have[i]
		} else if w != have[i] {
			return nil, false
		}
	}
	return params, true
}

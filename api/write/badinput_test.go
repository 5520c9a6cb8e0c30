package write_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"freshet/api"
	"freshet/api/write/payment"
)

// TestBadInputIsRefusedAndChangesNothing sends what is malformed, too large or of the wrong type to every route by every
// method. Whatever it is, the answer is a 4xx that says why, and not one row is another afterwards.
func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	s := newShop(t)
	before := s.state()
	for _, route := range s.server.Routes() {
		if !strings.HasPrefix(route.Href, "/api/") {
			continue
		}
		for _, path := range paths(route.Href) {
			for _, body := range badBodies() {
				s.refused(http.MethodPost, path, body)
				s.refused(http.MethodPut, path, body)
			}
			for _, method := range []string{"GET", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
				if method == "GET" && slices.Contains(readable, path) {
					continue
				}
				s.refused(method, path, "")
			}
		}
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for range 20 {
		body := make([]byte, 1000)
		for i := range body {
			body[i] = byte(rng.Uint32())
		}
		for _, route := range s.server.Routes() {
			for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
				if method == route.Method && !strings.HasPrefix(route.Href, "/api/") {
					continue // a GET of the index is no bad input, whatever its body
				}
				path := strings.NewReplacer("{", "", "}", "").Replace(route.Href)
				if method != "GET" || !slices.Contains(readable, path) {
					s.refused(method, path, string(body))
				}
				s.refused(method, path+"/"+url.PathEscape(string(body[:50])), string(body))
				s.refused(method, path+"?"+url.QueryEscape(string(body[:200]))+"=1", string(body))
			}
		}
	}
	if after := s.state(); after != before {
		t.Errorf("bad input changed something:\n%s\n%s", before, after)
	}
}

// readable are the paths of what is there and may be read: a GET of them is no bad input.
var readable = []string{"/api/v1/products/1", "/api/v1/staff/actions", "/api/v1/stores/milano/stock", "/api/v1/stores/1/stock"}

// paths fills the template with names that exist and some that can't.
func paths(template string) []string {
	fill := func(store, id string) string {
		return strings.NewReplacer("{store}", store, "{product}", id, "{order}", id, "{provider}", "sandbox").Replace(template)
	}
	if !strings.Contains(template, "{") {
		return []string{template}
	}
	return []string{
		fill("milano", "1"), fill("1", "0"), fill("-1", "-1"), fill("9223372036854775808", "9223372036854775808"),
		fill("%00", "%00"), fill("%27;drop%20table%20orders", "1%27"), fill(strings.Repeat("x", 3000), strings.Repeat("9", 3000)), fill("..", "..%2f.."),
	}
}

func badBodies() []string {
	bodies := []string{
		"", "null", "true", "1", `""`, "[]", "{}", "[{}]", "{", `{"a"`, `{}{}`, "nul", "\xef\xbb\xbf{}", "\x00", "\xff\xfe",
		`{"unknown":1}`, `{"lines":null}`, `{"prices":{}}`, `{"prices":[null]}`, `{"movements":[[]]}`,
		strings.Repeat(`{"a":`, 5000) + strings.Repeat("}", 5000), strings.Repeat("[", 100000),
		`{"customer_id":1,"store":"milano","lines":[` + strings.TrimSuffix(strings.Repeat(`{"sku":"A-1","quantity":1},`, 101), ",") + `]}`,
		`{"customer_id":1,"store":"mil\u0000ano","lines":[{"sku":"A-1","quantity":1}]}`,
		`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1' or 1=1 --","quantity":1}]}`,
		`{"actor":"` + strings.Repeat("x", 200000) + `","movements":[]}`,
		`{"store":"milano","quantity":1,"options":{"size":1}}`, `{"store":"milano","quantity":1,"sku":""}`, `{"store":"","quantity":1}`,
		`{"store":"milano","version":0,"total":-1,"shipping":"standard","address":{},"method":"succeed"}`,
		`{"id":"evt","state":"captured","reference":"pay_1","amount":1,"currency":"EUR"}`, `{"id":"evt","state":"won","reference":"","amount":1}`,
	}
	for _, money := range []string{"-1", "100000000001", "9223372036854775807", "9223372036854775808", "1e3", "1.5", `"15"`, "null", "true", "-0.0", "1e999"} {
		bodies = append(bodies,
			fmt.Sprintf(`{"prices":[{"sku":"A-1","amount":%s}]}`, money),
			fmt.Sprintf(`{"store":"milano","sku":"A-2","quantity":%s}`, money),
			fmt.Sprintf(`{"customer_id":1,"store":"milano","lines":[{"sku":"A-1","quantity":%s}]}`, money),
			fmt.Sprintf(`{"actor":"t","movements":[{"sku":"A-1","kind":"receipt","quantity":%s}]}`, strings.Replace(money, "100000000001", "0", 1)))
	}
	return bodies
}

// refused wants a 4xx with a reason. Every request carries a key and a signature, so that a missing one isn't the reason.
func (s *shop) refused(method, path, body string) {
	s.t.Helper()
	header := append(s.visitor(path), "Idempotency-Key", "bad", payment.HeaderSignature, payment.Sign(secret, []byte(body)))
	r := s.request(method, path, body, header...)
	var p api.Problem
	if err := json.Unmarshal(r.body, &p); err != nil || r.status < 400 || r.status > 499 || p.Status != r.status || p.Detail == "" {
		s.t.Fatalf("%s %.200s with %.200q: %d %s, want a 4xx with a reason", method, path, body, r.status, r.body)
	}
}

// visitor is someone whom the path lets in, so that it is the input that is refused.
func (s *shop) visitor(path string) []string {
	for _, of := range []string{"/cart", "/checkout", "/extend", "/payments", "/cancel"} {
		if strings.Contains(path, of) && !strings.Contains(path, "/events") {
			return s.anna()
		}
	}
	if strings.Contains(path, "/events") || strings.Contains(path, "/sessions") {
		return slices.Clone(anyone)
	}
	return []string{"Authorization", "Bearer " + token}
}

func TestMediaTypeAndSize(t *testing.T) {
	s := newShop(t)
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json/"} {
		s.want(s.request("POST", "/api/v1/orders", orderOne, "Idempotency-Key", "k", "Content-Type", media), 415)
	}
	for _, key := range []string{strings.Repeat("k", 256), "with space", "é"} {
		r := s.want(s.request("POST", "/api/v1/orders", orderOne, "Idempotency-Key", key), 400)
		if got := r.fields(t); !slices.Equal(got, []string{"Idempotency-Key"}) {
			t.Errorf("the answer names %v", got)
		}
	}
	s.want(s.request("POST", "/api/v1/orders", orderOne, "Idempotency-Key", "k", "Content-Type", "application/json; charset=utf-8"), 201)
}

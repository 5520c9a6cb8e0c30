package registry_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"freshet/ingest/registry"
)

// answering starts a registry that gives one answer and checks the request.
func answering(t *testing.T, status int, answer string) *registry.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Schema string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Schema != `"string"` {
			t.Errorf("body: %v, %q", err, body.Schema)
		}
		user, password, _ := r.BasicAuth()
		if r.Method != http.MethodPost || r.URL.EscapedPath() != "/api/subjects/shop.public.a%20b-value/versions" || user != "me" || password != "secret" {
			t.Errorf("%s %s by %s", r.Method, r.URL.EscapedPath(), user)
		}
		w.WriteHeader(status)
		if _, err := w.Write([]byte(answer)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	client, err := registry.New(strings.Replace(server.URL, "http://", "http://me:secret@", 1) + "/api/")
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestRegister(t *testing.T) {
	id, err := answering(t, 200, `{"id":7}`).Register(t.Context(), "shop.public.a b-value", `"string"`)
	if err != nil || id != 7 {
		t.Errorf("%d, %v", id, err)
	}
}

func TestRefused(t *testing.T) {
	_, err := answering(t, 409, `{"error_code":40901,"message":"incompatible"}`).Register(t.Context(), "shop.public.a b-value", `"string"`)
	var refused *registry.Error
	if !errors.As(err, &refused) || refused.Code != 40901 || refused.Message != "incompatible" || refused.Status != 409 {
		t.Errorf("%v", err)
	}
}

func TestAnswerWithoutAnID(t *testing.T) {
	for _, answer := range []string{`{}`, `oops`, `{"id":-1}`} {
		if id, err := answering(t, 200, answer).Register(t.Context(), "shop.public.a b-value", `"string"`); err == nil {
			t.Errorf("%s is taken for %d", answer, id)
		}
	}
}

func TestURL(t *testing.T) {
	for _, address := range []string{"", "localhost:8081", "ftp://x", "http://"} {
		if _, err := registry.New(address); err == nil {
			t.Errorf("%q is taken for a URL", address)
		}
	}
}

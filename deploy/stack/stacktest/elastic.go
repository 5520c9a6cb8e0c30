package stacktest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Elastic returns the server's URL and a prefix that no other test uses. Indices
// and index templates whose names begin with it are deleted at the end.
func Elastic(t testing.TB) (server, prefix string) {
	t.Helper()
	server = strings.TrimSuffix(address(t, "FRESHET_TEST_ELASTIC_URL"), "/")
	prefix = randomName(t)
	cleanup(t, "indices "+prefix+"*", func(ctx context.Context) error {
		if err := deleteIndices(ctx, server, prefix); err != nil {
			return err
		}
		return call(ctx, http.MethodDelete, server+"/_index_template/"+prefix+"*", nil)
	})
	return server, prefix
}

// deleteIndices names each index: a server may refuse a deletion by wildcard
// (action.destructive_requires_name is on by default).
func deleteIndices(ctx context.Context, server, prefix string) error {
	var indices []struct {
		Index string `json:"index"`
	}
	list := server + "/_cat/indices/" + prefix + "*?format=json&h=index&expand_wildcards=all"
	if err := call(ctx, http.MethodGet, list, &indices); err != nil {
		return err
	}
	for _, index := range indices {
		if err := call(ctx, http.MethodDelete, server+"/"+url.PathEscape(index.Index), nil); err != nil {
			return err
		}
	}
	return nil
}

// call makes one request and decodes its answer into out where given; 404 is no
// error, since what is to be removed may be gone.
func call(ctx context.Context, method, location string, out any) (err error) {
	request, err := http.NewRequestWithContext(ctx, method, location, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := response.Body.Close(); err == nil {
			err = closeErr
		}
	}()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, location, err)
	}
	if response.StatusCode == http.StatusNotFound {
		return nil
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, location, response.Status, body)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(body, out)
}

package apitest_test

import (
	"testing"

	"freshet/api/apitest"
)

func TestTheFileIsValid(t *testing.T) {
	if _, err := apitest.Document(); err != nil {
		t.Fatal(err)
	}
}

// TestEveryOperationMayBeRefused: limits stand before all routes.
func TestEveryOperationMayBeRefused(t *testing.T) {
	doc, err := apitest.Document()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			r := op.Responses.Value("429")
			if r == nil || r.Value.Headers["Retry-After"] == nil {
				t.Errorf("%s %s: 429 with Retry-After isn't described", method, path)
			}
		}
	}
}

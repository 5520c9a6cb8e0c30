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

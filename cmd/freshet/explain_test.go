package main

import (
	"strings"
	"testing"
)

// TestExplainWantsText: what Postgres can't hold is refused by the flag's name, before any server is asked.
func TestExplainWantsText(t *testing.T) {
	for flag, args := range map[string][]string{
		"--product: ": {"--store", "1", "--product", "\xff"}, "--store: ": {"--store", "a\xf0\x28", "--product", "42"},
	} {
		_, err := runWith(t, nil, append([]string{"explain"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), flag) || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

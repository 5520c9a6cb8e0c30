package main

import "testing"

// TestAPageSaysHowItWasMade, but not with which password.
func TestAPageSaysHowItWasMade(t *testing.T) {
	given := []string{"bench", "searchers", "--write", "search.md", "--products=1000,5000", "--duration", "10s", "--postgres-url", "postgres://a:secret@b/c"}
	cmd, flags, err := newRoot(&settings{}).Find(given)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(flags); err != nil {
		t.Fatal(err)
	}
	if got, want := asAsked(cmd), "freshet bench searchers --duration 10s --products 1000,5000 --write search.md"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

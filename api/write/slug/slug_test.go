package slug_test

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"freshet/api/write/slug"
)

func TestMake(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"Huile d'olive vierge extra", "huile-d-olive-vierge-extra"},
		{"  Kirschtomaten, süß & groß!  ", "kirschtomaten-suss-gross"},
		{"Ñandú — œufs", "nandu-oeufs"},
		{"東京", ""},
		{"---", ""},
		{"A", "a"},
	} {
		if got := slug.Make(c.name, 120); got != c.want {
			t.Errorf("Make(%q) = %q, want %q", c.name, got, c.want)
		}
	}
	if got := slug.Make("one two three four", 9); got != "one-two" {
		t.Errorf("cut at a hyphen: got %q", got)
	}
}

func TestMakeSatisfiesTheSchema(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if got := slug.Make(name, 40); got != "" && !valid.MatchString(got) {
			t.Fatalf("Make(%q) = %q breaks the schema's check", name, got)
		}
	})
}

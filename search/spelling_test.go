package search

import "testing"

func TestDidYouMean(t *testing.T) {
	hits := []Hit{{Card: Card{Title: "Caffè macinato Qualità Rossa", Brand: "Lavazza"}}, {Card: Card{Title: "Macchina per il caffè", Brand: "Bosch"}}}
	for text, want := range map[string]string{
		"caffe macinato":    "", // accents are no mistake
		"maccinato":         "macinato",
		"caffè macinaot":    "caffè macinato", // swapped letters
		"lavaza caffè":      "lavazza caffè",
		"macchine":          "", // a plural is none either
		"xyzzy":             "",
		"250g":              "",
		"Bosc":              "bosch",
		"qualitta rosa caf": "qualità rossa caf",
	} {
		if got := didYouMean(text, "it", hits); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"a", "a", 0}, {"ab", "ba", 1}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"kitten", "sitting", 3}, {"a", "abcdef", 4}, {"", "ab", 2}} {
		if got := distance(tt.a, tt.b, 4); got != tt.want || distance(tt.b, tt.a, 4) != tt.want {
			t.Errorf("%q and %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

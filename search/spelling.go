package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// didYouMean replaces the words of a text that stand in none of the hits by the words of the first hits that are nearest.
// It takes them from what was found and not from a dictionary, so that a proposal always finds something in this store.
func didYouMean(text, lang string, hits []Hit) string {
	var known []string
	for _, h := range hits[:min(len(hits), 10)] {
		known = append(known, wordsOf(h.Title)...)
		known = append(known, wordsOf(h.Brand)...)
	}
	changed := false
	words := strings.Fields(text)
	for i, w := range words {
		if better := nearest(w, lang, known); better != "" {
			words[i], changed = better, true
		}
	}
	if !changed {
		return ""
	}
	return strings.Join(words, " ")
}

// wordsOf cuts a title into its words of letters, in lower case.
func wordsOf(title string) []string {
	return strings.FieldsFunc(strings.ToLower(title), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// nearest returns the known word that a misspelt one probably is; "" for a word that is known, one with digits, or one
// that is too far from all. As many letters may differ as the query allows for.
func nearest(word, lang string, known []string) string {
	folded := fold(word)
	length := utf8.RuneCountInString(folded)
	if length < 4 || strings.ContainsFunc(folded, unicode.IsDigit) {
		return ""
	}
	best, least := "", 2
	if length >= 8 {
		least = 3
	}
	for _, k := range known {
		f := fold(k)
		if f == folded || stem(k, lang) == stem(word, lang) { // a plural is no mistake
			return ""
		}
		if d := distance(folded, f, least); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters that were changed, left out, put in or swapped with the next; limit for that many and more.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		if slices.Min(row) >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return min(last[len(y)], limit)
}

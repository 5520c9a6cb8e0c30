package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Highlighted is a text with marks around the words that a query is about.
type Highlighted struct {
	Value string
	Words []string // of the query, that were found
	Whole bool     // all of the text is marked
}

// Highlight marks the words of a text that are forms of the query's words, or begin with its last one, which may not be
// finished. It is made here and not by the server, which would analyse every title of a page again.
func Highlight(text, query, lang, before, after string) Highlighted {
	wanted := wordsOf(query)
	var out strings.Builder
	h := Highlighted{Whole: true}
	rest := text
	for rest != "" {
		letter := isLetter(first(rest))
		end := strings.IndexFunc(rest, func(r rune) bool { return isLetter(r) != letter })
		if end < 0 {
			end = len(rest)
		}
		part := rest[:end]
		rest = rest[end:]
		word := ""
		if letter {
			word = asked(part, wanted, lang)
			h.Whole = h.Whole && word != ""
		}
		if word == "" {
			out.WriteString(part)
			continue
		}
		out.WriteString(before + part + after)
		if !slices.Contains(h.Words, word) {
			h.Words = append(h.Words, word)
		}
	}
	h.Value, h.Whole = out.String(), h.Whole && len(h.Words) > 0
	return h
}

func first(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func isLetter(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)
}

// asked returns the word of the query that a word of a text answers.
func asked(word string, wanted []string, lang string) string {
	for i, w := range wanted {
		same := stem(word, lang) == stem(w, lang)
		if same || i == len(wanted)-1 && strings.HasPrefix(fold(word), fold(w)) {
			return w
		}
	}
	return ""
}

// CountWords is how many different words a query has, as Highlight counts them.
func CountWords(query string) int {
	words := wordsOf(query)
	slices.Sort(words)
	return len(slices.Compact(words))
}

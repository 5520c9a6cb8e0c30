package search

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// spelt are the letters that analyzers write as others, beside those that only lose an accent.
var spelt = strings.NewReplacer("ß", "ss", "œ", "oe", "æ", "ae", "’", "'")

// fold writes a text in lower case without accents, as the analyzers do.
func fold(text string) string {
	text = spelt.Replace(strings.ToLower(text))
	if isASCII(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(text))
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

// bare keeps letters and digits alone, folded: what is left of a name or a reference however it is punctuated.
func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, fold(text))
}

// foldGerman folds a German word as german_normalization does: vowels with their dots left out or written as two.
func foldGerman(word string) string {
	word = fold(word)
	var b strings.Builder
	for i := range len(word) {
		written := word[i] == 'e' && i > 0 && (word[i-1] == 'a' || word[i-1] == 'o' || word[i-1] == 'u')
		if written && (i < 2 || !strings.ContainsRune("aeiouq", rune(word[i-2]))) {
			continue
		}
		b.WriteByte(word[i])
	}
	return b.String()
}

// endings are what plurals and genders end in, longest first. They are taken off only to recognise names that are known
// whole, so that they may be cruder than the stemmers of the analyzers.
var endings = map[string][]string{
	"it": {"hi", "he", "ie", "ia", "io", "ii", "a", "e", "i", "o"},
	"fr": {"aux", "es", "al", "s", "x", "e"},
	"de": {"en", "er", "es", "em", "e", "n", "s"},
	"es": {"os", "as", "es", "a", "o", "e", "s"},
	"en": {"es", "s", "e"},
}

// stem returns what the forms of a word have in common.
func stem(word, lang string) string {
	word = fold(word)
	if before, after, elided := strings.Cut(word, "'"); elided && slices.Contains(elisions[lang], before) {
		word = after
	}
	word = strings.TrimSuffix(word, "'s")
	if word = bare(word); lang == "de" {
		word = foldGerman(word)
	}
	if y, ok := strings.CutSuffix(word, "ies"); ok && lang == "en" {
		return y + "y"
	}
	for _, ending := range endings[lang] {
		if s, ok := strings.CutSuffix(word, ending); ok && len(s) >= 3 {
			return s
		}
	}
	return word
}

// stems joins the stems of the words that matter, so that two ways of saying the same are equal.
func stems(words []string, lang string) string {
	var b strings.Builder
	for _, w := range words {
		if !isSmall(w, lang) {
			b.WriteString(stem(w, lang))
		}
	}
	return b.String()
}

func isSmall(word, lang string) bool { return slices.Contains(small[lang], strings.ToLower(word)) }

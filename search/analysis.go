package search

import (
	_ "embed" // the dictionary
	"strings"
	"sync"
)

//go:embed words_de.txt
var germanWords string

// elisions are the articles that stand before an apostrophe, by language.
var elisions = map[string][]string{
	"it": {"c", "l", "all", "dall", "dell", "nell", "sull", "coll", "pell", "gl", "agl", "dagl", "degl", "negl", "sugl", "un", "m", "t", "s", "v", "d", "quest", "quell"},
	"fr": {"l", "m", "t", "qu", "n", "s", "j", "d", "c", "jusqu", "quoiqu", "lorsqu", "puisqu"},
}

// stemmers take plurals and endings away and little more: in a shop a stem that joins two goods costs more than one that
// misses a rare form.
var stemmers = map[string]string{
	"it": "light_italian", "fr": "light_french", "de": "light_german", "es": "light_spanish", "en": "light_english",
}

// irregular are the plurals that a language's stemmer does not know. It takes glasses for spectacles alone.
var irregular = map[string][]string{"de": {"eier => ei"}, "en": {
	"glasses => glass", "knives => knife", "shelves => shelf", "scarves => scarf", "leaves => leaf", "loaves => loaf", "halves => half",
	"children => child", "men => man", "women => woman", "feet => foot", "teeth => tooth", "mice => mouse", "geese => goose",
}}

// analysis returns the analyzers of a language, under the same names in every one:
//
//	words         what is indexed of titles, brands and descriptions: elision, folding, light stems, German compounds split
//	words_search  the same for queries, but compounds stay whole: "Kaffeemaschine" must not find every machine
//	exact         the words as they are, without case and accents
//
// Folding comes before stemming, so that a word typed without its accents has the same stem. There is no stop filter: the
// query builder decides which words may be missing, and a product called "Uno" is found.
func analysis(lang string) object {
	filters := object{"stem": object{"type": "stemmer", "language": stemmers[lang]}}
	chain := []string{"lowercase"}
	if articles, ok := elisions[lang]; ok {
		filters["elision"] = object{"type": "elision", "articles": articles, "articles_case": true}
		chain = append(chain, "elision")
	}
	if lang == "en" {
		filters["possessive"] = object{"type": "stemmer", "language": "possessive_english"}
		chain = append(chain, "possessive")
	}
	if lang == "de" {
		chain = append(chain, "german_normalization")
	}
	if rules := irregular[lang]; len(rules) > 0 {
		filters["irregular"] = object{"type": "stemmer_override", "rules": rules}
		chain = append(chain, "irregular")
	}
	chain = append(chain, "asciifolding")
	searched := append(chain[:len(chain):len(chain)], "stem")
	indexed := searched
	if lang == "de" {
		filters["compound"] = object{
			"type": "dictionary_decompounder", "word_list": dictionary(germanWords),
			"min_word_size": 7, "min_subword_size": 4, "max_subword_size": 20, "only_longest_match": true,
		}
		indexed = append(chain[:len(chain):len(chain)], "compound", "stem")
	}
	return object{
		"filter": filters,
		"analyzer": object{
			"words":        object{"type": "custom", "tokenizer": "standard", "filter": indexed},
			"words_search": object{"type": "custom", "tokenizer": "standard", "filter": searched},
			"exact":        object{"type": "custom", "tokenizer": "standard", "filter": []string{"lowercase", "asciifolding"}},
		},
	}
}

// dictionary reads a word list of one word a line and folds it as german_normalization does, since the splitter sees
// folded words.
func dictionary(list string) []string {
	var words []string
	for line := range strings.Lines(list) {
		if word := strings.TrimSpace(line); word != "" && word[0] != '#' {
			words = append(words, fold(word))
		}
	}
	return words
}

// germanParts are the words of the dictionary.
var germanParts = sync.OnceValue(func() map[string]bool {
	parts := make(map[string]bool)
	for _, word := range dictionary(germanWords) {
		parts[word] = true
	}
	return parts
})

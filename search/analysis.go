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

// analysis returns the analyzers of all languages:
//
//	words_it         what is indexed of titles, brands and descriptions: elision, folding, light stems, German compounds split
//	words_search_it  the same for queries, but compounds stay whole: "Kaffeemaschine" must not find every machine
//	exact            of every language: the words as they are, without case and accents
//
// Folding comes before stemming, so that a word typed without its accents has the same stem. There is no stop filter: the
// query builder decides which words may be missing, and a product called "Uno" is found.
func analysis() object {
	filters := object{}
	analyzers := object{"exact": custom("lowercase", "asciifolding")}
	for _, lang := range Languages() {
		chain := folding(lang, filters)
		stem := "stem_" + lang
		filters[stem] = object{"type": "stemmer", "language": stemmers[lang]}
		analyzers[searchedAs(lang)] = custom(append(chain[:len(chain):len(chain)], stem)...)
		if lang == "de" {
			filters["compound_de"] = object{
				"type": "dictionary_decompounder", "word_list": dictionary(germanWords),
				"min_word_size": 7, "min_subword_size": 4, "max_subword_size": 20, "only_longest_match": true,
			}
			chain = append(chain, "compound_de")
		}
		analyzers[indexedAs(lang)] = custom(append(chain, stem)...)
	}
	return object{"filter": filters, "analyzer": analyzers}
}

// indexedAs is the analyzer of a language's words in documents, searchedAs of those in queries.
func indexedAs(lang string) string  { return "words_" + lang }
func searchedAs(lang string) string { return "words_search_" + lang }

func custom(filters ...string) object {
	return object{"type": "custom", "tokenizer": "standard", "filter": filters}
}

// folding is the chain of a language up to its stemmer. Filters of its own it adds to those there are.
func folding(lang string, filters object) []string {
	chain := []string{"lowercase"}
	add := func(name string, filter object) {
		filters[name] = filter
		chain = append(chain, name)
	}
	if articles, ok := elisions[lang]; ok {
		add("elision_"+lang, object{"type": "elision", "articles": articles, "articles_case": true})
	}
	if lang == "en" {
		add("possessive_en", object{"type": "stemmer", "language": "possessive_english"})
	}
	if lang == "de" {
		chain = append(chain, "german_normalization")
	}
	if rules := irregular[lang]; len(rules) > 0 {
		add("irregular_"+lang, object{"type": "stemmer_override", "rules": rules})
	}
	return append(chain, "asciifolding")
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

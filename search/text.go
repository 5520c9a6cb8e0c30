package search

import (
	"slices"
	"strings"
	"unicode"
)

// maxWords is how many words of a text are looked for. A pasted title is longer, but its first words name the thing.
const maxWords = 16

// small are the words of each language that need not be in a product's title when the query has others: articles,
// prepositions and conjunctions. They are still indexed, and a query of nothing else looks for them.
var small = map[string][]string{
	"it": strings.Fields("il lo la i gli le un uno una di a da in con su per tra fra e ed o del dello della dei degli delle al allo alla ai agli alle dal dalla dai dalle nel nella nei nelle sul sulla sui sulle"),
	"fr": strings.Fields("le la les un une des du de d l et ou à a au aux en dans sur pour par avec sans"),
	"de": strings.Fields("der die das den dem des ein eine einer eines einem einen und oder mit ohne für fuer von vom zu zum zur im in am an auf aus bei"),
	"es": strings.Fields("el la los las un una unos unas de del a al en con sin por para y e o u sobre"),
	"en": strings.Fields("the a an of for with without and or in on at to from by"),
}

// words splits a text at white space into those that must match and those that are small. Splitting here and not in the
// server makes one clause of each word, over all fields: the words of "nike scarpe" may stand in different fields, each
// may be misspelt, and later each may have synonyms.
func words(text, lang string) (needed, minor []string) {
	for _, word := range strings.Fields(text) {
		if !strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			continue // punctuation alone has no tokens and would match everything or nothing
		}
		if slices.Contains(small[lang], strings.ToLower(word)) {
			minor = append(minor, word)
		} else {
			needed = append(needed, word)
		}
	}
	if len(needed) == 0 {
		needed, minor = minor, nil
	}
	return needed[:min(len(needed), maxWords)], minor
}

// enough is how many of the words must match: all of up to three, all but one of up to six, then three in four.
const enough = "3<-1 6<75%"

// searchFields are the fields a word may stand in, with their weights.
var searchFields = []string{"title^3", "title.exact^3.5", "brand_name^2", "description^0.5"}

// fuzzyFields leave the description out: among its many words almost any misspelling finds a neighbour.
var fuzzyFields = []string{"title", "title.exact^1.2", "brand_name.exact"}

// textClause is the query for what the shopper typed: its words anywhere, or the whole of it as a reference. User text is
// only ever the value of "query" in match clauses.
func textClause(text, lang string, fuzzy bool) object {
	needed, _ := words(text, lang)
	clauses := make([]object, 0, len(needed))
	for _, word := range needed {
		clauses = append(clauses, wordClause(word, fuzzy))
	}
	alternatives := []object{
		{"match": object{"refs": object{"query": text, "boost": 100}}},
	}
	if len(clauses) > 0 {
		alternatives = append(alternatives, object{"bool": object{"should": clauses, "minimum_should_match": enough}})
	}
	return object{"bool": object{
		"must": []object{{"dis_max": object{"queries": alternatives}}},
		"should": []object{
			{"match_phrase": object{"title.exact": object{"query": text, "slop": 2, "boost": 2}}},
		},
	}}
}

func wordClause(word string, fuzzy bool) object {
	match := object{"query": word, "type": "best_fields", "operator": "and", "tie_breaker": 0.2, "fields": searchFields}
	if fuzzy {
		match["fields"] = fuzzyFields
		match["fuzziness"] = "AUTO:4,8"
		match["prefix_length"] = 1
		match["max_expansions"] = 20
	}
	return object{"multi_match": match}
}

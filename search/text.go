package search

import (
	"strings"
	"unicode/utf8"
)

// enough is how many of the things a text names must be found: all of up to three, all but one of up to six, then three in
// four. The second pass is content with one less of three.
const (
	enough       = "3<-1 6<75%"
	enoughForNow = "2<-1 6<75%"
)

// fields names the fields of a language's words.
type fields struct {
	title, exact, brand, brandExact, description string // exact: of the title
}

func fieldsOf(lang string) fields {
	return fields{
		title: "title." + lang, exact: "title." + lang + ".exact", brand: "brand_name." + lang, brandExact: "brand_name." + lang + ".exact",
		description: "description." + lang,
	}
}

// searched are the fields a word may stand in, with their weights.
func (f fields) searched() []string {
	return []string{f.title + "^3", f.exact + "^3.5", f.brand + "^2", f.description + "^0.5"}
}

// misspelt leave the description out: among its many words almost any misspelling finds a neighbour.
func (f fields) misspelt() []string { return []string{f.title, f.exact + "^1.2", f.brandExact} }

// What it is worth to be what a name in the text names. A word in a title is worth between 5 and 20.
const (
	worthReference = 100
	worthBrand     = 14
	worthCategory  = 5
	worthMeasure   = 6
	worthSynonym   = 0.7 // of the word itself
)

// textClause is the query for what the shopper typed: the things it names, or the whole of it as a reference. User text is
// only ever the value of match, term and prefix clauses.
func textClause(text, lang string, things []thing, fuzzy bool) object {
	clauses := make([]object, 0, len(things))
	for i := range things {
		clauses = append(clauses, things[i].clause(lang, fuzzy))
	}
	alternatives := []object{
		{"term": object{"refs": object{"value": reference(text), "boost": worthReference}}},
	}
	if ref := asReference(text); ref != "" {
		alternatives = append(alternatives, prefixOf(ref, worthReference/2))
	}
	needed := enough
	if fuzzy {
		needed = enoughForNow
	}
	if len(clauses) > 0 {
		alternatives = append(alternatives, object{"bool": object{"should": clauses, "minimum_should_match": needed}})
	}
	return object{"bool": object{
		"must": []object{{"dis_max": object{"queries": alternatives}}},
		"should": []object{
			{"match_phrase": object{fieldsOf(lang).exact: object{"query": text, "slop": 2, "boost": 2}}},
		},
	}}
}

// clause finds the thing by its words or by anything else they mean.
func (t *thing) clause(lang string, fuzzy bool) object {
	f := fieldsOf(lang)
	ways := []object{wordsClause(t.text(), lang, fuzzy && t.measure == "")}
	add := func(clause object) { ways = append(ways, clause) }
	for _, s := range t.beside {
		add(wordsClause(s, lang, false))
	}
	for _, s := range t.synonyms {
		add(object{"multi_match": object{
			"query": s, "type": "phrase", "slop": 1, "boost": worthSynonym, "fields": []string{f.title + "^3", f.exact + "^3.5"},
		}})
	}
	if len(t.brands) > 0 {
		add(constant(terms("brand", t.brands), worthBrand))
	}
	if len(t.categories) > 0 {
		add(constant(terms("categories", t.categories), worthCategory))
	}
	if t.measure != "" {
		add(constant(term("measures", t.measure), worthMeasure))
	}
	if t.reference != "" {
		add(prefixOf(t.reference, worthReference/4))
	}
	if parts := compound(t.words, lang); len(parts) > 1 {
		add(object{"multi_match": object{
			"query": strings.Join(parts, " "), "type": "best_fields", "operator": "and", "boost": worthSynonym, "fields": []string{f.title + "^3"},
		}})
	}
	if fuzzy {
		ways = append(ways, apart(t.words, f)...)
	}
	if len(ways) == 1 {
		return ways[0]
	}
	return object{"dis_max": object{"queries": ways, "tie_breaker": 0.3}}
}

func constant(filter object, boost float64) object {
	return object{"constant_score": object{"filter": filter, "boost": boost}}
}

func prefixOf(ref string, boost float64) object {
	return object{"prefix": object{"refs": object{"value": ref, "boost": boost}}}
}

// wordsClause finds all the words, in whatever of the fields.
func wordsClause(words, lang string, fuzzy bool) object {
	f := fieldsOf(lang)
	match := object{"query": words, "type": "best_fields", "operator": "and", "tie_breaker": 0.2, "fields": f.searched()}
	if fuzzy {
		match["fields"] = f.misspelt()
		match["fuzziness"] = "AUTO:4,8"
		match["prefix_length"] = 1
		match["max_expansions"] = 20
	}
	return object{"multi_match": match}
}

// compound splits a German compound noun at the words of the dictionary, nil if it isn't made of them. Titles are split
// when they are indexed and queries are not, so this finds the "Maschine für Kaffee", and never a machine alone.
func compound(words []string, lang string) []string {
	if lang != "de" || len(words) != 1 {
		return nil
	}
	parts, word := germanParts(), foldGerman(words[0])
	for at := 4; at <= len(word)-4; at++ {
		rest := word[at:]
		for _, link := range []string{"", "s", "n", "en", "e"} {
			if end, ok := strings.CutPrefix(rest, link); ok && parts[word[:at]] && parts[end] {
				return []string{word[:at], end}
			}
		}
	}
	return nil
}

// apart are the ways of writing a word as two: "powerbank" may be a "power bank". Which of them is right the index knows:
// the others are of words that it doesn't have.
func apart(words []string, f fields) []object {
	if len(words) != 1 || len(words[0]) > 24 {
		return nil
	}
	word := fold(words[0])
	var ways []object
	for at := range word {
		left, right := word[:at], word[at:]
		if utf8.RuneCountInString(word) >= 5 && left != "" && utf8.RuneCountInString(right) >= 3 {
			ways = append(ways, object{"match_phrase": object{f.exact: object{"query": left + " " + right, "boost": worthSynonym}}})
		}
	}
	if len(word) > 5 && (word[0] == 'd' || word[0] == 'l') { // an article whose apostrophe was left out
		ways = append(ways, object{"match": object{f.title: object{"query": word[1:], "boost": worthSynonym}}})
	}
	return ways
}

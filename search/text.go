package search

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// fields names the fields of a language's words, and says what the words are worth.
type fields struct {
	lang                                         string
	title, exact, brand, brandExact, description string // exact: of the title
	worth                                        *Relevance
}

func fieldsOf(lang string, worth *Relevance) fields {
	return fields{
		lang: lang, title: "title." + lang, exact: "title." + lang + ".exact",
		brand: "brand_name." + lang, brandExact: "brand_name." + lang + ".exact", description: "description." + lang, worth: worth,
	}
}

// fields are those that the text is looked for in.
func (p *plan) fields() fields { return fieldsOf(p.q.Lang, p.relevance) }

func weighed(field string, weight float64) string {
	return field + "^" + strconv.FormatFloat(weight, 'f', -1, 64)
}

// titles are those of the title alone, with their weights.
func (f fields) titles() []string {
	return []string{weighed(f.title, f.worth.Title), weighed(f.exact, f.worth.TitleExact)}
}

// searched are the fields a word may stand in, with their weights.
func (f fields) searched() []string {
	return append(f.titles(), weighed(f.brand, f.worth.BrandName), weighed(f.description, f.worth.Description))
}

// misspelt leave the description out: among its many words almost any misspelling finds a neighbour.
func (f fields) misspelt() []string { return []string{f.title, f.exact + "^1.2", f.brandExact} }

// textClause is the query for what the shopper typed: the things it names, or the whole of it as a reference. User text is
// only ever the value of match, term and prefix clauses.
func textClause(text string, f fields, things []thing, fuzzy bool) object {
	clauses := make([]object, 0, len(things))
	for i := range things {
		clauses = append(clauses, things[i].clause(f, fuzzy))
	}
	alternatives := []object{
		{"term": object{"refs": object{"value": reference(text), "boost": f.worth.Reference}}},
	}
	if ref := asReference(text); ref != "" {
		alternatives = append(alternatives, prefixOf(ref, f.worth.Reference/2))
	}
	needed := f.worth.Enough
	if fuzzy {
		needed = f.worth.EnoughMisspelt
	}
	if len(clauses) > 0 {
		alternatives = append(alternatives, object{"bool": object{"should": clauses, "minimum_should_match": needed}})
	}
	return object{"bool": object{
		"must": []object{{"dis_max": object{"queries": alternatives}}},
		"should": []object{
			{"match_phrase": object{f.exact: object{"query": text, "slop": 2, "boost": 2}}},
		},
	}}
}

// clause finds the thing by its words or by anything else they mean.
func (t *thing) clause(f fields, fuzzy bool) object {
	ways := []object{wordsClause(t.text(), f, fuzzy && t.measure == "")}
	add := func(clause object) { ways = append(ways, clause) }
	for _, s := range t.beside {
		add(wordsClause(s, f, false))
	}
	for _, s := range t.synonyms {
		add(object{"multi_match": object{
			"query": s, "type": "phrase", "slop": 1, "boost": f.worth.Synonym, "fields": f.titles(),
		}})
	}
	if len(t.brands) > 0 {
		add(constant(terms("brand", t.brands), f.worth.Brand))
	}
	if len(t.categories) > 0 {
		add(constant(terms("categories", t.categories), f.worth.Category))
	}
	if t.measure != "" {
		add(constant(term("measures", t.measure), f.worth.Measure))
	}
	if t.reference != "" {
		add(prefixOf(t.reference, f.worth.Reference/4))
	}
	if parts := compound(t.words, f.lang); len(parts) > 1 {
		add(object{"multi_match": object{
			"query": strings.Join(parts, " "), "type": "best_fields", "operator": "and", "boost": f.worth.Synonym, "fields": []string{weighed(f.title, f.worth.Title)},
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
func wordsClause(words string, f fields, fuzzy bool) object {
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
			ways = append(ways, object{"match_phrase": object{f.exact: object{"query": left + " " + right, "boost": f.worth.Synonym}}})
		}
	}
	if len(word) > 5 && (word[0] == 'd' || word[0] == 'l') { // an article whose apostrophe was left out
		ways = append(ways, object{"match": object{f.title: object{"query": word[1:], "boost": f.worth.Synonym}}})
	}
	return ways
}

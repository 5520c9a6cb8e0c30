package search

import (
	"slices"
	"strings"
	"sync/atomic"

	"freshet/projectors/dimension"
)

// maxNamed is how many words in a row are looked up as one name.
const maxNamed = 5

// lexicon is what a store calls things in a language: the names of brands and categories, and the synonyms. What a shopper
// types is looked up in it, so that "nike running shoes" means a brand and a category and not four words.
type lexicon struct {
	lang       string
	dims       *dimension.Set
	brands     map[string][]int64               // by bare name
	categories map[string][]int64               // by stems, shown ones
	synonyms   map[string][]*dimension.Synonyms // by stems of each term
}

func newLexicon(dims *dimension.Set, lang string) *lexicon {
	l := &lexicon{
		lang: lang, dims: dims, brands: make(map[string][]int64), categories: make(map[string][]int64),
		synonyms: make(map[string][]*dimension.Synonyms),
	}
	for _, b := range dims.Brands() {
		if name := bare(b.Name); name != "" {
			l.brands[name] = append(l.brands[name], b.ID)
		}
	}
	for _, c := range dims.Categories() {
		if !dims.Shown(c.ID) {
			continue
		}
		for _, name := range categoryNames(dims.CategoryName(c.ID, lang), lang) {
			l.categories[name] = append(l.categories[name], c.ID)
		}
	}
	rows := dims.Synonyms()
	for i := range rows {
		if rows[i].Lang != lang || !rows[i].Active {
			continue
		}
		for _, t := range rows[i].Terms {
			if name := stems(split(t), lang); name != "" {
				l.synonyms[name] = append(l.synonyms[name], &rows[i])
			}
		}
	}
	return l
}

// conjunctions join the names of what a category holds: "Borse e zaini".
var conjunctions = map[string]bool{"e": true, "ed": true, "et": true, "und": true, "y": true, "and": true, "&": true, "/": true}

// categoryNames are the stems by which a category is recognised: its name, each part of one that names several things,
// and of each the noun, which stands first in the Romance languages and last in the others.
func categoryNames(name, lang string) []string {
	var names []string
	add := func(words []string) {
		if s := stems(words, lang); s != "" {
			names = append(names, s)
		}
	}
	words := strings.Fields(strings.ReplaceAll(name, ",", " & "))
	add(words)
	for len(words) > 0 {
		end := slices.IndexFunc(words, func(w string) bool { return conjunctions[fold(w)] })
		if end < 0 {
			end = len(words)
		}
		if part := words[:end]; len(part) > 0 {
			noun := part[:1]
			if lang == "de" || lang == "en" {
				noun = part[len(part)-1:]
			}
			add(part)
			add(noun)
		}
		words = words[min(end+1, len(words)):]
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// categoriesOf returns the ids of the store's categories of that name, and of all shown below them.
func (l *lexicon) categoriesOf(name string, store dimension.Store) []string {
	var ids []int64
	for _, id := range l.categories[name] {
		if c, ok := l.dims.Category(id); ok && c.TreeID == store.TreeID {
			ids = append(ids, l.dims.Subtree(id)...)
		}
	}
	slices.Sort(ids)
	return keys(slices.Compact(ids))
}

// maxSynonyms bounds the synonyms of one thing: each is a clause.
const maxSynonyms = 12

// synonymsOf returns the other terms of the store's rows that have the name.
func (l *lexicon) synonymsOf(name string, store dimension.Store) []string {
	var others []string
	for _, row := range l.synonyms[name] {
		if row.StoreID != nil && *row.StoreID != store.ID {
			continue
		}
		for _, t := range row.Terms {
			if len(others) < maxSynonyms && stems(split(t), l.lang) != name && !slices.Contains(others, t) {
				others = append(others, t)
			}
		}
	}
	return others
}

// lexicons keeps the lexicon of each language of the newest dimensions that were asked for. To make one takes a moment for
// each ten thousand names, so it is made once for a version and not for a search.
type lexicons struct {
	kept [5]atomic.Pointer[lexicon] // in the order of Languages
}

func (x *lexicons) get(dims *dimension.Set, lang string) *lexicon {
	place := slices.Index(Languages(), lang)
	if place < 0 {
		return newLexicon(dims, lang)
	}
	if l := x.kept[place].Load(); l != nil && l.dims == dims {
		return l
	}
	l := newLexicon(dims, lang)
	x.kept[place].Store(l)
	return l
}

package search

import (
	"strings"
	"unicode"

	"freshet/projectors/dimension"
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

// thing is one thing that a text names: some of its words, and what they may mean beside themselves.
type thing struct {
	words      []string // as typed
	beside     []string // written together with the word before, and with the one after: "hand bag" is a "handbag"
	brands     []string // ids of the brands of that name
	brandName  string
	categories []string // ids of the categories of that name, and of all below them
	synonyms   []string
	measure    string
	reference  string
}

// text is what the thing was typed as.
func (t *thing) text() string { return strings.Join(t.words, " ") }

// split cuts a text into words at white space, without those that are punctuation alone: they have no tokens and would
// match everything or nothing. What is inside a word is the analyzers' affair.
func split(text string) []string {
	var words []string
	for _, w := range strings.Fields(text) {
		if strings.ContainsFunc(w, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			words = append(words, w)
		}
	}
	return words
}

// meaning reads the things that a text names: the longest names first from left to right, then measures, then words. Words
// that are small and in no name are left out unless there is nothing else.
func meaning(text string, store dimension.Store, l *lexicon) []thing {
	words := split(text)
	words = words[:min(len(words), maxWords)]
	var things, minor []thing
	for i := 0; i < len(words); {
		t := l.named(words[i:], store)
		if t == nil {
			t = measured(words[i:])
		}
		if t == nil {
			t = &thing{words: words[i : i+1]}
		}
		i += len(t.words)
		if len(t.words) == 1 {
			t.reference = asReference(t.words[0])
		}
		if t.plain() && isSmall(t.words[0], l.lang) {
			minor = append(minor, *t)
		} else {
			things = append(things, *t)
		}
	}
	if len(things) == 0 {
		things = minor
	}
	join(things)
	return things
}

// plain says whether the thing is a word that nothing is known about.
func (t *thing) plain() bool {
	return len(t.words) == 1 && len(t.brands)+len(t.categories)+len(t.synonyms) == 0 && t.measure == ""
}

// named returns the longest name that the words begin with, nil if they begin with none.
func (l *lexicon) named(words []string, store dimension.Store) *thing {
	for n := min(len(words), maxNamed); n > 0; n-- {
		t := thing{words: words[:n]}
		if t.brands = keys(l.brands[bare(strings.Join(t.words, ""))]); len(t.brands) > 0 {
			b, _ := l.dims.Brand(l.brands[bare(strings.Join(t.words, ""))][0])
			t.brandName = b.Name
		}
		if !isSmall(words[0], l.lang) && !isSmall(words[n-1], l.lang) {
			name := stems(t.words, l.lang)
			t.categories, t.synonyms = l.categoriesOf(name, store), l.synonymsOf(name, store)
			for _, s := range t.synonyms { // a synonym may name a category as well
				t.categories = append(t.categories, l.categoriesOf(stems(split(s), l.lang), store)...)
			}
		}
		if len(t.brands)+len(t.categories)+len(t.synonyms) > 0 {
			return &t
		}
	}
	return nil
}

func measured(words []string) *thing {
	m, n := measureAt(words)
	if m == "" {
		return nil
	}
	return &thing{words: words[:n], measure: m}
}

// join notes how the single words would be written together with their neighbours.
func join(things []thing) {
	single := func(i int) bool {
		return i >= 0 && i < len(things) && len(things[i].words) == 1 && things[i].measure == ""
	}
	for i := range things {
		if !single(i) {
			continue
		}
		if single(i - 1) {
			things[i].beside = append(things[i].beside, things[i-1].words[0]+things[i].words[0])
		}
		if single(i + 1) {
			things[i].beside = append(things[i].beside, things[i].words[0]+things[i+1].words[0])
		}
	}
}

// exact says whether what was found is all there is to find: one thing that is a code needs no guesses beside it.
func (p *plan) exact(total int64) bool {
	return total > 0 && (len(p.things) == 1 && p.things[0].reference != "" || len(p.things) > 1 && isDigits(reference(p.q.Text)))
}

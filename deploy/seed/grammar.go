package seed

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The five languages by their place in langs.
const (
	italian = iota
	french
	german
	spanish
	english
)

// noun is a noun, perhaps with what belongs to it ("olio d'oliva").
type noun struct {
	text string
	form int // index into the four forms: m, f, mp, fp; in German m, f, n, p; in English 0 or 2
}

var genders = map[string]int{"m": 0, "f": 1, "mp": 2, "fp": 3}

var germanGenders = map[string]int{"m": 0, "f": 1, "n": 2, "p": 3}

func asNoun(lang int, s string) (noun, error) {
	if lang == english {
		if strings.HasSuffix(s, "s") && !strings.HasSuffix(s, "ss") {
			return noun{s, 2}, nil
		}
		return noun{s, 0}, nil
	}
	gender, text, found := strings.Cut(s, ":")
	table := genders
	if lang == german {
		table = germanGenders
	}
	form, known := table[gender]
	if !found || !known {
		return noun{}, fmt.Errorf("%q does not begin with a gender", s)
	}
	return noun{text, form}, nil
}

func (n noun) plural(lang int) bool {
	if lang == german {
		return n.form == 3
	}
	return n.form >= 2
}

// adjective returns f as it agrees with the noun; in German as it stands before the noun without an article.
func (f forms) adjective(lang int, n noun) string {
	if lang != german {
		return f[lang][n.form]
	}
	stem := f[german][0]
	if bare, never := strings.CutSuffix(stem, "!"); never {
		return bare
	}
	return stem + [4]string{"er", "e", "es", "e"}[n.form]
}

// the returns the noun with its definite article, elided where the language does.
func the(lang int, n noun) string {
	switch lang {
	case italian:
		return italianArticle(n) + n.text
	case french:
		switch {
		case n.form >= 2:
			return "les " + n.text
		case elides(french, n.text):
			return "l'" + n.text
		default:
			return [2]string{"le ", "la "}[n.form] + n.text
		}
	case german:
		return [4]string{"der ", "die ", "das ", "die "}[n.form] + n.text
	case spanish:
		if n.form == 1 && stressedA(n.text) {
			return "el " + n.text
		}
		return [4]string{"el ", "la ", "los ", "las "}[n.form] + n.text
	default:
		return "the " + n.text
	}
}

// ofThe returns the noun after "of the", contracted where the language does. German sentences do without.
func ofThe(lang int, n noun) string {
	whole := the(lang, n)
	switch lang {
	case italian:
		for _, c := range [][2]string{{"il ", "del "}, {"lo ", "dello "}, {"la ", "della "}, {"l'", "dell'"}, {"i ", "dei "}, {"gli ", "degli "}, {"le ", "delle "}} {
			if rest, found := strings.CutPrefix(whole, c[0]); found {
				return c[1] + rest
			}
		}
		return "di " + whole
	case french:
		if rest, found := strings.CutPrefix(whole, "le "); found {
			return "du " + rest
		}
		if rest, found := strings.CutPrefix(whole, "les "); found {
			return "des " + rest
		}
		return "de " + whole
	case spanish:
		if rest, found := strings.CutPrefix(whole, "el "); found {
			return "del " + rest
		}
		return "de " + whole
	default:
		return "of " + whole
	}
}

// by returns whose make a thing is.
func by(lang int, brand string) string {
	if lang == french && elides(french, brand) {
		return "d'" + brand
	}
	return phrase{"di ", "de ", "von ", "de ", "by "}[lang] + brand
}

func italianArticle(n noun) string {
	switch {
	case n.form == 3:
		return "le "
	case n.form == 1 && elides(italian, n.text):
		return "l'"
	case n.form == 1:
		return "la "
	case n.form == 0 && elides(italian, n.text):
		return "l'"
	case n.form == 0 && impure(n.text):
		return "lo "
	case n.form == 0:
		return "il "
	case elides(italian, n.text) || impure(n.text):
		return "gli "
	default:
		return "i "
	}
}

// aspirated are French words whose h keeps the article whole; only those in the vocabulary and its neighbours.
var aspirated = []string{"haricot", "housse", "hotte", "haut", "hamac", "harrow", "hof"}

// elides says whether a vowel is lost before the word.
func elides(lang int, word string) bool {
	lower := strings.ToLower(word)
	if lang == french {
		for _, stem := range aspirated {
			if strings.HasPrefix(lower, stem) {
				return false
			}
		}
	}
	first, _ := utf8.DecodeRuneInString(lower)
	return strings.ContainsRune("aeiouàâéèêëîïôœùûh", first)
}

// impure are Italian beginnings that take lo and gli.
func impure(word string) bool {
	lower := strings.ToLower(word)
	for _, head := range []string{"z", "gn", "ps", "pn", "x", "y"} {
		if strings.HasPrefix(lower, head) {
			return true
		}
	}
	return len(lower) > 1 && lower[0] == 's' && !strings.ContainsRune("aeiouàèéìòù", rune(lower[1]))
}

// stressedA are Spanish feminine nouns that take el.
func stressedA(word string) bool {
	head, _, _ := strings.Cut(word, " ")
	return head == "agua" || head == "arpa" || head == "alga"
}

// capital returns s with its first letter in upper case.
func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}

// compound joins a material and a German noun into one word, or says that the noun is long enough already.
func compound(stem string, n noun) (string, bool) {
	if strings.ContainsAny(n.text, " -") || utf8.RuneCountInString(n.text) > 10 {
		return "", false
	}
	for _, head := range []string{"Damen", "Herren", "Kinder"} {
		if strings.HasPrefix(n.text, head) {
			return "", false
		}
	}
	return stem + strings.ToLower(n.text), true
}

// sentence fills a template: {The}, {the}, {ofthe}, {ofbrand} and {origin}, and [a|b] or [a|b|c|d] by the noun.
func sentence(template string, lang int, n noun, brand, origin string) string {
	s := strings.NewReplacer("{The}", capital(the(lang, n)), "{ofthe}", ofThe(lang, n), "{ofbrand}", by(lang, brand), "{origin}", origin).Replace(template)
	var b strings.Builder
	for {
		head, rest, found := strings.Cut(s, "[")
		b.WriteString(head)
		if !found {
			return b.String()
		}
		choice, tail, _ := strings.Cut(rest, "]")
		options := strings.Split(choice, "|")
		switch {
		case len(options) == 4:
			b.WriteString(options[n.form])
		case n.plural(lang):
			b.WriteString(options[1])
		default:
			b.WriteString(options[0])
		}
		s = tail
	}
}

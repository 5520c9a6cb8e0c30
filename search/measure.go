package search

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// unit is what a measure is counted in: the unit it is written in here, and how many of those it is.
type unit struct {
	name   string
	factor float64
}

// units are the ways of writing one, in all five languages. Short for metre is left out: it is a size of clothes as well.
var units = makeUnits(map[unit]string{
	{"g", 1}:     "g gr grammo grammi gramme grammes gramm gramo gramos gram grams",
	{"g", 100}:   "etto etti hg",
	{"g", 500}:   "pfund",
	{"g", 28.35}: "oz ounce ounces oncia once unze unzen onza onzas",
	{"g", 453.6}: "lb lbs pound pounds libbra libbre libra libras",
	{"g", 1000}:  "kg kilo kilos chilo chili kilogrammo kilogrammi kilogramme kilogrammes kilogramm kilogramos kilogram kilograms",
	{"ml", 1}:    "ml millilitri millilitres milliliter mililitros",
	{"ml", 10}:   "cl centilitri centilitres centiliter centilitros",
	{"ml", 100}:  "dl",
	{"ml", 1000}: "l lt ltr litro litri litre litres liter liters litros",
	{"mm", 1}:    "mm millimetri millimètres millimeter milímetros",
	{"mm", 10}:   "cm centimetri centimètres zentimeter centímetros centimetres centimeters",
	{"mm", 1000}: "metro metri mètre mètres meter metros metre metres meters",
	{"w", 1}:     "w watt watts vatio vatios",
	{"w", 1000}:  "kw",
	{"v", 1}:     "v volt volts voltio voltios",
	{"gb", 1}:    "gb go",
	{"gb", 1000}: "tb",
	{"in", 1}:    `" pollici pollice pouces pouce zoll pulgadas pulgada inch inches`,
	{"mah", 1}:   "mah",
	{"piece", 1}: "pezzi pezzo pz pièces pièce stück stk unidades unidad uds pieces piece pcs pack",
})

func makeUnits(written map[unit]string) map[string]unit {
	all := make(map[string]unit)
	for u, forms := range written {
		for _, form := range strings.Fields(forms) {
			all[fold(form)] = u
		}
	}
	return all
}

// halves are the ways of saying half a unit.
var halves = map[string]bool{
	"mezzo": true, "mezza": true, "demi": true, "halber": true, "halbe": true, "halbes": true, "medio": true, "media": true, "half": true,
}

// fractions are written out before a number is read.
var fractions = strings.NewReplacer("½", "1/2", "¼", "1/4", "¾", "3/4", "⅓", "1/3")

// numberOf reads a number with a decimal comma or point, or a fraction.
func numberOf(text string) (float64, bool) {
	above, below, fraction := strings.Cut(strings.ReplaceAll(text, ",", "."), "/")
	n, err := strconv.ParseFloat(above, 64)
	if err != nil || !fraction {
		return n, err == nil
	}
	d, err := strconv.ParseFloat(below, 64)
	return n / d, err == nil && d > 0
}

// maxMeasures bounds the measures of one title.
const maxMeasures = 8

// measures finds the measures in a title, each in one unit of its kind however it is written: "0,5 l" and "50 cl" are the
// same "500ml". They are a field of their own, so that the text of the title need not be rewritten to be compared.
func measures(title string) []string {
	var found []string
	words := strings.Fields(title)
	for i := 0; i < len(words) && len(found) < maxMeasures; {
		m, n := measureAt(words[i:])
		if m != "" {
			found = append(found, m)
		}
		i += max(n, 1)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// measureAt reads a measure at the beginning of the words: of one word ("500g") or of two ("500 g"). It says how many
// words it took.
func measureAt(words []string) (measure string, taken int) {
	if len(words) == 0 {
		return "", 0
	}
	first := strings.Trim(fold(fractions.Replace(words[0])), "(),;:")
	if half := halves[first]; half && len(words) > 1 {
		return measureOf("0.5", strings.Trim(fold(words[1]), "(),;:."), 2)
	}
	end := strings.IndexFunc(first, func(r rune) bool { return (r < '0' || r > '9') && !strings.ContainsRune(",./", r) })
	if end < 0 {
		if len(words) < 2 {
			return "", 0
		}
		return measureOf(first, strings.Trim(fold(words[1]), "(),;:."), 2)
	}
	return measureOf(first[:end], strings.Trim(first[end:], "."), 1)
}

func measureOf(number, name string, taken int) (string, int) {
	u, known := units[name]
	if !known || number == "" {
		return "", 0
	}
	n, ok := numberOf(number)
	if !ok || n <= 0 || n > 1e9 {
		return "", 0
	}
	return strconv.FormatFloat(math.Round(n*u.factor*1e3)/1e3, 'f', -1, 64) + u.name, taken
}

// Package modelling keeps the same catalog in three ways: relational rows of entity, attribute and value, rows with their
// attributes in JSONB, and MongoDB documents. Each answers the same questions; `freshet bench modelling` asks them and says
// what they cost.
package modelling

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Goods is the catalog that every model holds: products 1 to n of the kinds, and behind them those of the newcomer. A
// product is made from its number alone, so that all models are given the same and none has to be remembered.
type Goods struct {
	N         int64 // from the start
	Newcomers int64 // behind them
}

// Item is a product as a shop displays it.
type Item struct {
	ID         int64
	Kind       string
	Category   int64
	Texts      map[string]Text // by language
	Attributes map[string]any  // by code: a string, a float64 or a bool
}

// Text is what a product is called in a language.
type Text struct {
	Title       string `json:"title" bson:"title"`
	Description string `json:"description" bson:"description"`
}

// Attribute is an entry of the registry. A keyword has values, a number its bounds, a boolean neither.
type Attribute struct {
	Code   string
	values []string
	lo, hi float64
}

// Number says that the attribute has ranges.
func (a Attribute) Number() bool { return a.hi > 0 }

// domain is the attribute's kind in the registry, as Freshet's own names them.
func (a Attribute) domain() string {
	switch {
	case a.Number():
		return "number"
	case len(a.values) == 0:
		return "boolean"
	}
	return "keyword"
}

// Kind of products, with what it is called in the languages.
type Kind struct {
	code       string
	nouns      [5]string
	attributes []Attribute
}

var languages = [5]string{"it", "fr", "de", "es", "en"}

// sentences of a description, one for each language; the noun and the number stand in each.
var sentences = [5]string{
	"%s numero %d, scelto con cura e controllato pezzo per pezzo prima di lasciare il magazzino. ",
	"%s numéro %d, choisi avec soin et contrôlé pièce par pièce avant de quitter l'entrepôt. ",
	"%s Nummer %d, mit Sorgfalt gewählt und Stück für Stück geprüft, bevor es das Lager verlässt. ",
	"%s número %d, elegido con cuidado y revisado pieza por pieza antes de salir del almacén. ",
	"%s number %d, chosen with care and checked piece by piece before it leaves the warehouse. ",
}

// categoriesOfKind is among how many categories the products of a kind are spread.
const categoriesOfKind = 5

// Total is the number of the last product.
func (g *Goods) Total() int64 { return g.N + g.Newcomers }

// Item makes the product of a number.
func (g *Goods) Item(id int64) Item {
	dice := rand.New(rand.NewPCG(uint64(id), 33))
	of, place := &newcomer, int64(len(kinds))
	if id <= g.N {
		place = dice.Int64N(int64(len(kinds)))
		of = &kinds[place]
	}
	it := Item{ID: id, Kind: of.code, Category: place*categoriesOfKind + dice.Int64N(categoriesOfKind) + 1, Texts: map[string]Text{}, Attributes: map[string]any{}}
	for i, lang := range languages {
		noun := of.nouns[i]
		it.Texts[lang] = Text{fmt.Sprintf("%s %d", noun, id), strings.Repeat(fmt.Sprintf(sentences[i], noun, id), 1+dice.IntN(4))}
	}
	for _, a := range of.attributes {
		it.Attributes[a.Code] = a.Pick(dice)
	}
	return it
}

// Pick a value: of keywords the first ones more often, as shops have it.
func (a Attribute) Pick(dice *rand.Rand) any {
	u := dice.Float64()
	switch {
	case a.Number():
		return math.Round(a.lo + u*(a.hi-a.lo))
	case len(a.values) == 0:
		return u < 0.3
	}
	return a.values[int(u*u*float64(len(a.values)))]
}

// KindOf is the kind of a product.
func KindOf(it Item) *Kind {
	for i := range kinds {
		if kinds[i].code == it.Kind {
			return &kinds[i]
		}
	}
	return &newcomer
}

// registry lists the attributes of kinds, each once.
func registry(of ...Kind) (list []Attribute) {
	known := map[string]bool{}
	for _, k := range of {
		for _, a := range k.attributes {
			if !known[a.Code] {
				known[a.Code] = true
				list = append(list, a)
			}
		}
	}
	return list
}

// Facets are the codes of a kind that a category page counts.
func (k *Kind) Facets() (codes []string) {
	for _, a := range k.attributes {
		if !a.Number() {
			codes = append(codes, a.Code)
		}
	}
	return codes
}

// Numbers are the attributes of a kind that have ranges.
func (k *Kind) Numbers() (list []Attribute) {
	for _, a := range k.attributes {
		if a.Number() {
			list = append(list, a)
		}
	}
	return list
}

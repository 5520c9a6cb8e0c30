package bench

import (
	"math/rand/v2"
	"strings"

	offerview "freshet/projectors/view" // view is a probe's here
	"freshet/search"
)

// searcherFacets are those of a page: one of each kind there is, and what a department store's shoppers choose by.
var searcherFacets = []string{
	search.FacetCategory, search.FacetBrand, search.FacetPrice, search.FacetStock, "colour", "material", "size", "weight_g",
}

// hitsOfPage is how many hits a page shows.
const hitsOfPage = 24

// searcherKind is a kind of page.
type searcherKind struct {
	name       string
	text       bool // words, else a category
	selections int
	facets     bool
}

// The kinds of page. Those without facets are for what an index of the attributes can do: a facet's count leaves its own
// selection out, so that with facets more has to be looked at than is shown.
var searcherKinds = []searcherKind{
	{"text, no facets", true, 0, false},
	{"text", true, 0, true},
	{"text, 2 selections", true, 2, true},
	{"category", false, 0, true},
	{"category, 2 selections", false, 2, true},
	{"category, 2 selections, no facets", false, 2, false},
}

// draw makes a page that finds at least the offer it is drawn from. What is selected is, in this order: brands, values of an
// attribute, a price at most, what is in stock.
func (b *bazaar) draw(dice *rand.Rand, kind searcherKind) search.Query {
	v, other := b.selectable[dice.IntN(len(b.selectable))], b.selectable[dice.IntN(len(b.selectable))]
	store, _ := b.dims.Store(v.Store) // it sells the offer
	q := search.Query{Store: v.Store, Lang: store.Languages[dice.IntN(len(store.Languages))], Limit: hitsOfPage}
	if kind.facets {
		q.Facets = searcherFacets
	}
	if kind.text {
		q.Text = drawText(dice, v.TextIn(q.Lang).Title)
	} else {
		q.Category = b.drawCategory(dice, v, store.TreeID)
	}
	if kind.selections > 0 {
		q.Brands = []int64{v.Brand, other.Brand}
	}
	if kind.selections > 1 {
		code, values := b.keywordOf(v)
		also, more := b.keywordOf(other)
		if also == code {
			values = append(values, more...)
		}
		q.Keywords = map[string][]string{code: values}
	}
	if kind.selections > 2 {
		q.PriceMax = &v.Price
	}
	q.InStock = kind.selections > 3
	return q
}

// drawText takes two words of a title, one if it has no more.
func drawText(dice *rand.Rand, title string) string {
	words := strings.Fields(title)
	dice.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	return strings.Join(words[:min(2, len(words))], " ")
}

// drawCategory takes one of those that the offer stands in or below.
func (b *bazaar) drawCategory(dice *rand.Rand, v *offerview.Offer, tree int64) int64 {
	for _, c := range v.Categories {
		if path := b.dims.Path(c.ID); len(path) > 0 && path[0].TreeID == tree {
			return path[dice.IntN(len(path))].ID
		}
	}
	return 0
}

// keywordOf is the first of the facets of keywords that the offer has values of, "" if none.
func (b *bazaar) keywordOf(v *offerview.Offer) (code string, values []string) {
	doc := search.FromView(v, b.dims)
	for _, code := range searcherFacets {
		if values := doc.Keyword(code); len(values) > 0 {
			return code, values
		}
	}
	return "", nil
}

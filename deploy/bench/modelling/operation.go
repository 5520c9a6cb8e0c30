package modelling

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
)

// Catalog is a model to be asked.
type Catalog interface {
	Show(ctx context.Context, id int64) (Item, error)
	Filter(ctx context.Context, category int64, conditions []Condition) (Page, error)
	Facets(ctx context.Context, category int64, codes []string) ([]Count, error)
	Update(ctx context.Context, id int64, code string, value any) error
}

// Operation is something that a shop does with its catalog, about a product that the dice choose: equal dice ask equal questions.
type Operation struct {
	Name string
	Ask  func(ctx context.Context, c Catalog, it Item, dice *rand.Rand) (any, error)
}

// Update is the name of the operation that changes something; the others read.
const Update = "update one attribute"

// Operations are all of them.
var Operations = []Operation{
	{"display a product", func(ctx context.Context, c Catalog, it Item, _ *rand.Rand) (any, error) { return c.Show(ctx, it.ID) }},
	{"filter by 1 attribute", filterBy(1)},
	{"filter by 2 attributes", filterBy(2)},
	{"filter by 3 attributes", filterBy(3)},
	{"filter by a range", func(ctx context.Context, c Catalog, it Item, dice *rand.Rand) (any, error) {
		a := choose(KindOf(it).Numbers(), dice)
		span := (a.hi - a.lo) / 10
		from := a.lo + dice.Float64()*(a.hi-a.lo-span)
		return c.Filter(ctx, it.Category, []Condition{{Code: a.Code, From: from, To: from + span}})
	}},
	{"count the facets", func(ctx context.Context, c Catalog, it Item, _ *rand.Rand) (any, error) {
		return c.Facets(ctx, it.Category, KindOf(it).Facets())
	}},
	{Update, func(ctx context.Context, c Catalog, it Item, dice *rand.Rand) (any, error) {
		a := choose(KindOf(it).Numbers(), dice)
		return nil, c.Update(ctx, it.ID, a.Code, a.Pick(dice))
	}},
}

func choose(list []Attribute, dice *rand.Rand) Attribute { return list[dice.IntN(len(list))] }

// filterBy asks for the products of a category that are like this one in n attributes.
func filterBy(n int) func(context.Context, Catalog, Item, *rand.Rand) (any, error) {
	return func(ctx context.Context, c Catalog, it Item, dice *rand.Rand) (any, error) {
		codes := KindOf(it).Facets()
		dice.Shuffle(len(codes), func(i, j int) { codes[i], codes[j] = codes[j], codes[i] })
		var conditions []Condition
		for _, code := range codes[:n] {
			conditions = append(conditions, Condition{Code: code, Is: it.Attributes[code]})
		}
		return c.Filter(ctx, it.Category, conditions)
	}
}

// Compare asks every model the same questions, a number of each operation, and says of which the answers differ.
func Compare(ctx context.Context, models []Catalog, g *Goods, questions int, seed uint64) (differ []string, err error) {
	for _, op := range Operations {
		for q := range uint64(questions) {
			var first any
			for i, m := range models {
				dice := rand.New(rand.NewPCG(seed, q))
				it := g.Item(1 + dice.Int64N(g.Total()))
				answer, err := op.Ask(ctx, m, it, dice)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", op.Name, err)
				}
				if i == 0 {
					first = answer
				} else if !reflect.DeepEqual(answer, first) {
					differ = append(differ, fmt.Sprintf("%s, product %d: the first model says %v, number %d says %v", op.Name, it.ID, first, i+1, answer))
				}
			}
		}
	}
	return differ, nil
}

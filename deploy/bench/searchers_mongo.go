package bench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/api/write/slug"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/search"
)

// wordList searches in MongoDB without its text index, which the stand-in doesn't have: the folded words of an offer are a
// list with an index, and a word typed finds those that begin with it. The attributes are a list as well.
type wordList struct {
	collection *mongo.Collection
}

// listed is an offer in a language.
type listed struct {
	ID         string               `bson:"_id"`
	Store      string               `bson:"store"`
	Lang       string               `bson:"lang"`
	Product    int64                `bson:"product"`
	Words      []string             `bson:"words"`
	Brand      string               `bson:"brand"`
	Categories []string             `bson:"categories"`
	Keywords   []string             `bson:"keywords"`
	Numbers    map[string][]float64 `bson:"numbers,omitempty"`
	Price      int64                `bson:"price"`
	InStock    bool                 `bson:"in_stock"`
	Rank       float64              `bson:"rank"`
	Card       *search.Card         `bson:"card"`
}

func newWordList(ctx context.Context, db *mongo.Database, name string) (*wordList, error) {
	s := &wordList{collection: db.Collection(name, document.Durable())}
	var indexes []mongo.IndexModel
	for _, field := range []string{"words", "categories", "keywords", "brand"} {
		indexes = append(indexes, mongo.IndexModel{Keys: bson.D{{Key: "store", Value: 1}, {Key: "lang", Value: 1}, {Key: field, Value: 1}}})
	}
	if _, err := s.collection.Indexes().CreateMany(ctx, indexes); err != nil {
		return nil, fmt.Errorf("index the collection %s: %w", name, err)
	}
	return s, nil
}

func (s *wordList) write(ctx context.Context, docs []shelved) error {
	var list []any
	for i := range docs {
		d := &docs[i].Document
		for _, lang := range docs[i].languages() {
			card := d.CardIn(lang)
			list = append(list, listed{
				ID: lang + "/" + d.Store + ":" + strconv.FormatInt(d.Product, 10), Store: d.Store, Lang: lang, Product: d.Product,
				Words: wordsOf(d, lang), Brand: d.Brand, Categories: docs[i].above, Keywords: keywordPairs(d), Numbers: d.Numbers,
				Price: *d.Price, InStock: *d.InStock, Rank: *d.Rank, Card: &card,
			})
		}
	}
	if _, err := s.collection.InsertMany(ctx, list); err != nil {
		return fmt.Errorf("insert %d documents: %w", len(list), err)
	}
	return nil
}

// wordsOf are the words of an offer in a language, folded, and its codes.
func wordsOf(d *search.Document, lang string) []string {
	words := append(foldedWords(d.Title[lang]+" "+d.BrandName[lang]+" "+d.Description[lang]), d.Refs...)
	slices.Sort(words)
	return slices.Compact(words)
}

// foldedWords are a text's letters and digits, without case and accents.
func foldedWords(text string) []string {
	return strings.FieldsFunc(slug.Make(text, math.MaxInt32), func(r rune) bool { return r == '-' })
}

// settle has nothing to do: what is written is there.
func (s *wordList) settle(context.Context) error { return nil }

func (s *wordList) bytes(ctx context.Context) (int64, error) {
	var stats struct {
		Storage int64 `bson:"storageSize"`
		Indexes int64 `bson:"totalIndexSize"`
	}
	if err := s.collection.Database().RunCommand(ctx, bson.D{{Key: "collStats", Value: s.collection.Name()}}).Decode(&stats); err != nil {
		return 0, fmt.Errorf("size of %s: %w", s.collection.Name(), err)
	}
	return stats.Storage + stats.Indexes, nil
}

// line is an answer's.
type line struct {
	ID   any          `bson:"_id"`
	N    int64        `bson:"n"`
	Low  *float64     `bson:"low"`
	High *float64     `bson:"high"`
	Card *search.Card `bson:"card"`
}

// Search answers by one aggregation: what every count obeys is matched once, and $facet counts it.
func (s *wordList) Search(ctx context.Context, q search.Query, dims *dimension.Set) (search.Result, error) {
	a, err := ask(&q, dims)
	if err != nil {
		return search.Result{}, err
	}
	cursor, err := s.collection.Aggregate(ctx, bson.A{bson.M{"$match": a.filter()}, bson.M{"$facet": a.pipelines()}})
	if err != nil {
		return search.Result{}, fmt.Errorf("search in MongoDB: %w", err)
	}
	var answers []map[string][]line
	if err := cursor.All(ctx, &answers); err != nil {
		return search.Result{}, fmt.Errorf("search in MongoDB: %w", err)
	}
	if len(answers) != 1 {
		return search.Result{}, fmt.Errorf("search in MongoDB: %d answers to one search", len(answers))
	}
	answer := answers[0]
	var total int64
	for _, l := range answer["total"] {
		total = l.N
	}
	var hits []search.Hit
	for _, l := range answer["hits"] {
		hits = append(hits, search.Hit{Card: *l.Card})
	}
	lines := make([][]count, len(a.facets))
	for i := range a.facets {
		lines[i] = a.facets[i].lines(answer[lineName(i)], answer[lineName(i)+"_bounds"])
	}
	return a.result(total, hits, lines), nil
}

func lineName(i int) string { return fmt.Sprintf("f%d", i) }

// filter is what every count obeys. A word is letters and digits alone, so it may stand in an expression.
func (a *asked) filter() bson.D {
	filter := bson.D{{Key: "store", Value: strconv.FormatInt(a.q.Store, 10)}, {Key: "lang", Value: a.q.Lang}}
	if a.q.Category != 0 {
		filter = append(filter, bson.E{Key: "categories", Value: strconv.FormatInt(a.q.Category, 10)})
	}
	if strings.TrimSpace(a.q.Text) != "" {
		words := bson.A{}
		for _, w := range foldedWords(a.q.Text) {
			words = append(words, bson.Regex{Pattern: "^" + w})
		}
		filter = append(filter, bson.E{Key: "words", Value: bson.M{"$all": words}})
	}
	all := bson.A{filter}
	for i := range a.base {
		all = append(all, a.base[i].filter())
	}
	return bson.D{{Key: "$and", Value: all}}
}

func (s *selected) filter() bson.M {
	switch s.kind {
	case kindBrand:
		return bson.M{"brand": bson.M{"$in": s.values}}
	case kindPrice:
		return bson.M{"price": bson.M{"$gte": s.low, "$lte": s.high}}
	case kindStock:
		return bson.M{"in_stock": true}
	}
	return bson.M{"keywords": bson.M{"$in": s.values}}
}

// pipelines are the page's parts by name.
func (a *asked) pipelines() bson.M {
	parts := bson.M{"total": bson.A{a.others(""), bson.M{"$count": "n"}}}
	if a.q.Limit > 0 {
		parts["hits"] = bson.A{
			a.others(""),
			bson.M{"$sort": bson.D{{Key: "in_stock", Value: -1}, {Key: "rank", Value: -1}, {Key: "product", Value: 1}}},
			bson.M{"$limit": a.q.Limit},
			bson.M{"$project": bson.M{"card": 1}},
		}
	}
	for i := range a.facets {
		f := &a.facets[i]
		for name, stages := range f.pipelines() {
			parts[lineName(i)+name] = append(bson.A{a.others(f.code)}, stages...)
		}
	}
	return parts
}

// others matches the selections of every facet but one's own.
func (a *asked) others(code string) bson.M {
	all := bson.A{bson.M{}}
	for i := range a.selections {
		if a.selections[i].code != code {
			all = append(all, a.selections[i].filter())
		}
	}
	return bson.M{"$match": bson.M{"$and": all}}
}

// pipelines count the facet's values and, under the name _bounds, find its bounds.
func (f *counted) pipelines() map[string]bson.A {
	group := func(by string) bson.M { return bson.M{"$group": bson.M{"_id": by, "n": bson.M{"$sum": 1}}} }
	limits := func(of string) bson.M {
		return bson.M{"$group": bson.M{"_id": nil, "n": bson.M{"$sum": 1}, "low": bson.M{"$min": of}, "high": bson.M{"$max": of}}}
	}
	switch f.kind {
	case kindTree:
		among := bson.M{"$match": bson.M{"categories": bson.M{"$in": f.children}}}
		return map[string]bson.A{"": {bson.M{"$project": bson.M{"categories": 1}}, bson.M{"$unwind": "$categories"}, among, group("$categories")}}
	case kindBrand:
		return map[string]bson.A{"": {bson.M{"$match": bson.M{"brand": bson.M{"$ne": ""}}}, group("$brand")}}
	case kindStock:
		return map[string]bson.A{"": {group("$in_stock")}}
	case kindPrice:
		edges := bson.A{int64(math.MinInt64)}
		for _, b := range priceBounds {
			edges = append(edges, b)
		}
		ranges := bson.M{"groupBy": "$price", "boundaries": append(edges, int64(math.MaxInt64)), "output": bson.M{"n": bson.M{"$sum": 1}}}
		return map[string]bson.A{"": {bson.M{"$bucket": ranges}}, "_bounds": {limits("$price")}}
	case kindNumber:
		field := "numbers." + f.slot
		return map[string]bson.A{"_bounds": {bson.M{"$project": bson.M{field: 1}}, bson.M{"$unwind": "$" + field}, limits("$" + field)}}
	}
	prefix := bson.M{"$match": bson.M{"keywords": bson.Regex{Pattern: "^" + f.code + "="}}}
	return map[string]bson.A{"": {bson.M{"$project": bson.M{"keywords": 1}}, bson.M{"$unwind": "$keywords"}, prefix, group("$keywords")}}
}

// lines reads what the pipelines of a facet have counted.
func (f *counted) lines(values, limits []line) []count {
	var all []count
	for _, l := range limits {
		all = append(all, count{value: bounds, n: l.N, low: l.Low, high: l.High})
	}
	for _, l := range values {
		value := fmt.Sprint(l.ID)
		switch f.kind {
		case kindPrice: // a range is called by its lower end
			if low, err := strconv.ParseInt(value, 10, 64); err == nil {
				value = strconv.Itoa(sort.Search(len(priceBounds), func(i int) bool { return priceBounds[i] > low }))
			}
		case kindKeyword:
			value = strings.TrimPrefix(value, f.code+"=")
		}
		all = append(all, count{value: value, n: l.N})
	}
	return all
}

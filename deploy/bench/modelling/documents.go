package modelling

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/document"
)

// Documents keeps a document for each product in a database of its own. The attributes are a list of keys and values, so that
// one index holds whatever attribute there is.
type Documents struct {
	db       *mongo.Database
	products *mongo.Collection
	registry *mongo.Collection
}

// NewDocuments makes the model in a database that is its own: Fill begins by dropping it.
func NewDocuments(db *mongo.Database) *Documents {
	return &Documents{db: db, products: db.Collection("products", document.Durable()), registry: db.Collection("attribute_defs", document.Durable())}
}

// product is how an item is stored.
type product struct {
	ID         int64           `bson:"_id"`
	Kind       string          `bson:"kind"`
	Category   int64           `bson:"category"`
	Texts      map[string]Text `bson:"texts"`
	Attributes []pair          `bson:"attributes"`
}

type pair struct {
	K string `bson:"k"`
	V any    `bson:"v"`
}

// Fill makes the collections anew, with the products that are there from the start.
func (m *Documents) Fill(ctx context.Context, g *Goods) error {
	if err := m.Drop(ctx); err != nil {
		return err
	}
	if _, err := m.declare(ctx, registry(kinds...)); err != nil {
		return err
	}
	if err := m.db.CreateCollection(ctx, m.products.Name()); err != nil {
		return fmt.Errorf("create the collection: %w", err)
	}
	// Before the products, not after: the stand-in takes many minutes to index ten thousand that are there already.
	index := bson.D{{Key: "category", Value: 1}, {Key: "attributes.k", Value: 1}, {Key: "attributes.v", Value: 1}}
	if _, err := m.products.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: index}); err != nil {
		return fmt.Errorf("index the attributes: %w", err)
	}
	return fill(ctx, g, m.Insert)
}

// Declare makes the newcomer known, and says how many statements that takes.
func (m *Documents) Declare(ctx context.Context) (statements int, err error) {
	return m.declare(ctx, unheardOf())
}

func (m *Documents) declare(ctx context.Context, attributes []Attribute) (statements int, err error) {
	entries := make([]bson.D, len(attributes))
	for i, a := range attributes {
		entries[i] = bson.D{{Key: "_id", Value: a.Code}, {Key: "kind", Value: a.domain()}}
	}
	if _, err := m.registry.InsertMany(ctx, entries); err != nil {
		return 0, fmt.Errorf("register: %w", err)
	}
	return 1, nil
}

// Insert adds products in one transaction.
func (m *Documents) Insert(ctx context.Context, items []Item) error {
	stored := make([]product, len(items))
	for i, it := range items {
		stored[i] = product{ID: it.ID, Kind: it.Kind, Category: it.Category, Texts: it.Texts}
		for _, code := range slices.Sorted(maps.Keys(it.Attributes)) {
			stored[i].Attributes = append(stored[i].Attributes, pair{code, it.Attributes[code]})
		}
	}
	return m.db.Client().UseSession(ctx, func(ctx context.Context) error {
		_, err := mongo.SessionFromContext(ctx).WithTransaction(ctx, func(ctx context.Context) (any, error) { return m.products.InsertMany(ctx, stored) })
		return err
	})
}

// Show reads all that a page of the product displays.
func (m *Documents) Show(ctx context.Context, id int64) (Item, error) {
	var p product
	if err := m.products.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&p); err != nil {
		return Item{}, fmt.Errorf("display product %d: %w", id, err)
	}
	it := Item{ID: p.ID, Kind: p.Kind, Category: p.Category, Texts: p.Texts, Attributes: map[string]any{}}
	for _, a := range p.Attributes {
		it.Attributes[a.K] = a.V
	}
	return it, nil
}

// Filter finds the products of a category that satisfy all conditions, each an element of the list.
func (m *Documents) Filter(ctx context.Context, category int64, conditions []Condition) (Page, error) {
	var all bson.A
	for _, c := range conditions {
		want := any(bson.D{{Key: "$eq", Value: c.Is}})
		if c.Is == nil {
			want = bson.D{{Key: "$gte", Value: c.From}, {Key: "$lt", Value: c.To}}
		}
		all = append(all, bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "k", Value: c.Code}, {Key: "v", Value: want}}}})
	}
	var answers []struct {
		First []struct {
			ID int64 `bson:"_id"`
		} `bson:"first"`
		Found []struct {
			N int64 `bson:"n"`
		} `bson:"found"`
	}
	err := m.aggregate(ctx, &answers,
		stage("$match", bson.D{{Key: "category", Value: category}, {Key: "attributes", Value: bson.D{{Key: "$all", Value: all}}}}),
		stage("$facet", bson.D{
			{Key: "first", Value: bson.A{stage("$sort", bson.D{{Key: "_id", Value: 1}}), stage("$limit", pageSize), stage("$project", bson.D{{Key: "_id", Value: 1}})}},
			{Key: "found", Value: bson.A{stage("$count", "n")}},
		}))
	if err != nil {
		return Page{}, fmt.Errorf("filter: %w", err)
	}
	page := Page{First: []int64{}}
	for _, a := range answers {
		for _, f := range a.First {
			page.First = append(page.First, f.ID)
		}
		for _, f := range a.Found { // none of none
			page.Found = f.N
		}
	}
	return page, nil
}

// Facets counts the values of attributes in a category.
func (m *Documents) Facets(ctx context.Context, category int64, codes []string) ([]Count, error) {
	var answers []struct {
		ID pair  `bson:"_id"`
		N  int64 `bson:"n"`
	}
	err := m.aggregate(ctx, &answers,
		stage("$match", bson.D{{Key: "category", Value: category}}),
		stage("$unwind", "$attributes"),
		stage("$match", bson.D{{Key: "attributes.k", Value: bson.D{{Key: "$in", Value: codes}}}}),
		stage("$group", bson.D{{Key: "_id", Value: "$attributes"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}))
	if err != nil {
		return nil, fmt.Errorf("count the facets: %w", err)
	}
	counts := make([]Count, len(answers))
	for i, a := range answers {
		counts[i] = Count{a.ID.K, fmt.Sprint(a.ID.V), a.N}
	}
	return sortCounts(counts), nil
}

func stage(name string, value any) bson.D { return bson.D{{Key: name, Value: value}} }

func (m *Documents) aggregate(ctx context.Context, into any, pipeline ...bson.D) error {
	cursor, err := m.products.Aggregate(ctx, pipeline)
	if err != nil {
		return err
	}
	return cursor.All(ctx, into)
}

// Update changes a value that the product has.
func (m *Documents) Update(ctx context.Context, id int64, code string, value any) error {
	done, err := m.products.UpdateOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "attributes.k", Value: code}}, stage("$set", bson.D{{Key: "attributes.$.v", Value: value}}))
	if err == nil && done.MatchedCount != 1 {
		err = errNoValue
	}
	if err != nil {
		return fmt.Errorf("change %s of product %d: %w", code, id, err)
	}
	return nil
}

// Size is what the server says that the products take.
func (m *Documents) Size(ctx context.Context) (Size, error) {
	var stats struct {
		Storage int64 `bson:"storageSize"`
		Indexes int64 `bson:"totalIndexSize"`
	}
	if err := m.db.RunCommand(ctx, bson.D{{Key: "collStats", Value: m.products.Name()}}).Decode(&stats); err != nil {
		return Size{}, fmt.Errorf("measure the documents: %w", err)
	}
	return Size{stats.Storage, stats.Indexes}, nil
}

// Drop removes the database.
func (m *Documents) Drop(ctx context.Context) error {
	if err := m.db.Drop(ctx); err != nil {
		return fmt.Errorf("drop the documents: %w", err)
	}
	return nil
}

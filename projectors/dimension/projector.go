package dimension

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/document"
)

// producer publishes durably.
type producer interface {
	Publish(ctx context.Context, messages []projectors.Message) (map[string][]int64, error)
}

// Projector keeps the rows of the dimension tables and tells the stores that a change concerns.
//
// The order is: rows stored, version counted up, commands published. A command names the version; whoever gets it loads
// the dimensions of at least that version first and so sees the rows. A repeated batch counts up and tells again, which
// costs a reload and changes nothing: we may have died before telling.
type Projector struct {
	rows    *document.Collection[string, Row]
	version *mongo.Collection
	out     producer
	topic   string
}

// NewProjector returns the handler; there is one, since the tables' topics have one partition.
func NewProjector(db *mongo.Database, config document.Config, out producer, prefix string) *Projector {
	return &Projector{
		rows:    document.Open[string, Row](db, CollectionName, config),
		version: db.Collection(CollectionName, document.Durable()),
		out:     out,
		topic:   change.CommandTopic(prefix),
	}
}

// Handle implements projectors.Handler.
func (p *Projector) Handle(ctx context.Context, records []projectors.Record) error {
	edits, err := read(records)
	if err != nil || len(edits) == 0 {
		return err
	}
	docs, err := p.rows.Update(ctx, slices.Collect(maps.Keys(edits)), func(id string, doc *Row) bool {
		changed := false
		for _, e := range edits[id] {
			changed = doc.Fold(e) || changed
		}
		return changed
	})
	if err != nil {
		return err
	}
	version, err := p.countUp(ctx)
	if err != nil {
		return err
	}
	failpoint.Hit("dimension-after-store-before-command")
	stores, err := p.concerned(ctx, docs)
	if err != nil {
		return err
	}
	return p.tell(ctx, stores, version)
}

// read decodes all records before anything is applied. The error is a projectors.Poison that names those that can't be.
func read(records []projectors.Record) (map[string][]Edit, error) {
	edits := map[string][]Edit{}
	err := projectors.ReadAll(records, func(_ projectors.Record, ev change.Event) error {
		e, err := Read(ev)
		if err == nil {
			edits[e.Row] = append(edits[e.Row], e)
		}
		return err
	})
	return edits, err
}

func (p *Projector) countUp(ctx context.Context) (int64, error) {
	var doc struct {
		N int64 `bson:"n"`
	}
	err := p.version.FindOneAndUpdate(ctx,
		bson.D{{Key: "_id", Value: versionID}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}},
		options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&doc)
	if err != nil {
		return 0, fmt.Errorf("count up the version of the dimensions: %w", err)
	}
	return doc.N, nil
}

// concerned returns the stores whose documents show or depend on the rows, each with one of these rows.
//
// It looks things up as they are stored now, after the rows. A text may come before its category and a category before
// its store: it then concerns nobody yet, and whatever comes last finds all the others.
func (p *Projector) concerned(ctx context.Context, docs map[string]*Row) (map[int64]string, error) {
	trees, stores := map[int64]string{}, map[int64]string{}
	everybody := ""
	var categories []string
	for id, doc := range docs {
		table, rest, _ := strings.Cut(id, ":")
		number, err := leadingNumber(rest)
		switch table {
		case "stores":
			stores[number] = id
		case "category_trees":
			trees[number] = id
		case "categories":
			addTrees(trees, id, doc)
		case "category_texts":
			categories = append(categories, numbered("categories", number))
		case "attribute_defs":
			everybody, err = id, nil
		case "search_rules":
			for _, store := range doc.Stores {
				if store == everyStore {
					everybody = id
				} else {
					stores[store] = id
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("id %s: %w", id, err)
		}
	}
	named, err := p.rows.Load(ctx, categories)
	if err != nil {
		return nil, err
	}
	for id, doc := range named {
		addTrees(trees, id, doc)
	}
	if len(trees) == 0 && everybody == "" {
		return stores, nil
	}
	return stores, p.addStores(ctx, stores, trees, everybody)
}

func leadingNumber(key string) (int64, error) {
	first, _, _ := strings.Cut(key, ":")
	return strconv.ParseInt(first, 10, 64)
}

func addTrees(trees map[int64]string, id string, category *Row) {
	for _, t := range category.Trees {
		trees[t] = id
	}
}

// addStores adds the stores of the trees, or all if everybody says why.
func (p *Projector) addStores(ctx context.Context, stores map[int64]string, trees map[int64]string, everybody string) error {
	from, to := tableRange("stores")
	return p.rows.Range(ctx, from, to, func(doc *Row) error {
		if doc.Deleted {
			return nil
		}
		store, err := storeOf(doc.Row)
		if err != nil {
			return err
		}
		if why, ok := trees[store.TreeID]; ok {
			stores[store.ID] = why
		} else if everybody != "" {
			stores[store.ID] = everybody
		}
		return nil
	})
}

func (p *Projector) tell(ctx context.Context, stores map[int64]string, version int64) error {
	var messages []projectors.Message
	for _, id := range slices.Sorted(maps.Keys(stores)) {
		c := projectors.Command{Kind: projectors.Dimensions, Store: id, Dimensions: version, Reason: stores[id]}
		k, v, err := c.Encode()
		if err != nil {
			return err
		}
		messages = append(messages, projectors.Message{Topic: p.topic, Key: k, Value: v})
	}
	if len(messages) == 0 || failpoint.Enabled("forget-command") {
		return nil
	}
	if _, err := p.out.Publish(ctx, messages); err != nil {
		return fmt.Errorf("tell %d stores of dimensions %d: %w", len(messages), version, err)
	}
	return nil
}

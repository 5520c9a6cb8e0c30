package tree

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors/document"
)

// ErrNotFound is wrapped by the error for a page that does not exist, or no longer.
var ErrNotFound = errors.New("no such page")

// The collections of pages.
const (
	HomesName = "homes"
	NodesName = "nodes"
)

// Store is the collections of the tree: the API reads pages from it, the handler writes them.
type Store struct {
	homes, nodes, fences *mongo.Collection
	readHomes, readNodes *document.Reads
	offers, products     *mongo.Collection
	grouped              bool
	// turn lets one group of pages be written at a time: pages are large, and product pages wait for the same server.
	turn chan struct{}
}

// NewStore opens the tree in a database. Grouped writes put a group of documents into one transaction: much faster on a
// server that syncs once per write, and a cost without a gain on one that groups commits itself.
func NewStore(db *mongo.Database, grouped bool) *Store {
	opts := document.Durable()
	homes, nodes := db.Collection(HomesName, opts), db.Collection(NodesName, opts)
	return &Store{
		homes: homes, nodes: nodes, readHomes: document.NewReads(homes), readNodes: document.NewReads(nodes), fences: db.Collection("fences", opts),
		offers: db.Collection("offers", opts), products: db.Collection("products", opts), grouped: grouped, turn: make(chan struct{}, 1),
	}
}

// Home returns a part of a store's home page in a language, counted from 1, by one read of its _id.
func (s *Store) Home(ctx context.Context, store int64, lang string, part int) (h Home, err error) {
	err = find(ctx, s.readHomes, PartID(HomeID(store, lang), part), &h, &h.Deleted)
	return h, err
}

// Node returns a part of a category's page in a store and a language, counted from 1, by one read of its _id.
func (s *Store) Node(ctx context.Context, store, category int64, lang string, part int) (n Node, err error) {
	err = find(ctx, s.readNodes, PartID(NodeID(store, category, lang), part), &n, &n.Deleted)
	return n, err
}

// HomeText is Home for who passes it on.
func (s *Store) HomeText(ctx context.Context, store int64, lang string, part int) (h HomeText, err error) {
	err = find(ctx, s.readHomes, PartID(HomeID(store, lang), part), &h, &h.Deleted)
	return h, err
}

// NodeText is Node for who passes it on.
func (s *Store) NodeText(ctx context.Context, store, category int64, lang string, part int) (n NodeText, err error) {
	err = find(ctx, s.readNodes, PartID(NodeID(store, category, lang), part), &n, &n.Deleted)
	return n, err
}

func find(ctx context.Context, c *document.Reads, id string, page bson.Unmarshaler, deleted *bool) error {
	raw, err := c.Get(ctx, id)
	if err == nil && raw == nil {
		err = ErrNotFound
	}
	if err == nil {
		err = page.UnmarshalBSON(raw)
	}
	if err == nil && *deleted {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("page %s: %w", id, err)
	}
	return nil
}

// collection returns where the page of a key is kept.
func (s *Store) collection(k key) *mongo.Collection {
	if k.category == 0 {
		return s.homes
	}
	return s.nodes
}

// within is the filter of all documents of a store, bounded on both ends: ';' follows ':'.
func within(store int64) bson.D {
	prefix := strconv.FormatInt(store, 10)
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: prefix + ":"}, {Key: "$lt", Value: prefix + ";"}}}}
}

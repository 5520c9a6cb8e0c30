// Package document is the compare-and-swap collection that catalog, offer and dimension keep their state in: documents
// with a revision, changed by folding events into them.
//
// Update loads the documents of a batch, folds, and swaps each one only if its revision is still the one that was loaded;
// whoever loses the race loads and folds again. So any number of writers, zombies among them, never lose an update, as
// long as the fold takes repeated and reordered events (docs/adr/0005). Guarantee: when Update returns nil every document
// it returns is durable (majority, journaled), and a read that starts later sees it or a newer one.
package document

import (
	"cmp"
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// Config says how a collection writes.
type Config struct {
	// Plain writes a batch as one bulk of single compare-and-swaps instead of one transaction. The stand-in for MongoDB
	// syncs its log once per write, so there a transaction is several times faster; a sharded MongoDB pays for transactions
	// across shards and groups its journal writes by itself. Default false: one transaction.
	Plain bool
	// Group is how many documents one transaction or bulk swaps; default 250. Larger groups lose more work when one
	// document of them was changed by somebody else, smaller ones sync more often.
	Group int
}

// Document is what *T must have: the fields stored as _id and rev.
type Document[K cmp.Ordered] interface {
	DocumentID() *K
	Revision() *int64
}

// Collection is a collection of documents of type T. Its methods may be called from any goroutine.
type Collection[K cmp.Ordered, T any] struct {
	mongo  *mongo.Collection
	config Config
	id     func(*T) *K
	rev    func(*T) *int64
	kept   *kept[K, T] // see Keeping; nil without

	reads *Reads
}

// Open returns the collection of that name.
func Open[K cmp.Ordered, T any, P interface {
	*T
	Document[K]
}](db *mongo.Database, name string, config Config) *Collection[K, T] {
	if config.Group <= 0 {
		config.Group = 250
	}
	c := db.Collection(name, Durable())
	return &Collection[K, T]{
		mongo:  c,
		reads:  NewReads(c),
		config: config,
		id:     func(doc *T) *K { return P(doc).DocumentID() },
		rev:    func(doc *T) *int64 { return P(doc).Revision() },
	}
}

// Durable are the concerns of every collection that holds state: writes survive a crash and a failover before they are
// acknowledged, reads see what was acknowledged, from the primary.
func Durable() *options.CollectionOptionsBuilder {
	return options.Collection().SetWriteConcern(majority()).SetReadConcern(readconcern.Majority()).SetReadPreference(readpref.Primary())
}

func majority() *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal}
}

// EnsureIndex creates an ascending index over the fields if there is none.
func (c *Collection[K, T]) EnsureIndex(ctx context.Context, fields ...string) error {
	keys := make(bson.D, len(fields))
	for i, f := range fields {
		keys[i] = bson.E{Key: f, Value: 1}
	}
	if _, err := c.mongo.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys}); err != nil {
		return fmt.Errorf("create index %v on %s: %w", fields, c.mongo.Name(), err)
	}
	return nil
}

package tree

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"freshet/ingest/failpoint"
)

// groupSize is how many documents go into one transaction or bulk: large enough to share a sync, small enough that a
// group of the largest documents stays below the server's limit of a message.
const groupSize = 128

// groupTimeout bounds the writing of one group, which takes milliseconds.
const groupTimeout = 10 * time.Second

// duplicateKey is the server's code for an insert of an _id that is there.
const duplicateKey = 11000

// fencedStores is the error for stores that other workers have taken over.
type fencedStores struct{ lost []*state }

func (f *fencedStores) Error() string {
	return fmt.Sprintf("%d stores, the first %d: %v", len(f.lost), f.lost[0].plan.store, errFenced)
}

func (f *fencedStores) Unwrap() error { return errFenced }

// write makes the writes durable and notes them in their states. Each is guarded by its version. A write that is refused
// tells that its store was taken over: then the error is a *fencedStores, and the other writes are done.
//
// No write inserts a page. A page that isn't there yet is first put as a tombstone, then the fence is read, then the page
// replaces the tombstone under its guard. If the new owner came before the read we see its epoch; if after, it has lifted
// the tombstone's version over ours. With an insert in one step, a zombie could bring up a page that the new owner knows
// nothing of and so would never take away.
func (s *Store) write(ctx context.Context, writes []write) error {
	lost := map[*state]bool{}
	if err := s.reserve(ctx, writes, lost); err != nil {
		return err
	}
	for _, home := range []bool{true, false} {
		var ours []write
		for _, w := range writes {
			if (w.key.category == 0) == home && !lost[w.of] {
				ours = append(ours, w)
			}
		}
		for len(ours) > 0 {
			group := ours[:min(groupSize, len(ours))]
			ours = ours[len(group):]
			if err := s.replace(ctx, s.collection(group[0].key), group, lost); err != nil {
				return err
			}
		}
	}
	if len(lost) == 0 {
		return nil
	}
	err := &fencedStores{}
	for st := range lost {
		err.lost = append(err.lost, st)
	}
	return err
}

// reserve puts tombstones where nothing is stored yet, and then looks whether the stores are still ours.
func (s *Store) reserve(ctx context.Context, writes []write, lost map[*state]bool) error {
	missing := map[bool][]write{}
	seen := map[*state]bool{}
	var states []*state
	for _, w := range writes {
		if _, there := w.of.stored[w.key]; there {
			continue
		}
		missing[w.key.category == 0] = append(missing[w.key.category == 0], w)
		if !seen[w.of] {
			seen[w.of] = true
			states = append(states, w.of)
		}
	}
	for _, list := range missing {
		for len(list) > 0 {
			group := list[:min(groupSize, len(list))]
			list = list[len(group):]
			if err := s.insertTombstones(ctx, s.collection(group[0].key), group); err != nil {
				return err
			}
		}
	}
	failpoint.Hit("tree-after-reserve")
	over, err := s.overtaken(ctx, states)
	for _, st := range over {
		lost[st] = true
	}
	return err
}

func (s *Store) insertTombstones(ctx context.Context, c *mongo.Collection, group []write) error {
	models := make([]mongo.WriteModel, len(group))
	for i, w := range group {
		doc := tombstone(w.of.plan.store, w.key, w.of.epoch<<seqBits)
		doc.ID = "" // the filter gives it
		models[i] = mongo.NewUpdateOneModel().SetFilter(byID(w.doc.ID)).SetUpsert(true).
			SetUpdate(bson.D{{Key: "$setOnInsert", Value: doc}})
	}
	_, err := s.bulk(ctx, c, models)
	if onlyDuplicates(err) {
		// Another worker put the same ones. In a transaction that aborted the rest; by themselves the rest goes in.
		if _, err = c.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false)); onlyDuplicates(err) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("reserve %d documents of %s: %w", len(group), c.Name(), err)
	}
	for _, w := range group {
		w.of.stored[w.key] = noPage
	}
	return nil
}

// onlyDuplicates says whether the error is of documents that are there already and of nothing else.
func onlyDuplicates(err error) bool {
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) {
		return mongo.IsDuplicateKeyError(err)
	}
	if bulk.WriteConcernError != nil {
		return false
	}
	for _, e := range bulk.WriteErrors {
		if e.Code != duplicateKey {
			return false
		}
	}
	return len(bulk.WriteErrors) > 0
}

// replace puts a group of documents in their places, each if its version is the higher.
func (s *Store) replace(ctx context.Context, c *mongo.Collection, group []write, lost map[*state]bool) error {
	models := make([]mongo.WriteModel, len(group))
	for i, w := range group {
		w.of.stored[w.key] = unknown // after an error the page is written again even if it has turned back meanwhile
		guard := bson.D{{Key: "_id", Value: w.doc.ID}, {Key: "ver", Value: bson.D{{Key: "$lt", Value: w.doc.Ver}}}}
		models[i] = mongo.NewReplaceOneModel().SetFilter(guard).SetReplacement(w.doc)
	}
	matched, err := s.bulk(ctx, c, models)
	if err != nil {
		return fmt.Errorf("write %d documents of %s: %w", len(group), c.Name(), err)
	}
	if matched != int64(len(group)) {
		if err := s.findRefused(ctx, c, group, lost); err != nil {
			return err
		}
	}
	for _, w := range group {
		w.of.stored[w.key] = w.doc.Hash
	}
	return nil
}

// findRefused tells which writes of a group are not what is stored. A transaction that was committed, though its answer was
// lost, is tried again by the driver and matches nothing: those documents carry our versions and are well.
func (s *Store) findRefused(ctx context.Context, c *mongo.Collection, group []write, lost map[*state]bool) error {
	ids := make(bson.A, len(group))
	for i, w := range group {
		ids[i] = w.doc.ID
	}
	cur, err := c.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}},
		options.Find().SetProjection(bson.D{{Key: "ver", Value: 1}}))
	if err != nil {
		return fmt.Errorf("look for refused writes in %s: %w", c.Name(), err)
	}
	var there []struct {
		ID  string `bson:"_id"`
		Ver int64  `bson:"ver"`
	}
	if err := cur.All(ctx, &there); err != nil {
		return fmt.Errorf("look for refused writes in %s: %w", c.Name(), err)
	}
	vers := make(map[string]int64, len(there))
	for _, d := range there {
		vers[d.ID] = d.Ver
	}
	for _, w := range group {
		if vers[w.doc.ID] != w.doc.Ver {
			lost[w.of] = true
		}
	}
	return nil
}

// bulk runs the models, in one transaction where writes are grouped, and returns how many documents matched.
//
// It isn't broken off when the caller's context ends: a transaction that is left open holds its documents until the
// server's transactionLifetimeLimitSeconds have passed, a minute by default, and the next owner would wait for them.
func (s *Store) bulk(ctx context.Context, c *mongo.Collection, models []mongo.WriteModel) (int64, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupTimeout)
	defer cancel()
	if !s.grouped || len(models) == 1 {
		result, err := c.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
		if err != nil {
			return 0, err
		}
		return result.MatchedCount, nil
	}
	session, err := c.Database().Client().StartSession()
	if err != nil {
		return 0, fmt.Errorf("start session: %w", err)
	}
	defer session.EndSession(ctx)
	var matched int64
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		result, err := c.BulkWrite(ctx, models) // in order: nothing of a transaction outlives its first error
		if err != nil {
			return nil, err
		}
		matched = result.MatchedCount
		return nil, nil
	}, transactional())
	return matched, err
}

// transactional are the concerns of a transaction, which doesn't take those of its collection.
func transactional() *options.TransactionOptionsBuilder {
	journal := true
	return options.Transaction().SetReadConcern(readconcern.Snapshot()).SetReadPreference(readpref.Primary()).
		SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal})
}

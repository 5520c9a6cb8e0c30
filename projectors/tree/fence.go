package tree

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// errFenced is returned when another worker has taken a store over: what we hold of it may be old.
var errFenced = errors.New("another worker has taken the store over")

// fence is the document fences/{store}: Epoch grows each time a worker loads the store, and stands in the high part of the
// versions that it writes.
type fence struct {
	ID      int64    `bson:"_id"`
	Epoch   int64    `bson:"epoch"`
	Rebuilt *Rebuilt `bson:"rebuilt,omitempty"`
}

// Rebuilt says how the newest rebuild of a store went or goes. Several commands in one batch are one rebuild; it answers
// every command up to Offset of its partition.
type Rebuilt struct {
	Partition int        `bson:"partition" json:"partition"` // of the command topic
	Offset    int64      `bson:"offset" json:"offset"`
	ID        string     `bson:"id,omitempty" json:"id,omitempty"` // of the newest of the commands
	Started   time.Time  `bson:"started" json:"started"`
	Finished  *time.Time `bson:"finished,omitempty" json:"finished,omitempty"`
	Offers    int        `bson:"offers" json:"offers"`       // read so far
	Documents int        `bson:"documents" json:"documents"` // written, once finished
}

// Answers says whether the rebuild has done what the command at an offset asks.
func (r Rebuilt) Answers(partition int, offset int64) bool {
	return r.Finished != nil && r.Partition == partition && r.Offset >= offset
}

// Rebuilt returns how the newest rebuild of a store went or goes; the zero Rebuilt when there was none.
func (s *Store) Rebuilt(ctx context.Context, store int64) (Rebuilt, error) {
	var f fence
	err := s.fences.FindOne(ctx, byID(store)).Decode(&f)
	if errors.Is(err, mongo.ErrNoDocuments) || (err == nil && f.Rebuilt == nil) {
		return Rebuilt{}, nil
	}
	if err != nil {
		return Rebuilt{}, fmt.Errorf("read the last rebuild of store %d: %w", store, err)
	}
	return *f.Rebuilt, nil
}

// takeOver raises the store's epoch and returns it: every worker that loaded the store before is a zombie from here on.
func (s *Store) takeOver(ctx context.Context, store int64) (int64, error) {
	var f fence
	up := bson.D{{Key: "$inc", Value: bson.D{{Key: "epoch", Value: int64(1)}}}}
	opts := options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)
	err := s.fences.FindOneAndUpdate(ctx, byID(store), up, opts).Decode(&f)
	if mongo.IsDuplicateKeyError(err) { // another worker made the document first
		err = s.fences.FindOneAndUpdate(ctx, byID(store), up, opts).Decode(&f)
	}
	if err != nil {
		return 0, fmt.Errorf("raise the fence of store %d: %w", store, err)
	}
	if f.Epoch >= 1<<(63-seqBits) {
		return 0, fmt.Errorf("raise the fence of store %d: epoch %d leaves no room for versions", store, f.Epoch)
	}
	return f.Epoch, nil
}

// bar lifts the version of every stored document of the store to the epoch's, so that no write of an earlier epoch passes
// its guard.
func (s *Store) bar(ctx context.Context, store, epoch int64) error {
	floor := epoch << seqBits
	filter := append(within(store), bson.E{Key: "ver", Value: bson.D{{Key: "$lt", Value: floor}}})
	up := bson.D{{Key: "$set", Value: bson.D{{Key: "ver", Value: floor}}}}
	for _, c := range []*mongo.Collection{s.homes, s.nodes} {
		if _, err := c.UpdateMany(ctx, filter, up); err != nil {
			return fmt.Errorf("bar earlier epochs of store %d from %s: %w", store, c.Name(), err)
		}
	}
	return nil
}

// overtaken returns those of the states whose store another worker has taken over since.
func (s *Store) overtaken(ctx context.Context, states []*state) (lost []*state, err error) {
	if len(states) == 0 {
		return nil, nil
	}
	ids := make(bson.A, 0, len(states))
	for _, st := range states {
		ids = append(ids, st.plan.store)
	}
	cur, err := s.fences.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return nil, fmt.Errorf("read fences: %w", err)
	}
	var fences []fence
	if err := cur.All(ctx, &fences); err != nil {
		return nil, fmt.Errorf("read fences: %w", err)
	}
	epochs := make(map[int64]int64, len(fences))
	for _, f := range fences {
		epochs[f.ID] = f.Epoch
	}
	for _, st := range states {
		if epochs[st.plan.store] != st.epoch {
			lost = append(lost, st)
		}
	}
	return lost, nil
}

// report stores how a rebuild goes.
func (s *Store) report(ctx context.Context, store int64, r Rebuilt) error {
	_, err := s.fences.UpdateOne(ctx, byID(store), bson.D{{Key: "$set", Value: bson.D{{Key: "rebuilt", Value: r}}}},
		options.UpdateOne().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("report the rebuild of store %d: %w", store, err)
	}
	return nil
}

func byID(id any) bson.D { return bson.D{{Key: "_id", Value: id}} }

// Package control keeps what operators ask of the stages (pause, skip, replay) in MongoDB, one document per stage, and tells
// the stages.
//
// The admin API and `freshet stage` write through Store; cmd/freshet gives the runtime a Board, which looks for changes a
// few times a second. Guarantee: what was asked is durable when the call returns, and holds for every process of the stage,
// those that start later among them, until it is taken back.
package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/projectors"
	"freshet/projectors/document"
)

// CollectionName is the collection of the documents.
const CollectionName = "controls"

// maxSkips bounds what is asked of one stage; each is looked at for every record.
const maxSkips = 100

// ErrTooMany is the error of one skip too many.
var ErrTooMany = errors.New("too many records are skipped by this stage: take back those that are done with")

// Stage is the document controls/{stage}.
type Stage struct {
	ID     string             `bson:"_id" json:"stage"`
	Rev    int64              `bson:"rev" json:"-"`
	Paused bool               `bson:"paused" json:"paused"`
	Reason string             `bson:"reason,omitempty" json:"reason,omitempty"` // of the pause
	Since  *time.Time         `bson:"since,omitempty" json:"since,omitempty"`   // of the pause
	Skips  []projectors.Skip  `bson:"skips,omitempty" json:"skips,omitempty"`
	Replay *projectors.Replay `bson:"replay,omitempty" json:"replay,omitempty"` // the newest
}

// DocumentID is the field stored as _id.
func (s *Stage) DocumentID() *string { return &s.ID }

// Revision is the field stored as rev.
func (s *Stage) Revision() *int64 { return &s.Rev }

// Store is the documents.
type Store struct {
	stages *document.Collection[string, Stage]
}

// Open returns the store in a database.
func Open(db *mongo.Database) *Store {
	return &Store{document.Open[string, Stage](db, CollectionName, document.Config{})}
}

// Load returns what is asked of the stages; those of which nothing is are there too.
func (s *Store) Load(ctx context.Context, names ...string) (map[string]Stage, error) {
	docs, err := s.stages.Load(ctx, names)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]Stage, len(names))
	for _, name := range names {
		asked[name] = Stage{ID: name}
		if doc := docs[name]; doc != nil {
			asked[name] = *doc
		}
	}
	return asked, nil
}

// update changes a stage's document; change says whether it did.
func (s *Store) update(ctx context.Context, stage string, change func(*Stage) bool) (Stage, error) {
	docs, err := s.stages.Update(ctx, []string{stage}, func(_ string, doc *Stage) bool { return change(doc) })
	if err != nil {
		return Stage{}, fmt.Errorf("control stage %s: %w", stage, err)
	}
	return *docs[stage], nil
}

// Pause halts a stage between two batches, until Resume.
func (s *Store) Pause(ctx context.Context, stage, reason string) (Stage, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return s.update(ctx, stage, func(doc *Stage) bool {
		if !doc.Paused {
			doc.Since = &now
		}
		doc.Paused, doc.Reason = true, reason
		return true
	})
}

// Resume lets a stage go on.
func (s *Store) Resume(ctx context.Context, stage string) (Stage, error) {
	return s.update(ctx, stage, func(doc *Stage) bool {
		was := doc.Paused
		doc.Paused, doc.Reason, doc.Since = false, "", nil
		return was
	})
}

// Skip has a stage park a record instead of applying it.
func (s *Store) Skip(ctx context.Context, stage string, skip projectors.Skip) (Stage, error) {
	full := false
	asked, err := s.update(ctx, stage, func(doc *Stage) bool {
		doc.Skips = slices.DeleteFunc(doc.Skips, at(skip))
		full = len(doc.Skips) >= maxSkips
		if !full {
			doc.Skips = append(doc.Skips, skip)
		}
		return !full
	})
	if err == nil && full {
		err = fmt.Errorf("control stage %s: %w", stage, ErrTooMany)
	}
	return asked, err
}

// Unskip takes a skip back. A record that was parked already stays so: replay it from there.
func (s *Store) Unskip(ctx context.Context, stage string, skip projectors.Skip) (Stage, error) {
	return s.update(ctx, stage, func(doc *Stage) bool {
		before := len(doc.Skips)
		doc.Skips = slices.DeleteFunc(doc.Skips, at(skip))
		return len(doc.Skips) < before
	})
}

func at(place projectors.Skip) func(projectors.Skip) bool {
	return func(s projectors.Skip) bool {
		return s.Topic == place.Topic && s.Partition == place.Partition && s.Offset == place.Offset
	}
}

// Replay has a stage handle again what has come since an instant; the zero instant stands for all that the topics hold.
func (s *Store) Replay(ctx context.Context, stage string, since time.Time) (Stage, error) {
	var id [8]byte
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(id[:])
	return s.update(ctx, stage, func(doc *Stage) bool {
		doc.Replay = &projectors.Replay{ID: hex.EncodeToString(id[:]), Since: since, Done: []int{}}
		return true
	})
}

// Replayed notes that a partition has gone back as the replay asks. One that another replay has taken the place of needs no
// note.
func (s *Store) Replayed(ctx context.Context, stage string, partition int, id string) error {
	_, err := s.update(ctx, stage, func(doc *Stage) bool {
		if doc.Replay == nil || doc.Replay.ID != id || slices.Contains(doc.Replay.Done, partition) {
			return false
		}
		doc.Replay.Done = append(doc.Replay.Done, partition)
		slices.Sort(doc.Replay.Done)
		return true
	})
	return err
}

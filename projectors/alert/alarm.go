package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/document"
)

// AlarmsCollectionName is the collection of alarms.
const AlarmsCollectionName = "alarms"

// maxAlarms is how many alarms one look at a store may raise. What has gone wrong with more is one thing that went wrong, and
// the audit's gauge has their number.
const maxAlarms = 100

// Alarm is the document alarms/{kind}/{key} and the value of a record on the topic of alerts: something is not what it
// should be, which is for operators and not for a seller. It is raised once, and cleared once when it is so no more.
type Alarm struct {
	ID      string `bson:"_id" json:"id"`
	Rev     int64  `bson:"rev" json:"-"`
	Kind    string `bson:"kind" json:"kind"` // "stock", or the read model whose document has drifted
	Store   int64  `bson:"store" json:"store"`
	Key     string `bson:"key" json:"key"`
	Detail  string `bson:"detail" json:"detail"` // for people
	Raised  int64  `bson:"raised" json:"raised"` // microseconds since 1970
	Cleared int64  `bson:"cleared,omitempty" json:"cleared,omitempty"`
	// Watched is the store while the alarm stands or has something to be told, else 0.
	Watched int64 `bson:"watched" json:"-"`
	Told    bool  `bson:"told" json:"-"`
}

// DocumentID is the field stored as _id.
func (a *Alarm) DocumentID() *string { return &a.ID }

// Revision is the field stored as rev.
func (a *Alarm) Revision() *int64 { return &a.Rev }

// Finding is what a look at a store found to be wrong.
type Finding struct{ Kind, Key, Detail string }

func (f Finding) id() string { return f.Kind + "/" + f.Key }

// see notes whether what the alarm is of was found, and says whether that raises or clears it.
func (a *Alarm) see(store int64, f *Finding, now time.Time) bool {
	standing := a.Rev > 0 && a.Cleared == 0
	switch {
	case f != nil && !standing:
		a.Kind, a.Store, a.Key, a.Detail, a.Raised, a.Cleared = f.Kind, store, f.Key, f.Detail, now.UnixMicro(), 0
	case f == nil && standing:
		a.Cleared = now.UnixMicro()
	default:
		return false
	}
	a.Watched, a.Told = store, false
	return true
}

// Alarms raises and clears alarms, and lists those that stand.
type Alarms struct {
	alarms *document.Collection[string, Alarm]
	mongo  *mongo.Collection
	out    producer
	topic  string
}

// NewAlarms opens the alarms in a database. Who only lists them needs no producer.
func NewAlarms(db *mongo.Database, out producer, prefix string) *Alarms {
	return &Alarms{
		alarms: document.Open[string, Alarm](db, AlarmsCollectionName, document.Config{}),
		mongo:  db.Collection(AlarmsCollectionName, document.Durable()), out: out, topic: change.AlertTopic(prefix),
	}
}

// EnsureIndexes creates the index by which a store finds its alarms.
func (a *Alarms) EnsureIndexes(ctx context.Context) error {
	return a.alarms.EnsureIndex(ctx, "watched")
}

// Look takes all that is wrong in a store. Alarms are stored, then told, then marked as told: who dies on the way tells
// again at the next look, with the same id and times.
func (a *Alarms) Look(ctx context.Context, store int64, found []Finding, now time.Time) error {
	byID := make(map[string]*Finding, len(found))
	for i := range found {
		byID[found[i].id()] = &found[i]
	}
	ids := slices.Sorted(maps.Keys(byID))
	raised := map[string]bool{}
	for _, id := range ids[:min(maxAlarms, len(ids))] {
		raised[id] = true
	}
	var stale []string
	err := a.alarms.Where(ctx, "watched", []int64{store}, func(alarm *Alarm) error {
		if !raised[alarm.ID] && (byID[alarm.ID] == nil || !alarm.Told) {
			stale = append(stale, alarm.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	docs, err := a.alarms.Update(ctx, append(stale, slices.Collect(maps.Keys(raised))...), func(id string, doc *Alarm) bool {
		return doc.see(store, byID[id], now)
	})
	if err != nil {
		return err
	}
	return a.tell(ctx, docs)
}

// tell publishes what is not told yet.
func (a *Alarms) tell(ctx context.Context, docs map[string]*Alarm) error {
	var messages []projectors.Message
	revs := map[string]int64{}
	for _, id := range slices.Sorted(maps.Keys(docs)) {
		doc := docs[id]
		if doc.Rev == 0 || doc.Told {
			continue
		}
		value, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("encode alarm %s: %w", id, err)
		}
		revs[id] = doc.Rev
		messages = append(messages, projectors.Message{Topic: a.topic, Key: strconv.AppendInt(nil, doc.Store, 10), Value: value})
	}
	if len(messages) == 0 {
		return nil
	}
	if _, err := a.out.Publish(ctx, messages); err != nil {
		return fmt.Errorf("publish %d alarms: %w", len(messages), err)
	}
	_, err := a.alarms.Update(ctx, slices.Collect(maps.Keys(revs)), func(id string, doc *Alarm) bool {
		if doc.Rev != revs[id] {
			return false // somebody else has raised or cleared it since, and tells
		}
		doc.Told = true
		if doc.Cleared > 0 {
			doc.Watched = 0
		}
		return true
	})
	return err
}

// Standing lists the alarms that stand, the newest first, at most so many.
func (a *Alarms) Standing(ctx context.Context, most int) ([]Alarm, error) {
	filter := bson.D{{Key: "watched", Value: bson.D{{Key: "$gt", Value: 0}}}, {Key: "cleared", Value: bson.D{{Key: "$exists", Value: false}}}}
	cursor, err := a.mongo.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "raised", Value: -1}, {Key: "_id", Value: 1}}).SetLimit(int64(most)))
	alarms := []Alarm{}
	if err == nil {
		err = cursor.All(ctx, &alarms)
	}
	if err != nil {
		return nil, errors.Join(errors.New("read the alarms"), err)
	}
	return alarms, nil
}

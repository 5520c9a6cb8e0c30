package notify

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/ingest/change"
	"freshet/projectors"
	"freshet/projectors/document"
)

// defaultFresh is for how long after it happened a thing is still worth telling.
const defaultFresh = 24 * time.Hour

// Projector writes the notifications of one partition down. It belongs to one goroutine, as every projectors.Handler does.
type Projector struct {
	documents *document.Collection[string, Notification]
	channels  []string
	alerts    string // topic
	fresh     time.Duration
	now       func() time.Time
}

// ProjectorConfig is what Projectors are made of.
type ProjectorConfig struct {
	Prefix string // of the topics
	// Channels are what each event is told by.
	Channels []string
	// Fresh is for how long after it happened a thing is still told. Default a day. Too small and an outage swallows
	// notifications; too large and a stage that was off for long tells what is over.
	Fresh time.Duration
}

// NewProjector returns the handler of one partition.
func NewProjector(db *mongo.Database, config document.Config, cfg ProjectorConfig) *Projector {
	if cfg.Fresh == 0 {
		cfg.Fresh = defaultFresh
	}
	return &Projector{documents: open(db, config), channels: cfg.Channels, alerts: change.AlertTopic(cfg.Prefix), fresh: cfg.Fresh, now: time.Now}
}

func open(db *mongo.Database, config document.Config) *document.Collection[string, Notification] {
	return document.Open[string, Notification](db, CollectionName, config)
}

// EnsureIndexes creates the index by which a Sender finds what is due.
func EnsureIndexes(ctx context.Context, db *mongo.Database) error {
	return open(db, document.Config{}).EnsureIndex(ctx, "due")
}

// Topics are the stage's inputs.
func Topics(prefix string) []string {
	topics := []string{change.AlertTopic(prefix)}
	for _, table := range Tables {
		topics = append(topics, change.Topic(prefix, "public", table))
	}
	return topics
}

// Handle implements projectors.Handler.
func (p *Projector) Handle(ctx context.Context, records []projectors.Record) error {
	var poison projectors.Poison
	fresh := map[string]Notification{}
	for _, r := range records {
		if r.Value == nil {
			continue
		}
		t, ok, err := p.read(r)
		if err != nil {
			poison.Add(r, err)
			continue
		}
		if ok {
			p.add(fresh, t)
		}
	}
	if err := poison.Err(); err != nil {
		return err
	}
	_, err := p.documents.Update(ctx, slices.Collect(maps.Keys(fresh)), func(id string, doc *Notification) bool {
		if doc.Rev != 0 {
			return false // it is known, told or not
		}
		*doc = fresh[id]
		return true
	})
	return err
}

func (p *Projector) read(r projectors.Record) (told, bool, error) {
	if r.Topic == p.alerts {
		t, err := readAlert(r)
		return t, err == nil, err
	}
	ev, err := r.Decode()
	if err != nil {
		return told{}, false, err
	}
	return reads(ev)
}

// add makes a notification for each channel; of a thing that comes twice in a batch the first stays.
func (p *Projector) add(fresh map[string]Notification, t told) {
	for _, channel := range p.channels {
		id := t.ID + "/" + channel
		if _, known := fresh[id]; known {
			continue
		}
		n := Notification{ID: id, Channel: channel, Event: t.Event, State: Due, Pos: t.pos, Due: p.now().UnixMicro()}
		if !t.news || p.now().Sub(t.At) > p.fresh {
			n.State, n.Due, n.Error = Skipped, 0, "it was history when it was read"
		}
		fresh[id] = n
	}
}

func microTime(at int64) time.Time { return time.UnixMicro(at).UTC() }

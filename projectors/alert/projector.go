package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
	"freshet/projectors"
	"freshet/projectors/document"
)

// StageName is the stage whose progress says how far the documents are.
const StageName = "alert"

// The collections.
const (
	CollectionName       = "alerts"
	LevelsCollectionName = "levels"
	ownersCollectionName = "alert_owners"
)

// producer publishes durably.
type producer interface {
	Publish(ctx context.Context, messages []projectors.Message) (map[string][]int64, error)
}

// Projector raises the alerts of one partition. It belongs to one goroutine, as every projectors.Handler does.
//
// The order is: levels stored with the alerts that they raise, alerts published, their documents stored, and only then
// taken off the levels. Whoever dies on the way leaves them pending, and the batch comes again.
type Projector struct {
	levels *document.Collection[string, Stock]
	owners *document.Collection[int64, Owner]
	alerts *document.Collection[string, Alert]
	out    producer
	topic  string
}

// NewProjector returns the handler of one partition.
func NewProjector(db *mongo.Database, config document.Config, out producer, prefix string) *Projector {
	return &Projector{
		levels: document.Open[string, Stock](db, LevelsCollectionName, config),
		owners: document.Open[int64, Owner](db, ownersCollectionName, config),
		alerts: document.Open[string, Alert](db, CollectionName, config),
		out:    out, topic: change.AlertTopic(prefix),
	}
}

// EnsureIndexes creates the indexes by which a seller finds their alerts and a product those that wait for its owner.
func EnsureIndexes(ctx context.Context, db *mongo.Database) error {
	p := NewProjector(db, document.Config{}, nil, "")
	return errors.Join(p.alerts.EnsureIndex(ctx, "seller", "at", "_id"), p.levels.EnsureIndex(ctx, "waiting"))
}

// Handle implements projectors.Handler.
func (p *Projector) Handle(ctx context.Context, records []projectors.Record) error {
	stocks, owners := map[string][]Edit{}, map[int64][]Edit{}
	err := projectors.ReadAll(records, func(_ projectors.Record, ev change.Event) error {
		e, err := Read(ev)
		switch {
		case err != nil:
			return err
		case e.Owner != 0:
			owners[e.Owner] = append(owners[e.Owner], e)
		default:
			stocks[e.Stock] = append(stocks[e.Stock], e)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := p.owners.Update(ctx, slices.Collect(maps.Keys(owners)), func(id int64, doc *Owner) bool {
		return foldAll(owners[id], doc, Edit.FoldOwner)
	}); err != nil {
		return err
	}
	docs, err := p.levels.Update(ctx, slices.Collect(maps.Keys(stocks)), func(id string, doc *Stock) bool {
		return foldAll(stocks[id], doc, Edit.FoldStock)
	})
	if err != nil {
		return err
	}
	failpoint.Hit("alert-after-levels-before-publish")
	if len(owners) > 0 {
		err := p.levels.Where(ctx, "waiting", slices.Collect(maps.Keys(owners)), func(doc *Stock) error { docs[doc.ID] = doc; return nil })
		if err != nil {
			return err
		}
	}
	return p.send(ctx, docs)
}

func foldAll[T any](edits []Edit, doc *T, fold func(Edit, *T) bool) bool {
	changed := false
	for _, e := range edits {
		changed = fold(e, doc) || changed
	}
	return changed
}

// send publishes and stores the pending alerts whose owner is known. The owners are read after the levels were stored, and
// a product's row looks for waiting alerts after its owner was stored: of the two, the later sees the other.
func (p *Projector) send(ctx context.Context, docs map[string]*Stock) error {
	pending := map[string]*Alert{}
	var products []int64
	for _, doc := range docs {
		for i := range doc.Pending {
			pending[doc.Pending[i].ID] = &doc.Pending[i]
			products = append(products, doc.Pending[i].Product)
		}
	}
	if len(pending) == 0 {
		return nil
	}
	slices.Sort(products)
	owners, err := p.owners.Load(ctx, slices.Compact(products))
	if err != nil {
		return err
	}
	for id, a := range pending {
		if owners[a.Product] == nil {
			delete(pending, id)
			continue
		}
		a.Seller = owners[a.Product].Seller
	}
	if len(pending) == 0 {
		return nil // all of them wait
	}
	if err := p.publish(ctx, pending); err != nil {
		return err
	}
	ids := map[string]bool{}
	if _, err := p.alerts.Update(ctx, slices.Collect(maps.Keys(pending)), func(id string, doc *Alert) bool {
		ids[id] = true
		if doc.Rev != 0 {
			return false
		}
		*doc = *pending[id]
		return true
	}); err != nil {
		return err
	}
	failpoint.Hit("alert-after-store-before-clear")
	_, err = p.levels.Update(ctx, slices.Collect(maps.Keys(docs)), func(_ string, doc *Stock) bool { return doc.sent(ids) })
	return err
}

// publish sends the alerts in the order of their positions, keyed by seller.
func (p *Projector) publish(ctx context.Context, pending map[string]*Alert) error {
	ordered := slices.SortedFunc(maps.Values(pending), func(a, b *Alert) int { return a.Position.Compare(b.Position) })
	var messages []projectors.Message
	for _, a := range ordered {
		value, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("encode alert %s: %w", a.ID, err)
		}
		messages = append(messages, projectors.Message{Topic: p.topic, Key: strconv.AppendInt(nil, a.Seller, 10), Value: value})
	}
	if _, err := p.out.Publish(ctx, messages); err != nil {
		return fmt.Errorf("publish %d alerts: %w", len(messages), err)
	}
	return nil
}

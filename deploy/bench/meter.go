package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/ingest/change"
	"freshet/projectors/tree"
)

// meter reads how much the servers have been made to write.
type meter struct {
	target    Target
	client    *mongo.Client
	db        *mongo.Database
	transport *kafka.Transport
}

func openMeter(t Target) (*meter, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(t.MongoURL).SetAppName("freshet bench"))
	if err != nil {
		return nil, fmt.Errorf("open MongoDB: %w", err)
	}
	return &meter{target: t, client: client, db: client.Database(t.MongoDatabase), transport: t.cluster().Transport("freshet-bench", 0)}, nil
}

func (m *meter) close(ctx context.Context) error {
	m.transport.CloseIdleConnections()
	return m.client.Disconnect(ctx)
}

// The collections, and the field of each that grows with every write of a document.
var grows = map[string]string{"products": "rev", "offers": "rev", "homes": "ver", "nodes": "ver"}

// reading is what the meter shows at a time.
type reading struct {
	views    int64
	indexed  int64
	versions map[string]map[any]int64 // by collection and _id
}

func (r *reading) sum() (n int64) {
	n = r.views + r.indexed
	for _, c := range r.versions {
		for _, v := range c {
			n += v
		}
	}
	return n
}

// stable returns a reading that another one a second later confirms: what has no position, like the clock's views, may still
// be on its way when the readers have caught up.
func (m *meter) stable(ctx context.Context) (*reading, error) {
	last, err := m.read(ctx)
	for err == nil {
		if !sleepUntil(ctx, time.Now().Add(time.Second)) {
			return nil, ctx.Err()
		}
		var now *reading
		if now, err = m.read(ctx); err == nil && now.sum() == last.sum() {
			return now, nil
		}
		last = now
	}
	return nil, err
}

func (m *meter) read(ctx context.Context) (*reading, error) {
	r := &reading{versions: map[string]map[any]int64{}}
	var err error
	if r.views, err = m.views(ctx); err != nil {
		return nil, err
	}
	if r.indexed, err = m.indexed(ctx); err != nil {
		return nil, err
	}
	for name, field := range grows {
		if r.versions[name], err = m.versions(ctx, name, field); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (m *meter) versions(ctx context.Context, name, field string) (map[any]int64, error) {
	cur, err := m.db.Collection(name).Find(ctx, bson.D{}, options.Find().SetProjection(bson.D{{Key: field, Value: 1}}).SetBatchSize(5000))
	if err != nil {
		return nil, fmt.Errorf("read the versions in %s: %w", name, err)
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }() // the server forgets an idle cursor by itself
	versions := map[any]int64{}
	for cur.Next(ctx) {
		var doc struct {
			ID  any   `bson:"_id"`
			Rev int64 `bson:"rev"`
			Ver int64 `bson:"ver"`
		}
		if err := cur.Decode(&doc); err != nil {
			return nil, fmt.Errorf("read the versions in %s: %w", name, err)
		}
		versions[doc.ID] = doc.Rev + doc.Ver
	}
	return versions, cur.Err()
}

// views is how many views the topic has had.
func (m *meter) views(ctx context.Context) (n int64, err error) {
	topic := change.OfferViewTopic(m.target.Prefix)
	client := m.target.cluster().Client(m.transport, 10*time.Second)
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil || len(meta.Topics) != 1 || meta.Topics[0].Error != nil {
		return 0, errors.Join(fmt.Errorf("look at topic %s", topic), err)
	}
	var asked []kafka.OffsetRequest
	for _, p := range meta.Topics[0].Partitions {
		asked = append(asked, kafka.LastOffsetOf(p.ID))
	}
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}})
	if err != nil {
		return 0, fmt.Errorf("list the offsets of %s: %w", topic, err)
	}
	for _, p := range answer.Topics[topic] {
		if p.Error != nil {
			return 0, fmt.Errorf("list the offsets of %s: %w", topic, p.Error)
		}
		n += p.LastOffset
	}
	return n, nil
}

// indexed is how many documents the indices have taken.
func (m *meter) indexed(ctx context.Context) (int64, error) {
	var stats struct {
		All struct {
			Primaries struct {
				Indexing struct {
					Total int64 `json:"index_total"`
				} `json:"indexing"`
			} `json:"primaries"`
		} `json:"_all"`
	}
	err := m.elastic(ctx, "_stats/indexing", &stats)
	return stats.All.Primaries.Indexing.Total, err
}

// documentSize is the mean size of a search document.
func (m *meter) documentSize(ctx context.Context) (float64, error) {
	var found struct {
		Hits struct {
			Hits []struct {
				Source json.RawMessage `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := m.elastic(ctx, "_search?size=200&q=deleted:false", &found); err != nil {
		return 0, err
	}
	total := 0
	for _, h := range found.Hits.Hits {
		total += len(h.Source)
	}
	return float64(total) / float64(max(1, len(found.Hits.Hits))), nil
}

func (m *meter) elastic(ctx context.Context, path string, into any) (err error) {
	url := strings.TrimRight(m.target.ElasticURL, "/") + "/" + m.target.Prefix + "-*/" + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", url, err)
	}
	return nil
}

// written is what was written between two readings.
type written struct {
	views, indexed, indexedBytes float64
	documents, documentBytes     float64
	pages, pageBytes             float64
}

// written compares two readings. Sizes are those of the documents as they are after.
func (m *meter) written(ctx context.Context, before, after *reading) (w written, err error) {
	w.views, w.indexed = float64(after.views-before.views), float64(after.indexed-before.indexed)
	size, err := m.documentSize(ctx)
	if err != nil {
		return w, err
	}
	w.indexedBytes = w.indexed * size
	var pageBytes, pages float64 // of those that changed, each once
	for name, field := range grows {
		ids, steps := moved(before.versions[name], after.versions[name])
		size, err := m.meanSize(ctx, name, ids)
		if err != nil {
			return w, err
		}
		if field == "rev" {
			w.documents, w.documentBytes = w.documents+steps, w.documentBytes+steps*size
			continue
		}
		pageBytes, pages = pageBytes+size*float64(len(ids)), pages+float64(len(ids))
	}
	w.pages = pagesWritten(before, after)
	w.pageBytes = w.pages * pageBytes / max(1, pages)
	return w, nil
}

// moved lists the documents of another version, and how far they have moved in all.
func moved(before, after map[any]int64) (ids bson.A, steps float64) {
	for id, now := range after {
		if was := before[id]; now != was {
			ids, steps = append(ids, id), steps+float64(now-was)
		}
	}
	return ids, steps
}

// pagesWritten counts the pages written, those that were written twice too: all pages of a store have their versions from one
// sequence, so its highest tells how many were given. A store that was loaded anew in between has a new sequence; there the
// pages of another version are counted.
func pagesWritten(before, after *reading) (n float64) {
	was, now, changes := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, name := range []string{"homes", "nodes"} {
		for id, version := range after.versions[name] {
			store, _, _ := strings.Cut(fmt.Sprint(id), ":")
			old := before.versions[name][id]
			was[store], now[store] = max(was[store], old), max(now[store], version)
			if version != old {
				changes[store]++
			}
		}
	}
	for store := range now {
		if given, ok := tree.Given(was[store], now[store]); ok {
			n += float64(given)
		} else {
			n += float64(changes[store])
		}
	}
	return n
}

// meanSize is the mean size of the documents.
func (m *meter) meanSize(ctx context.Context, name string, ids bson.A) (float64, error) {
	total, n := 0, 0
	for len(ids) > 0 && n < 2000 {
		some := ids[:min(500, len(ids))]
		ids = ids[len(some):]
		cur, err := m.db.Collection(name).Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: some}}}})
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		for cur.Next(ctx) {
			total, n = total+len(cur.Current), n+1
		}
		if err := errors.Join(cur.Err(), cur.Close(ctx)); err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return float64(total) / float64(max(1, n)), nil
}

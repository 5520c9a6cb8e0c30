package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/api"
	"freshet/api/admin"
	"freshet/api/apitest"
	"freshet/deploy/stack/stacktest"
	"freshet/ingest/broker"
	"freshet/ingest/change"
	"freshet/ingest/topic"
	"freshet/projectors"
	"freshet/projectors/alert"
	"freshet/projectors/control"
	"freshet/projectors/demand"
	"freshet/projectors/dimension"
	"freshet/projectors/document"
	"freshet/projectors/progress"
	"freshet/projectors/rebuild"
	"freshet/projectors/replay"
	"freshet/projectors/tree"
)

const token = "a-token-for-the-tests"

// marks is a progress that says what the test says.
type marks map[string]progress.Watermark

func (m marks) Watermark(stage string) (progress.Watermark, bool) {
	mark, ok := m[stage]
	return mark, ok
}

// rebuilds are the newest of each store.
type rebuilds map[int64]tree.Rebuilt

func (r rebuilds) Rebuilt(_ context.Context, store int64) (tree.Rebuilt, error) { return r[store], nil }

// desk is an admin server on topics and a database of its own, with one store, 7 ("milano").
type desk struct {
	t       *testing.T
	brokers []string
	prefix  string
	client  *kafka.Client
	server  *api.Server
	alarms  *alert.Alarms
	pages   rebuilds
	db      *mongo.Database
}

func newDesk(t *testing.T, line admin.Ingest) *desk {
	t.Helper()
	brokers, prefix := stacktest.Kafka(t)
	transport := &kafka.Transport{DialTimeout: 5 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	d := &desk{t: t, brokers: brokers, prefix: prefix, client: &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}, pages: rebuilds{}}
	if err := topic.Ensure(t.Context(), broker.Cluster{Addresses: brokers}, topic.Flow(prefix, 4, time.Hour)); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	producer, err := projectors.NewProducer(projectors.ProducerConfig{Brokers: brokers}, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	db := database(t)
	d.db = db
	d.alarms = alert.NewAlarms(db, producer, prefix)
	a := admin.New(admin.Config{
		Alarms: d.alarms, Pages: d.pages, Demand: demand.NewStore(db, document.Config{}),
		Prefix: prefix, Publisher: producer, Ingest: line, Dimensions: dimensions(t, db), Letters: replay.New(d.client, prefix),
		Controls: control.Open(db), Rebuilds: rebuild.Open(db),
		Explainer: shelf{},
		Progress:  marks{"ingest": {LSN: 1000, Time: time.Now()}, "tree": {LSN: 900, Time: time.Now().Add(-time.Second)}},
	})
	d.server, err = api.New(api.Config{Name: "admin", Token: token, Timeout: 20 * time.Second, Log: log}, a.Ready)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Register(d.server); err != nil {
		t.Fatal(err)
	}
	return d
}

func database(t *testing.T) *mongo.Database {
	t.Helper()
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client.Database(name)
}

// dimensions are loaded from a database that holds one store.
func dimensions(t *testing.T, db *mongo.Database) *dimension.Cache {
	t.Helper()
	row, err := json.Marshal(dimension.Store{ID: 7, Code: "milano", Languages: []string{"it"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Collection(dimension.CollectionName).InsertMany(t.Context(), []any{
		bson.D{{Key: "_id", Value: "stores:7"}, {Key: "row", Value: json.RawMessage(row)}},
		bson.D{{Key: "_id", Value: "_version"}, {Key: "n", Value: int64(12)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cache := dimension.NewCache(db, dimension.CacheConfig{})
	if err := cache.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return cache
}

func (d *desk) request(method, path, body string, header ...string) (int, []byte) {
	d.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := d.server.App().Test(req, -1)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	got, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		d.t.Fatal(err)
	}
	if err := apitest.Check("admin", req, resp, []byte(body), got); err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, got
}

func (d *desk) want(status int, dst any, method, path string) {
	d.t.Helper()
	got, body := d.request(method, path, "")
	if got != status {
		d.t.Fatalf("%s %s: %d, want %d: %s", method, path, got, status, body)
	}
	if dst != nil {
		if err := json.Unmarshal(body, dst); err != nil {
			d.t.Fatal(err)
		}
	}
}

// records reads what stands in a partition.
func (d *desk) records(name string, partition int) (values [][]byte) {
	d.t.Helper()
	answer, err := d.client.Fetch(d.t.Context(), &kafka.FetchRequest{
		Topic: name, Partition: partition, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second,
	})
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		d.t.Fatal(err)
	}
	for {
		record, err := answer.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			d.t.Fatal(err)
		}
		value, err := kafka.ReadAll(record.Value)
		if err != nil {
			d.t.Fatal(err)
		}
		values = append(values, value)
	}
}

func TestRebuildReachesTheStoresWorker(t *testing.T) {
	d := newDesk(t, nil)
	for _, name := range []string{"milano", "7"} {
		var answer admin.Rebuild
		d.want(http.StatusAccepted, &answer, "POST", "/admin/v1/stores/"+name+"/rebuild")
		values := d.records(change.CommandTopic(d.prefix), change.Partition([]byte("7"), 4))
		command, err := projectors.DecodeCommand(values[len(values)-1])
		if err != nil {
			t.Fatal(err)
		}
		if command.Kind != projectors.Rebuild || command.Store != 7 || command.ID != answer.ID || command.Dimensions != 12 {
			t.Errorf("command %+v for answer %+v", command, answer)
		}
	}
	d.want(http.StatusNotFound, nil, "POST", "/admin/v1/stores/roma/rebuild")
}

func TestStatus(t *testing.T) {
	d := newDesk(t, nil)
	var status admin.Status
	d.want(http.StatusOK, &status, "GET", "/admin/v1/status")
	byName := map[string]admin.Stage{}
	for _, s := range status.Stages {
		byName[s.Stage] = s
	}
	tree := byName["tree"]
	if !tree.Known || *tree.Behind != 100 || *tree.Age < 1 || *tree.Position != 900 || byName["index"].Known || len(byName) != 9 || status.Dimensions != 12 {
		t.Errorf("status %+v", status)
	}
}

func TestDeadLetters(t *testing.T) {
	d := newDesk(t, nil)
	var none admin.DeadLetters
	d.want(http.StatusOK, &none, "GET", "/admin/v1/deadletters")
	if none.Parked != 0 || len(none.Letters) != 0 {
		t.Errorf("an empty topic: %+v", none)
	}
	header := func(key, value string) kafka.Header { return kafka.Header{Key: key, Value: []byte(value)} }
	records := []kafka.Record{{Key: kafka.NewBytes([]byte("old")), Value: kafka.NewBytes(nil)}}
	for range 4 {
		records = append(records, kafka.Record{Key: kafka.NewBytes([]byte("mid")), Value: kafka.NewBytes([]byte("x"))})
	}
	records = append(records, kafka.Record{
		Key: kafka.NewBytes([]byte("{\"id\":1}\xff")), Value: kafka.NewBytes([]byte("{broken")),
		Headers: []kafka.Header{
			header(projectors.HeaderDeadStage, "offer"), header(projectors.HeaderDeadReason, "not JSON"), header(projectors.HeaderDeadTopic, "x.public.prices"),
			header(projectors.HeaderDeadPartition, "2"), header(projectors.HeaderDeadOffset, "118"), header(projectors.HeaderDeadTime, "2026-11-21T12:00:00Z"),
			header(change.HeaderCommitLSN, "0/1A"), header(change.HeaderTxIndex, "3"),
		},
	})
	answer, err := d.client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: change.DeadLetterTopic(d.prefix), RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err := errors.Join(err, answer.Error); err != nil {
		t.Fatal(err)
	}
	var two admin.DeadLetters
	d.want(http.StatusOK, &two, "GET", "/admin/v1/deadletters?limit=2")
	want := admin.Letter{
		Offset: 5, Stage: "offer", Reason: "not JSON", Topic: "x.public.prices", Partition: 2, RecordOffset: 118,
		Position: "0/1A:3", Time: "2026-11-21T12:00:00Z", Key: "{\"id\":1}�", ValueBytes: 7,
	}
	if two.Parked != 6 || len(two.Letters) != 2 || two.Letters[0] != want || two.Letters[1].Offset != 4 {
		t.Errorf("letters %+v, want first %+v", two, want)
	}
}

func TestRoutesTokenAndBadInput(t *testing.T) {
	d := newDesk(t, nil)
	difference, err := apitest.Difference("admin", d.server.Routes())
	if err != nil {
		t.Fatal(err)
	}
	if difference != "" {
		t.Error(difference)
	}
	for _, r := range d.server.Routes() {
		if strings.HasPrefix(r.Href, "/admin/") {
			if status, body := d.request(r.Method, r.Href, "", "Authorization", "Bearer another-token-of-length"); status != 401 {
				t.Errorf("%s %s without the token: %d %s", r.Method, r.Href, status, body)
			}
		}
	}
	rng := rand.New(rand.NewPCG(7, 7))
	noise := make([]byte, 1000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for _, path := range []string{
		"/admin/v1/deadletters?limit=0", "/admin/v1/deadletters?limit=501", "/admin/v1/deadletters?limit=x", "/admin/v1/deadletters?limit=1&limit=2",
		"/admin/v1/deadletters?%zz", "/admin/v1/deadletters?" + url.QueryEscape(string(noise[:200])),
		"/admin/v1/stores/" + url.PathEscape(string(noise[:200])), "/admin/v1/stores/%00/rebuild", "/admin/v1/stores/-1/rebuild", "/admin/v1/x",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "NOISE"} {
			if status, body := d.request(method, path, string(noise)); status < 400 || status >= 500 || !bytes.Contains(body, []byte(`"detail"`)) {
				t.Errorf("%s %s: %d %s", method, path, status, body)
			}
		}
	}
	if values := d.records(change.CommandTopic(d.prefix), change.Partition([]byte("7"), 4)); len(values) != 0 {
		t.Errorf("bad input published %d commands", len(values))
	}
}

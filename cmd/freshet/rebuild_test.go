package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/ingest/broker"
	"freshet/ingest/topic"
	"freshet/projectors/dimension"
	"freshet/projectors/rebuild"
	"freshet/projectors/tree"
)

// The command, the runtime, the tree and the dimensions together: a shop of one store with one category and no offers.
func TestRebuild(t *testing.T) {
	brokers, prefix := stacktest.Kafka(t)
	uri, name := stacktest.Mongo(t)
	base, query, _ := strings.Cut(uri, "?")
	env := []string{
		"FRESHET_KAFKA=" + strings.Join(brokers, ","), "FRESHET_PREFIX=" + prefix,
		"FRESHET_MONGO_URL=" + strings.TrimSuffix(base, "/") + "/" + name + "?" + query,
	}
	if err := topic.Ensure(t.Context(), broker.Cluster{Addresses: brokers}, topic.Flow(prefix, 2, time.Hour)); err != nil {
		t.Fatal(err)
	}
	db := database(t, uri, name)
	storeDimensions(t, db)
	stop := projectTree(t, env)

	var out, diagnostics bytes.Buffer
	if err := run(t.Context(), []string{"rebuild", "centro", "--wait=60s"}, env, &out, &diagnostics); err != nil {
		t.Fatalf("%v\n%s", err, diagnostics.String())
	}
	if !strings.Contains(out.String(), "4 pages of 0 offers written in") {
		t.Errorf("output %q", out.String())
	}
	node, err := tree.NewStore(db, false).Node(t.Context(), 7, 1, "de", 1)
	if err != nil || node.Name != "Lebensmittel" {
		t.Errorf("node %+v, %v", node, err)
	}
	if err := run(t.Context(), []string{"rebuild", "nowhere"}, env, &out, &diagnostics); err == nil || !strings.Contains(err.Error(), `no store "nowhere"`) {
		t.Errorf("an unknown store: %v", err)
	}
	out.Reset()
	if err := run(t.Context(), []string{"rebuild", "--status"}, env, &out, &diagnostics); err != nil || out.String() != "all stores were never rebuilt\n" {
		t.Errorf("the status: %v, %q", err, out.String())
	}
	if err := run(t.Context(), []string{"rebuild", "--stop"}, env, &out, &diagnostics); !errors.Is(err, rebuild.ErrNone) {
		t.Errorf("a stop of nothing: %v", err)
	}
	if err := run(t.Context(), []string{"rebuild", "--all", "--budget", "2"}, env, &out, &diagnostics); err == nil || !strings.Contains(err.Error(), "budget") {
		t.Errorf("a budget of 2: %v", err)
	}
	for _, args := range [][]string{{"rebuild"}, {"rebuild", "centro", "--all"}} {
		if err := run(t.Context(), args, env, &out, &diagnostics); err == nil || !strings.Contains(err.Error(), "which store") {
			t.Errorf("%v: %v", args, err)
		}
	}
	out.Reset()
	if err := run(t.Context(), []string{"reproject", "--store", "centro", "--category", "1"}, env, &out, &diagnostics); err != nil || !strings.HasPrefix(out.String(), "node of store 7 is on its way") {
		t.Errorf("a category: %v, %q", err, out.String())
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func database(t *testing.T, uri, name string) *mongo.Database {
	t.Helper()
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

// storeDimensions stores what the dimension projector would.
func storeDimensions(t *testing.T, db *mongo.Database) {
	t.Helper()
	docs := []any{bson.D{{Key: "_id", Value: "_version"}, {Key: "n", Value: int64(1)}}}
	for id, row := range map[string]any{
		"stores:7":              dimension.Store{ID: 7, Code: "centro", Languages: []string{"it", "de"}, TreeID: 1, Active: true},
		"categories:1":          dimension.Category{ID: 1, TreeID: 1, Slug: "alimentari", Active: true},
		"category_texts:1:de":   dimension.CategoryText{CategoryID: 1, Lang: "de", Name: "Lebensmittel"},
		"category_texts:1:nope": dimension.CategoryText{CategoryID: 1, Lang: "en", Name: "Food"},
	} {
		raw, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, dimension.Row{ID: id, Rev: 1, Row: raw})
	}
	if _, err := db.Collection(dimension.CollectionName).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

// projectTree runs the tree's projector until the returned function is called, which returns what it ended with.
func projectTree(t *testing.T, env []string) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		var out bytes.Buffer
		ended <- run(ctx, []string{"project", "tree"}, env, &out, &out)
	}()
	return func() error {
		cancel()
		return <-ended
	}
}

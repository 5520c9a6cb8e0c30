package read_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/api"
	"freshet/api/read"
	"freshet/deploy/stack/stacktest"
	"freshet/projectors/dimension"
	"freshet/projectors/tree"
	"freshet/projectors/view"
	"freshet/search"
)

// filled puts the world into a MongoDB and an Elasticsearch and returns a server on those.
func filled(t *testing.T, w *world) *api.Server {
	t.Helper()
	uri, database := stacktest.Mongo(t)
	elastic, prefix := stacktest.Elastic(t)
	db := open(t, uri, 30*time.Second).Database(database)
	insert(t, db, dimension.CollectionName, rows(t, w)...)
	for id, h := range w.homes {
		h.ID = id
		insert(t, db, "homes", h)
	}
	for id, n := range w.nodes {
		n.ID = id
		insert(t, db, "nodes", n)
	}
	insert(t, db, "nodes", tree.Node{ID: "1:1:it", Deleted: true})
	insert(t, db, "products", w.products[7])
	insert(t, db, "offers", w.offers["1:7"])
	client, err := search.Open([]string{elastic})
	if err != nil {
		t.Fatal(err)
	}
	index(t, client, prefix, w)
	return serve(t, read.Config{
		Pages: tree.NewStore(db, false), Products: read.NewDocuments(db), Dimensions: dimension.NewCache(db, dimension.CacheConfig{}),
		Searcher: search.NewSearcher(client, search.SearcherConfig{Prefix: prefix, Timeout: 10 * time.Second}), Progress: w,
	})
}

func open(t *testing.T, uri string, patience time.Duration) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) }) // an absent server can't be taken leave of
	return client
}

func insert(t testing.TB, db *mongo.Database, collection string, docs ...any) {
	t.Helper()
	if _, err := db.Collection(collection).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

// rows are the world's dimensions as their projector stores them.
func rows(t testing.TB, w *world) []any {
	t.Helper()
	docs := []any{bson.D{{Key: "_id", Value: "_version"}, {Key: "n", Value: int64(3)}}}
	add := func(id string, row any) { docs = append(docs, dimensionRow(t, id, row)) }
	for _, st := range w.dims.Stores() {
		add(fmt.Sprint("stores:", st.ID), st)
	}
	for _, id := range []int64{1, 2, 3, 9} {
		c, _ := w.dims.Category(id)
		add("categories:"+c.Slug, c)
	}
	add("category_texts:2:it", dimension.CategoryText{CategoryID: 2, Lang: "it", Name: "Stivali"})
	for _, a := range w.dims.Attributes() {
		add("attribute_defs:"+a.Code, a)
	}
	return docs
}

func dimensionRow(t testing.TB, id string, row any) bson.D {
	t.Helper()
	raw, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	return bson.D{{Key: "_id", Value: id}, {Key: "row", Value: json.RawMessage(raw)}}
}

func index(t *testing.T, client *search.Client, prefix string, w *world) {
	t.Helper()
	indices := search.Indices{Client: client, Prefix: prefix}
	if err := indices.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := view.Join(w.products[7], w.offers["1:7"])
	doc := search.FromView(&v, w.dims)
	op, err := doc.Op(search.Alias(prefix))
	if err != nil {
		t.Fatal(err)
	}
	writer := search.NewWriter(client, search.WriterConfig{})
	results, err := writer.Write(t.Context(), []search.Op{op})
	if err != nil || results[0].Outcome != search.Written {
		t.Fatalf("index the offer: %v %+v", err, results)
	}
	if err := writer.Refresh(t.Context(), search.Alias(prefix)); err != nil {
		t.Fatal(err)
	}
}

func TestRealStores(t *testing.T) {
	w := newWorld()
	server := filled(t, w)
	get := func(path string, status int) reply { return request(t, server, "GET", path, "").want(t, status) }
	for _, path := range []string{"/readyz", "/api/v1/stores", "/api/v1/stores/milano/home", "/api/v1/stores/1/categories/stivali"} {
		get(path, 200)
	}
	get("/api/v1/stores/milano/categories/scarpe", 404) // a tombstone
	get("/api/v1/stores/milano/home?lang=de", 404)      // a page that isn't made yet
	var page read.ProductPage
	get("/api/v1/stores/milano/products/7", 200).decode(t, &page)
	if page.Title != "Stivale" || page.Price != 11900 || len(page.Variants) != 3 || len(page.Breadcrumbs) != 1 ||
		page.Reviews != (read.Reviews{Count: 4, Average: 4.3}) || page.Variants[0].Discount != 18 || page.Discount != 0 {
		t.Errorf("product page %+v", page)
	}
	get("/api/v1/stores/milano/products/8", 404)
	for path, want := range map[string]int64{
		"/api/v1/stores/milano/search?q=stivali":                                     1,
		"/api/v1/stores/milano/search?q=ombrello":                                    0,
		"/api/v1/stores/milano/search?category=scarpe&attr.colour=rosso":             1,
		"/api/v1/stores/milano/search?attr.colour=verde":                             0,
		"/api/v1/stores/milano/search?attr.weight.min=1&attr.weight.max=1.5&limit=1": 1,
		"/api/v1/stores/milano/search?price_max=50&in_stock=true":                    0,
		"/api/v1/products?store=1":                                                   1,
		"/api/v1/products?store=1&category=2&offset=1":                               1,
		"/api/v1/products?store=1&lang=en":                                           1,
	} {
		var result read.SearchPage
		get(path, 200).decode(t, &result)
		if result.Total != want {
			t.Errorf("%s: %d hits, want %d", path, result.Total, want)
		}
	}
}

// TestAnOutageOfOneStoreLeavesTheOther takes away each store by turns: a client of an address where nobody listens.
func TestAnOutageOfOneStoreLeavesTheOther(t *testing.T) {
	const nobody = "127.0.0.1:1"
	w := newWorld()
	elastic, err := search.Open([]string{"http://" + nobody})
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, read.Config{
		Pages: w, Products: w, Dimensions: w, Progress: w, Searcher: search.NewSearcher(elastic, search.SearcherConfig{Prefix: "x"}),
	})
	r := request(t, server, "GET", "/api/v1/stores/milano/search?q=x", "").want(t, 503)
	if r.header.Get("Retry-After") == "" || strings.Contains(string(r.body), nobody) {
		t.Errorf("Retry-After %q: %s", r.header.Get("Retry-After"), r.body)
	}
	request(t, server, "GET", "/api/v1/stores/milano/products/7", "").want(t, 200)

	db := open(t, "mongodb://"+nobody+"/?directConnection=true", 500*time.Millisecond).Database("x")
	server = serve(t, read.Config{Pages: tree.NewStore(db, false), Products: read.NewDocuments(db), Dimensions: w, Progress: w, Searcher: w})
	for _, path := range []string{"home", "categories/stivali", "products/7"} {
		if r := request(t, server, "GET", "/api/v1/stores/milano/"+path, "").want(t, 503); r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	request(t, server, "GET", "/api/v1/stores/milano/search?q=x", "").want(t, 200)
}

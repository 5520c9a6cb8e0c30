package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/postgres"
	"freshet/deploy/seed"
	"freshet/deploy/stack/stacktest"
)

// shop seeds a shop and serves the newest prices of store 1's first two products straight from Postgres.
func shop(t *testing.T) (Target, *pgxpool.Pool) {
	t.Helper()
	url := stacktest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	pool, err := openPool(t.Context(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := seed.Run(t.Context(), conn.Conn(), seed.Config{Stores: 2, Products: 40}, nil); err != nil {
		t.Fatal(err)
	}
	var first, second string
	if err := conn.QueryRow(t.Context(), `select min(product_id)::text, max(product_id)::text from offers where store_id = 1`).Scan(&first, &second); err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer(`"product":1,`, `"product":`+first+`,`, `"product":2,`, `"product":`+second+`,`,
		`"objectID":"1"`, `"objectID":"`+first+`"`, `"objectID":"2"`, `"objectID":"`+second+`"`)
	of := map[string]string{"1": first, "2": second}
	inner := shopServer(t, func(product string) (amount int64) {
		if of[product] != "" {
			product = of[product]
		}
		if err := pool.QueryRow(context.Background(), "select min(amount) from prices where store_id = 1 and product_id = $1::bigint", product).Scan(&amount); err != nil {
			t.Errorf("read a price: %v", err)
		}
		return amount
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		inner.Config.Handler.ServeHTTP(recorded, r)
		w.Header().Set("Freshet-As-Of", recorded.Header().Get("Freshet-As-Of"))
		w.WriteHeader(recorded.Code)
		if _, err := names.WriteString(w, recorded.Body.String()); err != nil {
			t.Logf("write an answer: %v", err) // the benchmark has ended and nobody waits for it
		}
	}))
	t.Cleanup(server.Close)
	to := target(t, server.URL)
	to.PostgresURL = url
	return to, pool
}

// contents is everything that a benchmark may touch, less what only ever grows.
func contents(t *testing.T, pool *pgxpool.Pool) (all string) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `select md5(string_agg(r, '|' order by r)) from (
		select row(store_id, sku, amount, list_amount, valid_from, valid_to)::text r from prices
		union all select row(store_id, sku, on_hand, reserved)::text from inventory
		union all select row(store_id, sku, sum(quantity))::text from stock_movements where kind <> 'hold' and kind <> 'release' group by store_id, sku having sum(quantity) <> 0) x`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFreshnessMeasuresAndPutsEverythingBack(t *testing.T) {
	to, pool := shop(t)
	before := contents(t, pool)
	report, err := Freshness(t.Context(), to, FreshnessConfig{
		Rates: []float64{50}, Duration: time.Second, Probes: 10, StockShare: 0.5, Connections: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != len(models)+1 || len(report.Problems) != 0 {
		t.Fatalf("rows %+v, problems %q", report.Rows, report.Problems)
	}
	for i, row := range report.Rows {
		want := 10.0
		if i == len(models) {
			want = 50
		}
		if row.Figures["n"] != want || row.Figures["errors"] != 0 {
			t.Errorf("%s: %+v, want %g measurements", row.What, row.Figures, want)
		}
	}
	if after := contents(t, pool); after != before {
		t.Error("the shop is not what it was")
	}
}

func TestOnceShowsWhereAndPutsThePriceBack(t *testing.T) {
	to, pool := shop(t)
	before := contents(t, pool)
	change, err := Once(t.Context(), to, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(change.Shown) != len(models) || change.StoreCode != "milano" || change.Set == change.Was {
		t.Errorf("%+v", change)
	}
	for _, shown := range change.Shown {
		if shown.Took <= 0 {
			t.Errorf("%+v was there before the change", shown)
		}
	}
	if after := contents(t, pool); after != before {
		t.Error("the shop is not what it was")
	}
}

func TestAChangeThatNeverShowsIsReported(t *testing.T) {
	to, pool := shop(t)
	stale := shopServer(t, func(string) int64 { return 1 })
	w := newWatcher(nil)
	var err error
	if w.c, err = newClient(stale.URL, "", 8); err != nil {
		t.Fatal(err)
	}
	defer w.c.close()
	live, err := newClient(to.Read, "", 8)
	if err != nil {
		t.Fatal(err)
	}
	defer live.close()
	chosen, err := readCandidates(t.Context(), live, pool, 1)
	if err != nil {
		t.Fatal(err)
	}
	chosen[0].product, chosen[0].category = 1, 3
	shown := newSamples()
	if err := w.awaitAll(t.Context(), chosen[0].views(77), time.Now(), 100*time.Millisecond, shown.add); err != nil {
		t.Fatal(err)
	}
	if len(shown.bad) != len(models) || !errors.Is(shown.why, errLate) {
		t.Errorf("late: %v, the first: %v", shown.bad, shown.why)
	}
}

func TestIngestLeavesNothingBehind(t *testing.T) {
	url := stacktest.Postgres(t)
	brokers, _ := stacktest.Kafka(t)
	report, err := Ingest(t.Context(), Target{PostgresURL: url, Brokers: brokers, Version: "test", Note: t.Logf}, IngestConfig{Rows: 1000, Partitions: []int{2}})
	if err != nil {
		t.Fatal(err)
	}
	if want := len(ingestCases(1000)) + 1; len(report.Rows) != want {
		t.Errorf("%d rows, want %d: %+v", len(report.Rows), want, report.Rows)
	}
	for _, row := range report.Rows {
		if row.Figures["ingest/s"] <= 0 || row.Figures["CPU µs/change"] <= 0 || (row.Figures["raw_reader/s"] <= 0 && row.Figures["COPY/s"] <= 0) {
			t.Errorf("%+v", row)
		}
	}
	gone(t, url, "freshet_bench_%")
}

// gone checks that a benchmark took its databases and slots away.
func gone(t *testing.T, url, like string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var left int
	err = conn.QueryRow(t.Context(), `select (select count(*) from pg_database where datname like $1) +
		(select count(*) from pg_replication_slots where slot_name like $1)`, like).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d databases and slots are left, %v", left, err)
	}
}

func TestLatencySeesEveryRowTwice(t *testing.T) {
	url := stacktest.Postgres(t)
	brokers, _ := stacktest.Kafka(t)
	report, err := Latency(t.Context(), Target{PostgresURL: url, Brokers: brokers, Version: "test", Note: t.Logf},
		LatencyConfig{Rates: []float64{100}, Duration: time.Second, WarmUp: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) != 2 {
		t.Fatalf("%+v", report.Rows)
	}
	for _, row := range report.Rows {
		if row.Figures["n"] < 100 || row.Figures["p50 ms"] <= 0 || row.Figures["errors"] != 0 {
			t.Errorf("%+v", row)
		}
	}
}

// TestRebuildWaitsForItsOwnCommand: the store's last rebuild, finished long ago, is not taken for the one that was ordered.
func TestRebuildWaitsForItsOwnCommand(t *testing.T) {
	uri, database := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Errorf("disconnect: %v", err)
		}
	})
	finish := func(id string, offers int) {
		set := bson.M{"rebuilt": bson.M{"id": id, "finished": time.Now(), "offers": offers, "documents": 10}}
		if _, err := client.Database(database).Collection("fences").UpdateByID(context.Background(), int64(1), bson.M{"$set": set}, options.UpdateOne().SetUpsert(true)); err != nil {
			t.Errorf("store a rebuild: %v", err)
		}
	}
	finish("old", 1)
	db := client.Database(database)
	if _, err := db.Collection("offers").InsertMany(t.Context(), []any{
		bson.M{"_id": "1:5", "product": int64(5)}, bson.M{"_id": "1:6", "product": int64(6)}, bson.M{"_id": "10:5", "product": int64(5)}, // of another store
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("products").InsertMany(t.Context(), []any{bson.M{"_id": int64(5)}, bson.M{"_id": int64(6)}}); err != nil {
		t.Fatal(err)
	}
	read := shopServer(t, func(string) int64 { return 199 })
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/admin/v1/stores/1/rebuild" || r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		if _, err := fmt.Fprint(w, `{"id":"new","store":1}`); err != nil {
			t.Errorf("write an answer: %v", err)
		}
		finish("new", 2)
	}))
	t.Cleanup(admin.Close)
	to := target(t, read.URL)
	to.Admin, to.Token, to.MongoURL, to.MongoDatabase = admin.URL, "secret", uri, database
	report, err := Rebuild(t.Context(), to, RebuildConfig{Times: 1, Rate: 50, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if row := report.Rows[0]; row.Figures["offers"] != 2 || row.Figures["seconds"] <= 0 {
		t.Errorf("read alone: %+v", row)
	}
	if row := report.Rows[1]; row.Figures["offers"] != 2 || row.Figures["documents"] != 10 || row.Figures["errors"] != 0 {
		t.Errorf("%+v", row)
	}
	to.Token = "wrong"
	if _, err := Rebuild(t.Context(), to, RebuildConfig{Times: 1}); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("refused: %v", err)
	}
}

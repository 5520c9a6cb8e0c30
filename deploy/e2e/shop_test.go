package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors/audit"
	"freshet/projectors/progress"
)

// shop is a whole Freshet of its own on the shared servers: a database, topics, documents and indices that nothing else
// touches, and the processes that keep them.
type shop struct {
	t                         testing.TB
	postgres, elastic         string
	brokers                   []string
	prefix, mongo             string
	env                       []string
	db                        *mongo.Database
	tracker                   *progress.Tracker
	ingest, fold, tree, index *process
}

// readModels are the stages whose documents the oracle looks at.
var readModels = []string{"dimension", "catalog", "offer", "tree", "index", "order", "alert", "recommend"}

// newShop migrates and seeds a database; nothing runs yet.
func newShop(t testing.TB, stores, products int, seed uint64) *shop {
	t.Helper()
	return newShopOn(t, stacktest.Postgres(t), stores, products, seed)
}

// newShopOn is newShop on an empty database that the caller has made.
func newShopOn(t testing.TB, database string, stores, products int, seed uint64) *shop {
	t.Helper()
	s := &shop{t: t, postgres: database}
	s.brokers, s.prefix = stacktest.Kafka(t)
	uri, documents := stacktest.Mongo(t)
	s.elastic, _ = stacktest.Elastic(t)
	t.Cleanup(func() { dropIndices(t, s.elastic, s.prefix) })
	s.mongo = withDatabase(t, uri, documents)
	s.env = []string{
		"FRESHET_POSTGRES_URL=" + s.postgres, "FRESHET_KAFKA=" + strings.Join(s.brokers, ","),
		"FRESHET_MONGO_URL=" + s.mongo, "FRESHET_ELASTIC_URL=" + s.elastic, "FRESHET_PREFIX=" + s.prefix,
	}
	client, err := mongo.Connect(options.Client().ApplyURI(s.mongo))
	if err != nil {
		t.Fatalf("connect to MongoDB: %v", err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	s.db = client.Database(documents)
	s.run("migrate")
	s.run("seed", "--stores", fmt.Sprint(stores), "--products", fmt.Sprint(products), "--seed", fmt.Sprint(seed))
	s.ingest = s.process("ingest", "ingest")
	s.fold = s.process("fold", "project", "dimension", "catalog", "offer", "order", "alert", "recommend")
	s.tree = s.process("tree", "project", "tree")
	s.index = s.process("index", "project", "index")
	return s
}

// pipeline is what can be killed.
func (s *shop) pipeline() []*process { return []*process{s.ingest, s.fold, s.tree, s.index} }

func (s *shop) process(name string, args ...string) *process {
	dir := os.Getenv("FRESHET_TEST_LOGS")
	if dir == "" {
		dir = s.t.TempDir()
	}
	p := &process{t: s.t, name: name, args: args, env: s.env, log: filepath.Join(dir, s.prefix+"-"+name+".log")}
	s.t.Cleanup(func() {
		p.supervised.Wait() // its context has ended: the test's is over
		p.kill()
		if cmd, _ := p.current(); s.t.Failed() && cmd != nil {
			s.t.Logf("the end of %s's log:\n%s", name, p.tail(15))
		}
	})
	return p
}

// run runs a subcommand to its end.
func (s *shop) run(args ...string) string {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), path, args...)
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("freshet %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// follow begins to track the progress of all stages.
func (s *shop) follow(ctx context.Context) {
	s.t.Helper()
	tracker, err := progress.New(progress.Config{Brokers: s.brokers, Prefix: s.prefix}, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatalf("make a tracker: %v", err)
	}
	s.tracker = tracker
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		if err := tracker.Run(ctx); err != nil && ctx.Err() == nil {
			s.t.Errorf("the tracker stopped: %v", err)
		}
	}()
	s.t.Cleanup(func() { cancel(); <-done })
}

// catchUp waits until every read model has passed all that is committed now.
func (s *shop) catchUp(ctx context.Context) error {
	s.t.Helper()
	at := s.position(ctx)
	if err := s.tracker.Wait(ctx, at, readModels...); err != nil {
		var b strings.Builder
		for _, stage := range append([]string{"ingest"}, readModels...) {
			w, ok := s.tracker.Watermark(stage)
			fmt.Fprintf(&b, " %s %v %v", stage, w, ok)
		}
		return fmt.Errorf("wait for %s: %w;%s", at, err, b.String())
	}
	return nil
}

// compare asks the oracle.
func (s *shop) compare(ctx context.Context) audit.Report {
	s.t.Helper()
	return s.compareScope(ctx, audit.Everything())
}

func (s *shop) compareScope(ctx context.Context, scope audit.Scope) audit.Report {
	s.t.Helper()
	conn := s.connect()
	tables, err := audit.Open(ctx, conn, scope)
	if err != nil {
		s.t.Fatalf("compute what should exist: %v", err)
	}
	defer func() { _ = errors.Join(tables.Close(ctx), conn.Close(ctx)) }()
	report, err := tables.Look(ctx, &audit.Stores{Database: s.db, Index: audit.NewIndex(s.elastic, s.prefix)})
	if err != nil {
		s.t.Fatalf("compare: %v", err)
	}
	return report
}

func (s *shop) connect() *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.postgres)
	if err != nil {
		s.t.Fatalf("connect to Postgres: %v", err)
	}
	s.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// withDatabase puts the database's name into the URI, where the binary looks for it.
func withDatabase(t testing.TB, uri, database string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatalf("parse the MongoDB URI: %v", err)
	}
	u.Path = "/" + database
	return u.String()
}

func dropIndices(t testing.TB, server, prefix string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server+"/_cat/indices/"+prefix+"-*?h=index", nil)
	if err != nil {
		t.Error(err)
		return
	}
	for _, name := range strings.Fields(body(t, req)) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, server+"/"+name, nil)
		if err != nil {
			t.Error(err)
			return
		}
		body(t, req)
	}
}

// body sends a request and returns the answer's body; any answer but a 2xx or a 404 fails the test.
func body(t testing.TB, req *http.Request) string {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Errorf("%s %s: %v", req.Method, req.URL, err)
		return ""
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	raw, err := io.ReadAll(res.Body)
	if err != nil || (res.StatusCode/100 != 2 && res.StatusCode != http.StatusNotFound) {
		t.Errorf("%s %s: %s %v\n%s", req.Method, req.URL, res.Status, err, raw)
	}
	return string(raw)
}

// deadline bounds a wait; a pipeline that does not catch up in it has stopped.
func deadline(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

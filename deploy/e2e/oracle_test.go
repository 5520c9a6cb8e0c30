package e2e

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"freshet/projectors/audit"
	"freshet/projectors/offer"
)

// One seed decides everything: `go test ./deploy/e2e -seed N` replays what a failure printed.
var (
	seedFlag  = flag.Uint64("seed", uint64(time.Now().UnixNano()%1_000_000), "seed of the random workloads")
	stepsFlag = flag.Int("steps", 2500, "steps of each random workload")
	killsFlag = flag.Int("kills", 12, "processes killed in the crash test")
)

// TestEveryDocumentEqualsItsTables runs a random workload and then has every document recomputed from SQL.
func TestEveryDocumentEqualsItsTables(t *testing.T) {
	ctx := deadline(t, 5*time.Minute)
	s := newShop(t, 4, 120, 1)
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	s.mustAgree(ctx, "after the snapshot")
	n := newNemesis(t, s.postgres, *seedFlag, 3)
	for round := range 3 {
		n.run(ctx, *stepsFlag/3)
		s.mustAgree(ctx, fmt.Sprintf("after round %d", round+1))
	}
	t.Logf("seed %d: %s", *seedFlag, n.summary())
	for _, op := range operations {
		if n.counts[op.name] == n.failed[op.name] {
			t.Logf("operation %q never took effect with this seed", op.name)
		}
	}
	s.mustAgreeInSlices(ctx)
}

// mustAgreeInSlices has every store looked at as a patrol looks: all that the oracle computes for the whole is in a slice,
// once, and so is a document that is gone and one that there should not be.
func (s *shop) mustAgreeInSlices(ctx context.Context) {
	s.t.Helper()
	whole, sliced := map[audit.Kind]int{}, map[audit.Kind]int{}
	for _, k := range s.compare(ctx) {
		whole[k.Kind] = k.Expected
	}
	for _, k := range s.compareInSlices(ctx) {
		sliced[k.Kind] += k.Expected
		if k.Wrong() > 0 {
			s.t.Errorf("seed %d, slice by slice:\n%s", *seedFlag, audit.Report{k})
		}
	}
	for _, kind := range []audit.Kind{audit.Offer, audit.Search, audit.Node, audit.Home, audit.Order, audit.Level} {
		if sliced[kind] != whole[kind] {
			s.t.Errorf("seed %d: %d %s documents are expected, and %d of them slice by slice", *seedFlag, whole[kind], kind, sliced[kind])
		}
	}
	offers := s.db.Collection(offer.CollectionName)
	var gone, stray bson.M
	err := offers.FindOneAndDelete(ctx, bson.D{{Key: "row.deleted", Value: bson.D{{Key: "$ne", Value: true}}}, {Key: "row.pos.c", Value: bson.D{{Key: "$gt", Value: 0}}}}).Decode(&gone)
	if err != nil {
		s.t.Fatalf("delete an offer's document: %v", err)
	}
	stray = maps.Clone(gone)
	stray["_id"], stray["product"] = fmt.Sprintf("%v:%d", gone["store"], math.MaxInt32), int64(math.MaxInt32)
	if _, err := offers.InsertOne(ctx, stray); err != nil {
		s.t.Fatalf("insert an offer's document: %v", err)
	}
	missing, extra := 0, 0
	for _, k := range s.compareInSlices(ctx) {
		missing, extra = missing+len(k.Missing), extra+len(k.Extra)
	}
	if missing != 1 || extra != 1 {
		s.t.Errorf("seed %d: slice by slice %d documents are missing and %d too many, want 1 and 1", *seedFlag, missing, extra)
	}
}

// compareInSlices asks the oracle for slice after slice of every store.
func (s *shop) compareInSlices(ctx context.Context) (all audit.Report) {
	s.t.Helper()
	conn := s.connect()
	rows, err := conn.Query(ctx, "select id from stores")
	if err != nil {
		s.t.Fatalf("list the stores: %v", err)
	}
	stores, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		s.t.Fatalf("list the stores: %v", err)
	}
	for _, store := range stores {
		scopes, err := audit.Slices(ctx, conn, store, 25)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, scope := range scopes {
			scope.Books = false // the workload moves stock without entering it
			all = append(all, s.compareScope(ctx, scope)...)
		}
	}
	return all
}

// TestEveryDocumentSurvivesKills does the same while every process is killed with SIGKILL again and again.
func TestEveryDocumentSurvivesKills(t *testing.T) {
	ctx := deadline(t, 10*time.Minute)
	s := newShop(t, 3, 90, 2)
	supervised, release := context.WithCancel(ctx)
	defer release()
	for _, p := range s.pipeline() {
		p.supervise(supervised)
	}
	s.follow(ctx)
	s.mustCatchUp(ctx)
	n := newNemesis(t, s.postgres, *seedFlag, 3)
	rng := rand.New(rand.NewPCG(*seedFlag, 1))
	killed := map[string]int{}
	for range *killsFlag {
		n.run(ctx, *stepsFlag / *killsFlag)
		victim := s.pipeline()[rng.IntN(len(s.pipeline()))]
		victim.kill()
		killed[victim.name]++
	}
	n.run(ctx, 200)
	s.mustAgree(ctx, "after the kills")
	t.Logf("seed %d: killed %v; %s", *seedFlag, killed, n.summary())
}

// mustCatchUp waits for the read models, or fails with where they are.
func (s *shop) mustCatchUp(ctx context.Context) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if err := s.catchUp(ctx); err != nil {
		s.t.Fatalf("seed %d: %v", *seedFlag, err)
	}
}

// mustStandStill waits for a time in which no price starts or ends, and for the read models to show those that did before.
func (s *shop) mustStandStill(ctx context.Context) {
	s.t.Helper()
	s.mustCatchUp(ctx)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	conn := s.connect()
	for ready := false; !ready; {
		var soon bool
		err := conn.QueryRow(ctx, `select exists (select 1 from prices cross join lateral (values (valid_from), (valid_to)) as d(at)
			where at between now() and now() + interval '20 seconds')`).Scan(&soon)
		if err != nil {
			s.t.Fatalf("look for prices that start or end: %v", err)
		}
		due, err := s.db.Collection("offers").CountDocuments(ctx, bson.D{{Key: "edge", Value: bson.D{{Key: "$gt", Value: 0}, {Key: "$lte", Value: time.Now().UnixMicro()}}}})
		if err != nil {
			s.t.Fatalf("count the offers that are due: %v", err)
		}
		if ready = !soon && due == 0; !ready {
			select {
			case <-ctx.Done():
				s.t.Fatalf("seed %d: %d offers are due, and the clock does not see to them", *seedFlag, due)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	// What the clock published has no position. Whoever announces a later one announces its offsets too.
	if _, err := conn.Exec(ctx, "select pg_logical_emit_message(true, 'e2e', 'tick')"); err != nil {
		s.t.Fatalf("write a message: %v", err)
	}
	s.mustCatchUp(ctx)
}

// mustAgree waits for the read models and demands that the oracle finds nothing wrong.
func (s *shop) mustAgree(ctx context.Context, when string) {
	s.t.Helper()
	s.mustStandStill(ctx)
	report := s.compare(ctx)
	if report.Wrong() > 0 {
		s.t.Errorf("%s, seed %d:\n%s", when, *seedFlag, report)
	} else {
		s.t.Logf("%s:\n%s", when, report)
	}
	for _, k := range report {
		if k.Expected == 0 {
			s.t.Errorf("%s: no %s documents are expected, so nothing was compared", when, k.Kind)
		}
	}
}

package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
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

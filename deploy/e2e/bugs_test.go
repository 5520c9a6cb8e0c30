package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// seededBug is a bug that the test binary has and can switch on.
type seededBug struct {
	name, where, what string
	// kills says that the bug shows only where the process dies in the middle of its work.
	kills bool
}

// dies is where a process with a bug dies as well, at each so many passes: kills alone seldom fall between the storing of a
// sale and the commit of its offset, or between a position and the records it is ahead of.
var dies = map[string]string{
	"ignore-version": "runtime-after-handle-before-commit:60",
	"count-again":    "runtime-after-handle-before-commit:60",
	"ack-early":      "ingest-after-position-before-ack:5",
}

var seededBugs = []seededBug{
	{"drop-one-in-N=300", "ingest", "one record in 300 never reaches Kafka", true},
	{"ack-early", "ingest", "a transaction is acknowledged before Kafka has its records", true},
	{"commit-before-store", "fold", "offsets are committed before the documents are stored", true},
	{"ignore-version", "fold", "a section takes any version of its row, also one it has counted", true},
	{"forget-tombstone", "index", "what is no longer to be seen is left in the index", false},

	{"drop-deletes-N=5", "ingest", "one delete in five is not published", false},
	{"forget-old-key", "ingest", "a row that moves to another key is not deleted where it was", false},
	{"take-placeholder", "fold", "a description that TOAST left out is taken for changed", false},
	{"drop-edit-N=40", "fold", "one event of an offer in 40 is not folded", false},
	{"forget-price-delete", "fold", "a price that is deleted stays", false},
	{"forget-reserved", "fold", "what is reserved counts as to be had", false},
	{"count-again", "fold", "a sale that is delivered again is counted again", true},
	{"forget-brand", "fold", "a brand that is renamed keeps its name in the products", false},
	{"drop-view-N=40", "fold", "one view in 40 is not published", false},
	{"forget-command", "fold", "stores are not told that a dimension has changed", false},
	{"commit-before-store", "tree", "offsets are committed before the pages are stored", true},
	{"forget-tombstone", "tree", "the pages of a hidden category or a closed store stay", false},
	{"forget-ancestors", "tree", "only the page of an offer's own category is made again", false},
	{"forget-withdraw", "tree", "an offer stays in the categories that it has left", false},
	{"keep-ranks", "tree", "the best of a category are not ranked again", false},
	{"drop-page-N=20", "tree", "one page in 20 is taken for stored and is not", false},
	{"ignore-dimensions", "tree", "a loaded store keeps the categories it was loaded with", false},
	{"drop-document-N=60", "index", "one search document in 60 is not written", false},
	{"first-language", "index", "offers are indexed in the first language of their store alone", false},
}

// defaultBugs is how many of them the usual run switches on; the long run has them all.
const defaultBugs = 5

// TestSeededBugsAreCaught shows that the oracle can fail: each known bug is switched on in one process, a workload runs, with
// kills where it takes some, and the oracle must find documents that are wrong.
func TestSeededBugsAreCaught(t *testing.T) {
	bugs := seededBugs
	if os.Getenv("FRESHET_TEST_LONG") == "" {
		bugs = bugs[:defaultBugs]
	}
	var table strings.Builder
	for _, bug := range bugs {
		t.Run(bug.where+"/"+bug.name, func(t *testing.T) {
			wrong := runWithBug(t, bug)
			fmt.Fprintf(&table, "| `%s` | %s | %s | %d |\n", bug.name, bug.where, bug.what, wrong)
			if wrong == 0 {
				t.Errorf("seed %d: the oracle found nothing wrong", *seedFlag)
			}
		})
	}
	t.Logf("seed %d\n%s", *seedFlag, table.String())
}

// runWithBug runs the workload with a bug in one process until the oracle sees it, and returns how many documents were
// wrong. A bug that needs a crash at the right moment gets several, one that needs a rare change more of the workload.
func runWithBug(t *testing.T, bug seededBug) int {
	ctx := deadline(t, 6*time.Minute)
	s := newShop(t, 2, 60, 3)
	supervised, release := context.WithCancel(ctx)
	defer release()
	var sick *process
	for _, p := range s.pipeline() {
		if p.name == bug.where {
			p.env = append(p.env, "FRESHET_TEST_BUG="+bug.name)
			if point := dies[bug.name]; point != "" {
				p.env = append(p.env, "FRESHET_TEST_FAILPOINT="+point)
			}
			sick = p
		}
		p.supervise(supervised)
	}
	s.follow(ctx)
	s.mustCatchUp(ctx)
	n := newNemesis(t, s.postgres, *seedFlag, 3)
	for range 6 {
		stop := func() {}
		if bug.kills {
			stop = s.killAgainAndAgain(ctx, sick)
		}
		n.run(ctx, 800)
		stop()
		s.mustStandStill(ctx)
		if report := s.compare(ctx); report.Wrong() > 0 {
			t.Logf("%s:\n%.1200s", bug.name, report)
			return report.Wrong()
		}
	}
	return 0
}

// killAgainAndAgain kills a supervised process in the middle of its work, until stop is called. One that is killed while it
// starts shows nothing, and on a busy machine that takes longer than any fixed pause.
func (s *shop) killAgainAndAgain(ctx context.Context, p *process) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Duration(100+rand.IntN(500)) * time.Millisecond):
			}
			if p.works() {
				p.kill()
			}
		}
	}()
	return func() { cancel(); <-done }
}

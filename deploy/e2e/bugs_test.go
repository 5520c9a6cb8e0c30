package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestSeededBugsAreCaught shows that the oracle can fail: each known bug is switched on in one process, the same workload
// and kills run as in the crash test, and the oracle must find documents that are wrong.
func TestSeededBugsAreCaught(t *testing.T) {
	bugs := []struct {
		name, where, what string
	}{
		{"drop-one-in-N=300", "ingest", "one record in 300 never reaches Kafka"},
		{"ack-early", "ingest", "a transaction is acknowledged before Kafka has its records"},
		{"commit-before-store", "fold", "offsets are committed before the documents are stored"},
		{"ignore-version", "fold", "a section takes any version of its row, also one it has counted"},
		{"forget-tombstone", "index", "what is no longer to be seen is left in the index"},
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-22s %-8s %-72s %s\n", "bug", "process", "what it does", "wrong documents")
	for _, bug := range bugs {
		t.Run(bug.name, func(t *testing.T) {
			wrong := runWithBug(t, bug.name, bug.where)
			fmt.Fprintf(&table, "%-22s %-8s %-72s %d\n", bug.name, bug.where, bug.what, wrong)
			if wrong == 0 {
				t.Errorf("seed %d: the oracle found nothing wrong", *seedFlag)
			}
		})
	}
	t.Logf("\n%s", table.String())
}

// runWithBug runs the workload with a bug in one process until the oracle sees it, and returns how many documents were
// wrong. A bug that needs a crash at the right moment gets several.
func runWithBug(t *testing.T, bug, where string) int {
	ctx := deadline(t, 4*time.Minute)
	s := newShop(t, 2, 60, 3)
	supervised, release := context.WithCancel(ctx)
	defer release()
	var sick *process
	for _, p := range s.pipeline() {
		if p.name == where {
			p.env = append(p.env, "FRESHET_TEST_BUG="+bug)
			sick = p
		}
		p.supervise(supervised)
	}
	s.follow(ctx)
	s.mustCatchUp(ctx)
	n := newNemesis(t, s.postgres, *seedFlag, 3)
	for range 6 {
		stop := s.killAgainAndAgain(ctx, sick)
		n.run(ctx, 800)
		stop()
		s.mustStandStill(ctx)
		if report := s.compare(ctx); report.Wrong() > 0 {
			t.Logf("%s:\n%.1200s", bug, report)
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

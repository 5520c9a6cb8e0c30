package e2e

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEveryFailpointIsHitAndHealed kills a process at each named point, the worst moments to die, starts it again, and asks
// the oracle. The points are read from the source: one that no workload reaches fails the test.
func TestEveryFailpointIsHitAndHealed(t *testing.T) {
	ctx := deadline(t, 8*time.Minute)
	points := failpoints(t)
	s := newShop(t, 2, 60, 5)
	at := func(point string) *process {
		stage, _, _ := strings.Cut(point, "-")
		return map[string]*process{"ingest": s.ingest, "tree": s.tree, "index": s.index}[stage]
	}
	// The snapshot comes but once, so its point is first.
	s.ingest.start("FRESHET_TEST_FAILPOINT=ingest-mid-snapshot:40")
	s.mustDie(ctx, s.ingest, "ingest-mid-snapshot")
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	s.mustAgree(ctx, "after a snapshot that was cut off")
	n := newNemesis(t, s.postgres, *seedFlag, 2)
	for _, point := range points {
		if point == "ingest-mid-snapshot" || strings.HasPrefix(point, "rebuild-") { // TestARebuildOfEverythingSurvivesKills hits those
			continue
		}
		p := at(point)
		if p == nil {
			p = s.fold
		}
		p.kill()
		p.start("FRESHET_TEST_FAILPOINT=" + point)
		if strings.HasPrefix(point, "ingest-snapshot-") {
			s.run("snapshot", "products", "inventory", "stock_movements")
		}
		for range 40 {
			n.run(ctx, 60)
			if !p.running() {
				break
			}
		}
		s.mustDie(ctx, p, point)
		p.start()
	}
	s.mustAgree(ctx, "after a crash at every point")
	t.Logf("seed %d: died and healed at %s", *seedFlag, strings.Join(points, ", "))
}

// mustDie waits until the process has died of its failpoint.
func (s *shop) mustDie(ctx context.Context, p *process, point string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd, done := p.current()
	select {
	case <-done:
		if status := cmd.ProcessState.String(); status != "signal: killed" {
			s.t.Errorf("%s ended by %q instead of at %s:\n%s", p.name, status, point, p.tail(5))
		}
	case <-ctx.Done():
		s.t.Fatalf("seed %d: %s never came to %s:\n%s", *seedFlag, p.name, point, p.tail(5))
	}
}

var hit = regexp.MustCompile(`failpoint\.Hit\("([^"]+)"\)`)

// failpoints reads the names from the source.
func failpoints(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{"../../ingest", "../../projectors", "../../search", "../../api"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			raw, err := os.ReadFile(path)
			for _, m := range hit.FindAllSubmatch(raw, -1) {
				names[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatalf("read the source: %v", err)
		}
	}
	if len(names) < 5 {
		t.Fatalf("only %d failpoints found: the search is wrong", len(names))
	}
	return slices.Sorted(maps.Keys(names))
}

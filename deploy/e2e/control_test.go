package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"freshet/ingest/change"
	"freshet/projectors/explain"
)

// TestAPausedStageStaysPaused: a pause outlives a SIGKILL of the stage, is listed, and is told by explain; after it nothing
// is missing. Then the whole flow is replayed, and says the same.
func TestAPausedStageStaysPaused(t *testing.T) {
	ctx := deadline(t, 5*time.Minute)
	s := newShop(t, 1, 30, 7)
	for _, p := range s.pipeline() {
		p.start()
	}
	s.follow(ctx)
	product := s.aVisibleProduct(ctx)
	s.mustCatchUp(ctx)
	s.run("stage", "pause", "index", "--reason", "a test")
	s.index.kill()
	s.index.start()
	s.exec(ctx, "update prices set amount = amount + 1 where product_id = $1", product)
	if err := s.tracker.Wait(ctx, s.position(ctx), "dimension", "catalog", "offer", "tree"); err != nil {
		t.Fatal(err)
	}
	var stages []struct {
		Stage   string
		Control struct {
			Paused bool
			Reason string
		}
	}
	if err := json.Unmarshal([]byte(s.run("stage", "list", "--json")), &stages); err != nil {
		t.Fatal(err)
	}
	for _, st := range stages {
		if st.Control.Paused != (st.Stage == "index") {
			t.Errorf("stage %s is paused: %t", st.Stage, st.Control.Paused)
		}
	}
	if e := s.explain(product); !slices.Contains(found(e, explain.Behind), "document-old") || !strings.Contains(e.Verdict, "freshet stage resume index") {
		t.Errorf("behind a paused index: %s, %v", e.Verdict, found(e, explain.Behind))
	}
	s.run("stage", "resume", "index")
	s.mustAgree(ctx, "after the pause")
	for _, stage := range readModels {
		s.run("stage", "replay", stage, "--since", "beginning")
	}
	s.exec(ctx, "update prices set amount = amount + 1 where product_id = $1", product)
	s.mustAgree(ctx, "after a replay of everything")
	for {
		if out := s.run("stage", "list"); strings.Count(out, "4 partitions went back")+strings.Count(out, "1 partitions went back") >= len(readModels) {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("not all partitions have gone back: %s", s.run("stage", "list"))
		}
	}
	s.mustAgree(ctx, "after all partitions have gone back")
}

// position is at or after all that is committed now.
func (s *shop) position(ctx context.Context) change.LSN {
	s.t.Helper()
	var lsn string
	if err := s.connect().QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		s.t.Fatalf("read the position: %v", err)
	}
	at, err := change.ParseLSN(lsn)
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

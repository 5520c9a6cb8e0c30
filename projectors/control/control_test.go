package control_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"freshet/deploy/stack/stacktest"
	"freshet/projectors"
	"freshet/projectors/control"
)

func store(t *testing.T) *control.Store {
	t.Helper()
	uri, name := stacktest.Mongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return control.Open(client.Database(name))
}

// TestBoard: what is asked reaches a board that was there before and one that comes after.
func TestBoard(t *testing.T) {
	ctx, s := t.Context(), store(t)
	board := control.NewBoard(s, []string{"tree", "index"}, 10*time.Millisecond, slog.New(slog.DiscardHandler))
	if _, known := board.Of("tree"); known {
		t.Error("a board that has read nothing knows")
	}
	ended := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { ended <- board.Run(running) }()
	skip := projectors.Skip{Topic: "p.view.offers", Partition: 1, Offset: 7, Reason: "no JSON"}
	if _, err := s.Pause(ctx, "tree", "MongoDB moves"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Skip(ctx, "tree", skip); err != nil {
		t.Fatal(err)
	}
	asked, err := s.Replay(ctx, "tree", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	until(t, board, func(c projectors.Control) bool { return c.Replay != nil })
	got, _ := board.Of("tree")
	if !got.Paused || got.Reason != "MongoDB moves" || len(got.Skips) != 1 || got.Skips[0] != skip || got.Replay.ID != asked.Replay.ID {
		t.Errorf("the board says %+v", got)
	}
	if other, known := board.Of("index"); !known || other.Paused {
		t.Errorf("another stage: %+v, known %t", other, known)
	}
	if err := board.Replayed(ctx, "tree", 2, asked.Replay.ID); err != nil {
		t.Fatal(err)
	}
	if err := board.Replayed(ctx, "tree", 3, "another"); err != nil {
		t.Fatal(err)
	}
	if got, _ = board.Of("tree"); len(got.Replay.Done) != 1 || got.Replay.Done[0] != 2 {
		t.Errorf("gone back: %v", got.Replay.Done)
	}
	_, first := s.Resume(ctx, "tree")
	_, second := s.Unskip(ctx, "tree", projectors.Skip{Topic: skip.Topic, Partition: 1, Offset: 7})
	if err := errors.Join(first, second); err != nil {
		t.Fatal(err)
	}
	until(t, board, func(c projectors.Control) bool { return !c.Paused && len(c.Skips) == 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSkipsAreBounded: each skip costs a comparison for every record.
func TestSkipsAreBounded(t *testing.T) {
	s := store(t)
	var err error
	for i := range 101 {
		if _, err = s.Skip(t.Context(), "tree", projectors.Skip{Topic: "t", Offset: int64(i)}); err != nil && i < 100 {
			t.Fatal(err)
		}
	}
	if !errors.Is(err, control.ErrTooMany) {
		t.Errorf("the 101st skip: %v", err)
	}
}

func until(t *testing.T, board *control.Board, holds func(projectors.Control) bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		changed := board.Changed()
		if c, known := board.Of("tree"); known && holds(c) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			c, known := board.Of("tree")
			t.Fatalf("the board stays at %+v, known %t", c, known)
		}
	}
}

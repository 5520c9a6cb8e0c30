package control

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"freshet/projectors"
)

// DefaultInterval is the time between two looks: how soon a stage halts once it is told to.
const DefaultInterval = 500 * time.Millisecond

// Board is what is asked of the stages as one process knows it. Its methods may be called from any goroutine.
type Board struct {
	store    *Store
	stages   []string
	interval time.Duration
	logger   *slog.Logger

	mu      sync.Mutex
	asked   map[string]Stage // nil until it was read once
	changed chan struct{}
}

// NewBoard returns a board of these stages. It knows nothing until Run has read it.
func NewBoard(store *Store, stages []string, interval time.Duration, logger *slog.Logger) *Board {
	return &Board{store: store, stages: stages, interval: interval, logger: logger, changed: make(chan struct{})}
}

// Run keeps the board fresh until the context ends. While MongoDB can't be reached, what was read last holds.
func (b *Board) Run(ctx context.Context) error {
	ticker := time.NewTicker(b.interval)
	defer ticker.Stop()
	failing := false
	for {
		err := b.Refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			b.logger.Warn("what operators ask of the stages can't be read, what was read last holds", "error", err)
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Refresh reads what is asked.
func (b *Board) Refresh(ctx context.Context) error {
	asked, err := b.store.Load(ctx, b.stages...)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	same := b.asked != nil && maps.EqualFunc(b.asked, asked, func(x, y Stage) bool { return x.Rev == y.Rev })
	b.asked = asked
	if !same {
		close(b.changed)
		b.changed = make(chan struct{})
	}
	return nil
}

// Of returns what is asked of a stage; false until it was read once.
func (b *Board) Of(stage string) (projectors.Control, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	doc := b.asked[stage]
	control := projectors.Control{Paused: doc.Paused, Reason: doc.Reason, Skips: slices.Clone(doc.Skips)}
	if doc.Replay != nil {
		back := *doc.Replay
		back.Done = slices.Clone(back.Done)
		control.Replay = &back
	}
	return control, b.asked != nil
}

// Changed is closed when the next answer may differ.
func (b *Board) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Replayed notes that a partition has gone back, and knows it from then on.
func (b *Board) Replayed(ctx context.Context, stage string, partition int, id string) error {
	if err := b.store.Replayed(ctx, stage, partition, id); err != nil {
		return err
	}
	return b.Refresh(ctx)
}

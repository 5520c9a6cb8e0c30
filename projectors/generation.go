package projectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/failpoint"
	"freshet/ingest/topic"
)

// errDrained is the cause of a handler's context that ends because the batch took too long after the generation's end.
var errDrained = errors.New("the generation has ended and its time to finish the batch in hand is over")

// generation is one assignment of partitions to this process. Its workers and their commits belong to it: when it ends
// they finish the batch in hand, commit as its member, and are gone before the next begins.
type generation struct {
	*Runtime
	stage    *Stage
	assigned *kafka.Generation
	logger   *slog.Logger
	width    int               // partitions of the stage
	ids      map[string]string // of the topics that it reads, as far as Kafka tells
	workers  []*worker
	joint    *joint // of all workers; nil where each handles its own

	done chan struct{} // closed when run has returned

	mu    sync.Mutex
	fatal error // why the stage can't go on
}

func newGeneration(r *Runtime, stage *Stage, assigned *kafka.Generation, logger *slog.Logger) *generation {
	return &generation{Runtime: r, stage: stage, assigned: assigned, logger: logger, done: make(chan struct{})}
}

// run works until intake ends, then until the batches in hand are finished and committed.
func (g *generation) run(parent, intake context.Context) {
	defer close(g.done)
	g.metrics.generations.WithLabelValues(g.stage.Name).Inc()
	intake, stop := context.WithCancel(intake)
	defer stop()
	if err := g.prepare(intake); err != nil {
		if intake.Err() == nil {
			g.fail(err)
		}
		return
	}
	work, cancel := g.workContext(parent, intake)
	defer cancel(nil)

	var workers, helpers sync.WaitGroup
	for _, w := range g.workers {
		workers.Go(func() {
			if err := w.run(intake, work); err != nil {
				g.fail(err)
				stop()
			}
		})
	}
	helpers.Go(func() { g.commitLoop(intake) })
	helpers.Go(func() { g.watchCuts(intake, stop) })
	helpers.Go(func() { g.watchReplay(intake, stop) })
	<-intake.Done()
	workers.Wait()
	helpers.Wait()
	g.commit()
	g.clearGauges()
}

// clearGauges forgets what belongs to the partitions' next owner: a lag that nobody updates would raise alarms for ever.
func (g *generation) clearGauges() {
	for _, w := range g.workers {
		for _, gauge := range []*prometheus.GaugeVec{g.metrics.lag, g.metrics.watermarkLSN, g.metrics.watermarkSeconds, g.metrics.paused} {
			gauge.DeleteLabelValues(g.stage.Name, w.label)
		}
	}
}

// workContext returns the context of handlers. It outlives the intake by DrainTimeout, so that a batch in hand is not torn.
func (g *generation) workContext(parent, intake context.Context) (context.Context, context.CancelCauseFunc) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	var timer *time.Timer
	var mu sync.Mutex
	unwatch := context.AfterFunc(intake, func() {
		mu.Lock()
		defer mu.Unlock()
		timer = time.AfterFunc(g.config.DrainTimeout, func() { cancel(errDrained) })
	})
	return work, func(cause error) {
		unwatch()
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
		cancel(cause)
	}
}

func (g *generation) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fatal == nil {
		g.fatal = err
	}
}

// prepare learns what the assignment means: the stage's width, the first offsets of partitions never committed, and where
// the outputs end by now, since our announcements must cover what the previous owner published.
func (g *generation) prepare(ctx context.Context) error {
	pause := newBackoff(g.config.RetryMin, g.config.RetryMax)
	for {
		err := g.tryPrepare(ctx)
		var bad *assignmentError
		if err == nil || errors.As(err, &bad) {
			return err
		}
		if pause.loud() && ctx.Err() == nil {
			g.logger.Warn("preparing the assigned partitions failed, trying again", "error", err)
		}
		if !pause.wait(ctx) {
			return err
		}
	}
}

// assignmentError is a layout of topics that no retry mends.
type assignmentError struct{ error }

func (g *generation) tryPrepare(ctx context.Context) error {
	counts, err := waitTopics(ctx, g.client, g.logger, g.stage.Topics)
	if err != nil {
		return err
	}
	if g.width, err = width(g.stage, counts); err != nil {
		return &assignmentError{err}
	}
	if g.ids, err = topic.IDs(ctx, g.client, g.stage.Topics...); err != nil {
		return err
	}
	if err := g.producer.Refresh(ctx, g.stage.Outputs...); err != nil {
		return err
	}
	if err := g.heard(ctx); err != nil {
		return err
	}
	starts, err := g.starts(ctx, counts)
	if err != nil {
		return err
	}
	byPartition := make(map[int]*worker)
	for topic, offsets := range starts {
		for partition, offset := range offsets {
			if byPartition[partition] == nil {
				byPartition[partition] = newWorker(g, partition)
			}
			byPartition[partition].own(topic, offset)
		}
	}
	g.workers = g.workers[:0]
	var numbers []int
	for partition, w := range byPartition {
		g.workers = append(g.workers, w)
		numbers = append(numbers, partition)
		g.announcer.forget(g.stage.Name, partition)
	}
	if g.joint = nil; g.stage.Joint && len(g.workers) > 1 {
		g.joint = newJoint(g.stage.Window, len(g.workers))
	}
	slices.Sort(numbers)
	g.logger.Info("partitions assigned", "partitions", numbers, "of", g.width, "generation", g.assigned.ID)
	return nil
}

// starts are the offsets to begin at, by topic and partition.
func (g *generation) starts(ctx context.Context, counts map[string]int) (map[string]map[int]int64, error) {
	back := g.replay()
	starts := make(map[string]map[int]int64, len(g.assigned.Assignments))
	for topic, partitions := range g.assigned.Assignments {
		starts[topic] = make(map[int]int64, len(partitions))
		for _, a := range partitions {
			offset, err := g.startOffset(ctx, topic, a, counts[topic])
			if err != nil {
				return nil, err
			}
			starts[topic][a.ID] = offset
		}
	}
	return starts, g.goBack(ctx, back, starts)
}

// startOffset is the committed offset, or the first there is for a group that never committed one.
func (g *generation) startOffset(ctx context.Context, topic string, a kafka.PartitionAssignment, partitions int) (int64, error) {
	if a.Offset >= 0 {
		return a.Offset, nil
	}
	if a.ID >= partitions {
		return 0, fmt.Errorf("assigned %s/%d: the topic has %d partitions", topic, a.ID, partitions)
	}
	offsets, err := listOffsets(ctx, g.client, topic, partitions, kafka.FirstOffset)
	if err != nil {
		return 0, err
	}
	return offsets[a.ID], nil
}

// commitLoop commits what the workers have finished, at intervals.
func (g *generation) commitLoop(ctx context.Context) {
	ticker := time.NewTicker(g.config.CommitInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.commit()
		case <-ctx.Done():
			return
		}
	}
}

// commit stores the offsets that moved since the last commit. A commit that fails is repeated with the next one, or by
// whoever owns the partition next handling its records again; the broker refuses one of a member that was replaced.
func (g *generation) commit() {
	offsets := make(map[string]map[int]int64)
	for _, w := range g.workers {
		w.ledger.uncommitted(func(topic string, next int64) {
			if offsets[topic] == nil {
				offsets[topic] = make(map[int]int64)
			}
			offsets[topic][w.partition] = next
		})
	}
	if len(offsets) == 0 {
		return
	}
	if err := g.assigned.CommitOffsets(offsets); err != nil {
		g.metrics.commitErrors.WithLabelValues(g.stage.Name).Inc()
		g.logger.Warn("committing offsets failed", "generation", g.assigned.ID, "error", err)
		return
	}
	failpoint.Hit("runtime-after-commit")
	for _, w := range g.workers {
		w.ledger.committed(offsets, w.partition)
	}
}

// watchCuts offers each new cut of the upstream stages to the workers: a partition without records advances too.
func (g *generation) watchCuts(ctx context.Context, end func()) {
	if len(g.stage.Upstream) == 0 {
		return
	}
	for again := (remade{generation: g}); ; {
		changed := g.tracker.Changed()
		if cut, ok := g.tracker.Cut(g.stage.Upstream, g.stage.Topics); ok {
			if again.found(ctx, cut) {
				end()
				return
			}
			for _, w := range g.workers {
				w.ledger.offer(cut)
				w.announce()
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

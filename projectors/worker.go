package projectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"freshet/ingest/change"
	"freshet/ingest/failpoint"
)

// errEnded is why a batch was given up: the generation ended while it failed. Its next owner handles it.
var errEnded = errors.New("the generation has ended")

// worker handles one partition number of all topics of a stage, for one generation.
type worker struct {
	*generation
	partition int
	label     string
	ledger    *ledger
	cursors   []*cursor

	handler   Handler // of what is handled by itself
	queue     *queue
	lastBegun time.Time // of Handle
	lastEnded time.Time
	due       due
	overtook  bool // the last Handle was of hot records before their turn
}

func newWorker(g *generation, partition int) *worker {
	return &worker{
		generation: g, partition: partition, label: strconv.Itoa(partition), ledger: newLedger(partition, g.ids), queue: newQueue(g.stage.Overtake),
	}
}

func (w *worker) own(topic string, offset int64) {
	w.ledger.own(topic, offset)
	w.queue.own(topic, offset)
	w.cursors = append(w.cursors, &cursor{topic: topic, offset: offset})
}

// run handles batches until intake ends, which is no error. The batch in hand is finished; work is its context.
func (w *worker) run(intake, work context.Context) error {
	if !w.build(intake, work) {
		return nil
	}
	ctx, cancel := context.WithCancel(intake)
	main, ahead := w.fetchers()
	var failure error
	var wg sync.WaitGroup
	wg.Go(func() {
		failure = main.run(ctx)
		cancel()
	})
	in := inputs{main: main.out}
	if ahead != nil {
		in.ahead = ahead.out
		// What it can't read is the other's to stop for.
		wg.Go(func() { _ = ahead.run(ctx) })
	}
	if r, ok := w.handler.(Runner); ok {
		wg.Go(func() { w.keep(ctx, r) })
	}
	w.work(ctx, intake, work, in)
	cancel()
	wg.Wait()
	return failure
}

// work handles batches until ctx ends or one is given up, as many at a time as the stage allows, and waits for them. They
// are finished in order, whatever order they become durable in.
func (w *worker) work(ctx, intake, work context.Context, in inputs) {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var flights sync.WaitGroup
	defer flights.Wait()
	free, failed := make(chan struct{}, w.stage.InFlight), make(chan struct{})
	var fail sync.Once
	turn := make(chan struct{})
	close(turn)
	for {
		// Before collecting: what arrives while all are under way makes the next batch larger.
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if !w.admitted(ctx) {
			return
		}
		batch, ok := w.collect(ctx, in)
		if !ok {
			return
		}
		mine, next := turn, make(chan struct{})
		turn = next
		flights.Go(func() {
			landed := sync.OnceFunc(func() { batch.release(); <-free })
			defer landed()
			if err := w.apply(intake, work, batch, landed, mine, failed); err != nil {
				w.logger.Info("a batch was given up for its next owner", "partition", w.partition, "records", len(batch.records), "error", err)
				fail.Do(func() { close(failed) })
				giveUp()
				return
			}
			close(next)
		})
	}
}

// build makes the handler, and the one of all partitions if nobody has, trying again until the generation ends.
func (w *worker) build(intake, work context.Context) bool {
	fresh := func() (Handler, error) { return w.stage.New(work, w.partition) }
	pause := newBackoff(w.config.RetryMin, w.config.RetryMax)
	for {
		var err error
		if w.handler, err = fresh(); err == nil && w.joint != nil {
			err = w.joint.build(fresh)
		}
		if err == nil {
			return true
		}
		if pause.loud() {
			w.logger.Warn("building the handler failed, trying again", "partition", w.partition, "error", err)
		}
		if !pause.wait(intake) {
			return false
		}
	}
}

// keep lets the handler do its own work until ctx ends.
func (w *worker) keep(ctx context.Context, r Runner) {
	pause := newBackoff(w.config.RetryMin, w.config.RetryMax)
	for {
		err := r.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if pause.loud() {
			w.logger.Warn("the handler's own work failed, trying again", "partition", w.partition, "error", err)
		}
		if !pause.wait(ctx) {
			return
		}
	}
}

// apply handles a batch until it is durable and, when it is its turn, notes that it is: the one place where offsets become
// committable. The turn never comes after a batch before it has failed. One that overtook has nothing to note, and lands
// before its turn.
func (w *worker) apply(intake, work context.Context, batch job, landed func(), turn, failed <-chan struct{}) error {
	if failpoint.Enabled("commit-before-store") {
		w.ledger.finish(batch.turn)
		w.commit()
	}
	if err := w.handle(intake, work, w.handlerOf(batch), batch.records); err != nil {
		return err
	}
	if w.stage.Rest > 0 && !batch.slotted {
		w.lastEnded = time.Now()
		w.due.set(w.notBefore())
	}
	if len(batch.turn) == 0 {
		landed()
	}
	select {
	case <-turn:
	case <-failed:
		return fmt.Errorf("%w: a batch before it failed", errEnded)
	}
	failpoint.Hit("runtime-after-handle-before-commit")
	w.ledger.finish(batch.turn)
	w.metrics.records.WithLabelValues(w.stage.Name, w.label).Add(float64(len(batch.records)))
	w.metrics.batches.WithLabelValues(w.stage.Name, w.label).Inc()
	w.metrics.lag.WithLabelValues(w.stage.Name, w.label).Set(float64(w.ledger.lag()))
	w.announce()
	return nil
}

// handlerOf is the one of all partitions, if the stage has one, but for bulk that has taken turns already and for a full batch: where
// there is a backlog the partitions' handlers work beside each other, and a call costs little of its batch.
func (w *worker) handlerOf(batch job) Handler {
	if w.joint == nil || batch.slotted || len(batch.records) >= w.stage.MaxBatch {
		return w.handler
	}
	return w.joint
}

// handle calls the handler until it has taken the batch, parking what it calls poison. Other errors are repeated for as
// long as the generation lasts: a store that is down is waited for, nothing is skipped.
func (w *worker) handle(intake, work context.Context, handler Handler, batch []Record) error {
	pause := newBackoff(w.config.RetryMin, w.config.RetryMax)
	for len(batch) > 0 {
		rest, err := w.skip(work, batch)
		if err == nil {
			if batch = rest; len(batch) == 0 {
				return nil
			}
			err = w.attempt(work, handler, batch)
		}
		if err == nil {
			return nil
		}
		if poison, ok := AsPoison(err); ok {
			rest, parkErr := w.park(work, batch, poison)
			if parkErr == nil {
				batch = rest
				continue
			}
			err = parkErr
		}
		w.metrics.retries.WithLabelValues(w.stage.Name, w.label).Inc()
		if pause.loud() {
			w.logger.Warn("a batch failed, trying it again", "partition", w.partition, "records", len(batch),
				"topic", batch[0].Topic, "offset", batch[0].Offset, "error", err)
		}
		if !pause.wait(intake) {
			return fmt.Errorf("%w: %w", errEnded, err)
		}
	}
	return nil
}

func (w *worker) attempt(work context.Context, handler Handler, batch []Record) error {
	began := time.Now()
	defer func() { w.metrics.seconds.WithLabelValues(w.stage.Name).Observe(time.Since(began).Seconds()) }()
	return handler.Handle(work, slices.Clone(batch))
}

// announce publishes the newest cut that the worker has passed, with where our outputs have come by now: everything
// published for it is below.
func (w *worker) announce() {
	cut, ok := w.ledger.take()
	if !ok {
		return
	}
	p := change.Progress{
		Stage: w.stage.Name, Partition: w.partition, Partitions: w.width, LSN: cut.LSN, Time: cut.Time,
		Ends: make(map[string][]int64, len(w.stage.Outputs)), IDs: make(map[string]string, len(w.stage.Outputs)),
	}
	for _, topic := range w.stage.Outputs {
		if p.IDs[topic], p.Ends[topic] = w.producer.Ends(topic); p.IDs[topic] == "" {
			delete(p.IDs, topic)
		}
	}
	w.announcer.put(p)
	w.metrics.watermarkLSN.WithLabelValues(w.stage.Name, w.label).Set(float64(cut.LSN))
	w.metrics.watermarkSeconds.WithLabelValues(w.stage.Name, w.label).Set(float64(cut.Time.UnixMicro()) / 1e6)
}

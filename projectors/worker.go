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

	handler   Handler
	buffer    []Record  // fetched, not handled
	lastBegun time.Time // of Handle
	lastEnded time.Time
}

func newWorker(g *generation, partition int) *worker {
	return &worker{generation: g, partition: partition, label: strconv.Itoa(partition), ledger: newLedger(partition)}
}

func (w *worker) own(topic string, offset int64) {
	w.ledger.own(topic, offset)
	w.cursors = append(w.cursors, &cursor{topic: topic, offset: offset})
}

// run handles batches until intake ends, which is no error. The batch in hand is finished; work is its context.
func (w *worker) run(intake, work context.Context) error {
	if !w.build(intake, work) {
		return nil
	}
	ctx, cancel := context.WithCancel(intake)
	f := &fetcher{generation: w.generation, partition: w.partition, cursors: w.cursors, ledger: w.ledger, out: make(chan []Record, 1)}
	var failure error
	var wg sync.WaitGroup
	wg.Go(func() {
		failure = f.run(ctx)
		cancel()
	})
	if r, ok := w.handler.(Runner); ok {
		wg.Go(func() { w.keep(ctx, r) })
	}
	w.work(ctx, intake, work, f.out)
	cancel()
	wg.Wait()
	return failure
}

// work handles batches until ctx ends or one is given up, as many at a time as the stage allows, and waits for them. They
// are finished in order, whatever order they become durable in.
func (w *worker) work(ctx, intake, work context.Context, in <-chan []Record) {
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
		w.lastBegun = time.Now()
		mine, next := turn, make(chan struct{})
		turn = next
		flights.Go(func() {
			defer func() { <-free }()
			if err := w.apply(intake, work, batch, mine, failed); err != nil {
				w.logger.Info("a batch was given up for its next owner", "partition", w.partition, "records", len(batch), "error", err)
				fail.Do(func() { close(failed) })
				giveUp()
				return
			}
			close(next)
		})
	}
}

// build makes the handler, trying again until the generation ends.
func (w *worker) build(intake, work context.Context) bool {
	pause := newBackoff(w.config.RetryMin, w.config.RetryMax)
	for {
		handler, err := w.stage.New(work, w.partition)
		if err == nil {
			w.handler = handler
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

// collect returns the next batch: what has arrived since the last call of Handle, but not sooner than the stage's window
// after it began, and no more than MaxBatch.
func (w *worker) collect(ctx context.Context, in <-chan []Record) ([]Record, bool) {
	if len(w.buffer) == 0 {
		select {
		case w.buffer = <-in:
		case <-ctx.Done():
			return nil, false
		}
	}
	timer := time.NewTimer(time.Until(w.notBefore()))
	defer timer.Stop()
	for waiting := true; waiting && len(w.buffer) < w.stage.MaxBatch; {
		select {
		case more := <-in:
			w.buffer = append(w.buffer, more...)
		case <-timer.C:
			waiting = false
		case <-ctx.Done():
			return nil, false
		}
	}
	if ctx.Err() != nil {
		return nil, false
	}
	n := min(len(w.buffer), w.stage.MaxBatch)
	batch := slices.Clone(w.buffer[:n])
	w.buffer = slices.Clone(w.buffer[n:])
	return batch, true
}

// maxRest bounds Stage.Rest after a single slow Handle, like one that loads a store.
const maxRest = time.Second

// notBefore is when the next Handle may begin.
func (w *worker) notBefore() time.Time {
	next := w.lastBegun.Add(w.stage.Window)
	rest := time.Duration(w.stage.Rest * float64(w.lastEnded.Sub(w.lastBegun)))
	if rested := w.lastEnded.Add(min(rest, maxRest)); rested.After(next) {
		return rested
	}
	return next
}

// apply handles a batch until it is durable and, when it is its turn, notes that it is: the one place where offsets become
// committable. The turn never comes after a batch before it has failed.
func (w *worker) apply(intake, work context.Context, batch []Record, turn, failed <-chan struct{}) error {
	if failpoint.Enabled("commit-before-store") {
		w.ledger.finish(batch)
		w.commit()
	}
	if err := w.handle(intake, work, batch); err != nil {
		return err
	}
	select {
	case <-turn:
	case <-failed:
		return fmt.Errorf("%w: a batch before it failed", errEnded)
	}
	if w.stage.Rest > 0 {
		w.lastEnded = time.Now()
	}
	failpoint.Hit("runtime-after-handle-before-commit")
	w.ledger.finish(batch)
	w.metrics.records.WithLabelValues(w.stage.Name, w.label).Add(float64(len(batch)))
	w.metrics.batches.WithLabelValues(w.stage.Name, w.label).Inc()
	w.metrics.lag.WithLabelValues(w.stage.Name, w.label).Set(float64(w.ledger.lag()))
	w.announce()
	return nil
}

// handle calls the handler until it has taken the batch, parking what it calls poison. Other errors are repeated for as
// long as the generation lasts: a store that is down is waited for, nothing is skipped.
func (w *worker) handle(intake, work context.Context, batch []Record) error {
	pause := newBackoff(w.config.RetryMin, w.config.RetryMax)
	for len(batch) > 0 {
		rest, err := w.skip(work, batch)
		if err == nil {
			if batch = rest; len(batch) == 0 {
				return nil
			}
			err = w.attempt(work, batch)
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

func (w *worker) attempt(work context.Context, batch []Record) error {
	began := time.Now()
	defer func() { w.metrics.seconds.WithLabelValues(w.stage.Name).Observe(time.Since(began).Seconds()) }()
	return w.handler.Handle(work, slices.Clone(batch))
}

// announce publishes the newest cut that the worker has passed, with where our outputs have come by now: everything
// published for it is below.
func (w *worker) announce() {
	cut, ok := w.ledger.take()
	if !ok {
		return
	}
	ends := make(map[string][]int64, len(w.stage.Outputs))
	for _, topic := range w.stage.Outputs {
		ends[topic] = w.producer.Ends(topic)
	}
	w.announcer.put(change.Progress{
		Stage: w.stage.Name, Partition: w.partition, Partitions: w.width, LSN: cut.LSN, Time: cut.Time, Ends: ends,
	})
	w.metrics.watermarkLSN.WithLabelValues(w.stage.Name, w.label).Set(float64(cut.LSN))
	w.metrics.watermarkSeconds.WithLabelValues(w.stage.Name, w.label).Set(float64(cut.Time.UnixMicro()) / 1e6)
}

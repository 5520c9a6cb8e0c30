package projectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"freshet/ingest/change"
	"freshet/projectors/progress"
)

// Runtime runs stages: one consumer group each, one worker per partition number, all on one pool of connections.
type Runtime struct {
	config    Config
	logger    *slog.Logger
	metrics   *metrics
	transport *kafka.Transport
	client    *kafka.Client
	producer  *Producer
	tracker   *progress.Tracker
	announcer *announcer

	hurry lastHot

	mu      sync.Mutex
	slots   map[string]chan struct{} // of bulk, by stage
	stopped map[string]error         // by stage; nil while it runs
}

// NewRuntime checks the configuration and builds what the stages share. Nothing runs before Run. The registerer may be nil.
func NewRuntime(config Config, logger *slog.Logger, registerer prometheus.Registerer) (*Runtime, error) {
	config.setDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("projectors: %w", err)
	}
	m, err := newMetrics(registerer)
	if err != nil {
		return nil, fmt.Errorf("projectors: register metrics: %w", err)
	}
	r := &Runtime{config: config, logger: logger, metrics: m, transport: newTransport(config.Security), slots: make(map[string]chan struct{}), stopped: make(map[string]error)}
	// Fetches bring their own deadlines, so the client has none: it would cut the time a fetch may wait.
	r.client = &kafka.Client{Addr: kafka.TCP(config.Brokers...), Transport: r.transport}
	r.producer, err = NewProducer(ProducerConfig{
		Brokers: config.Brokers, Transport: r.transport, MaxRecordBytes: config.MaxRecordBytes, Compression: config.Compression,
	}, logger, m.produceRetries)
	if err != nil {
		return nil, fmt.Errorf("projectors: %w", err)
	}
	r.tracker, err = progress.New(progress.Config{
		Brokers: config.Brokers, Prefix: config.Prefix, Transport: r.transport, MaxWait: config.FetchWait,
	}, logger)
	if err != nil {
		return nil, fmt.Errorf("projectors: %w", err)
	}
	r.announcer = newAnnouncer(r.producer, change.ProgressTopic(config.Prefix), config.ProgressInterval)
	return r, nil
}

// Producer is what handlers must publish to their stage's Outputs with: its offsets are what the stage announces.
func (r *Runtime) Producer() *Producer { return r.producer }

// Tracker knows how far all stages have come, those of other processes included, while Run runs.
func (r *Runtime) Tracker() *progress.Tracker { return r.tracker }

// Ready returns nil while every stage given to Run is running, else why one is not.
func (r *Runtime) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.stopped) == 0 {
		return errors.New("no stage has started")
	}
	for name, err := range r.stopped {
		if err != nil {
			return fmt.Errorf("stage %s has stopped: %w", name, err)
		}
	}
	return nil
}

// Run runs the stages until the context ends, which is no error: batches in hand are finished and committed first. A
// stage that can't go on stops with an error, at once in the log and in Ready; the others go on, since an outage of one
// read model must not become one of all. Run then returns when the last has stopped.
func (r *Runtime) Run(ctx context.Context, stages ...Stage) error {
	if err := validateStages(stages); err != nil {
		return fmt.Errorf("projectors: %w", err)
	}
	defer r.transport.CloseIdleConnections()

	// Progress outlives the intake: batches finished while draining are announced too.
	aside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var side sync.WaitGroup
	side.Go(func() { r.announcer.run(aside) })
	side.Go(func() { r.producer.watch(aside) })
	side.Go(func() {
		if err := r.tracker.Run(aside); err != nil {
			r.logger.Error("the progress tracker stopped", "error", err)
		}
	})

	errs := make([]error, len(stages))
	var wg sync.WaitGroup
	for i := range stages {
		r.note(stages[i].Name, nil)
		wg.Go(func() {
			errs[i] = r.runStage(ctx, &stages[i])
			if errs[i] != nil {
				r.logger.Error("a stage has stopped for good", "stage", stages[i].Name, "error", errs[i])
				r.note(stages[i].Name, errs[i])
			}
		})
	}
	wg.Wait()
	cancel()
	side.Wait()
	return errors.Join(errs...)
}

func (r *Runtime) note(stage string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped[stage] = err
	running := 1.0
	if err != nil {
		running = 0
	}
	r.metrics.running.WithLabelValues(stage).Set(running)
}

func validateStages(stages []Stage) error {
	var problems []error
	var names []string
	for i := range stages {
		problems = append(problems, stages[i].validate())
		if slices.Contains(names, stages[i].Name) {
			problems = append(problems, fmt.Errorf("two stages named %s", stages[i].Name))
		}
		names = append(names, stages[i].Name)
	}
	if len(stages) == 0 {
		problems = append(problems, errors.New("no stages"))
	}
	return errors.Join(problems...)
}

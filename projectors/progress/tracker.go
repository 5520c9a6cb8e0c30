// Package progress follows the progress topic and turns its records into two answers: which offsets a stage must have
// consumed to have seen everything up to an LSN (Cut), and how far the read models have come (Watermark, Wait).
//
// The runtime of projectors asks it to announce its own progress; api/read asks it before it answers a reader who has
// just written. Guarantee: an answer never claims more than the stages have announced; after missed records it claims
// nothing until each stage has named all its ends again. Answers may lag behind by the time a fetch takes.
package progress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"freshet/ingest/broker"
	"freshet/ingest/change"
)

// Config says where the progress topic is.
type Config struct {
	Brokers []string // "host:port"; required
	Prefix  string   // of all topics; required

	// Security is how the brokers are reached, default plain TCP without a name; not looked at when Transport is given.
	Security broker.Security

	// Transport is the connection pool to share; nil makes one of our own, closed when Run returns.
	Transport kafka.RoundTripper

	// LookBack is how many records before the topic's end are read at start, default 30000. Each stage names all its ends
	// every second; too small a number leaves a stage unknown until it does so again.
	LookBack int64

	// Pause is the time between two fetches, default 20 ms. It is added to what Wait takes.
	Pause time.Duration

	// MaxWait is how long a fetch waits when nothing happens, default 500 ms. Records are delivered at once whatever it is.
	MaxWait time.Duration
}

func (c *Config) setDefaults() {
	if c.LookBack <= 0 {
		c.LookBack = 30_000
	}
	if c.Pause <= 0 {
		c.Pause = 20 * time.Millisecond
	}
	if c.MaxWait <= 0 {
		c.MaxWait = 500 * time.Millisecond
	}
}

func (c *Config) validate() error {
	var problems []error
	if len(c.Brokers) == 0 {
		problems = append(problems, errors.New("no brokers"))
	}
	if c.Prefix == "" {
		problems = append(problems, errors.New("no topic prefix"))
	}
	return errors.Join(problems...)
}

// Tracker follows the progress topic while Run runs. Its other methods may be called from any goroutine at any time.
type Tracker struct {
	config Config
	topic  string
	client *kafka.Client
	own    *kafka.Transport // nil when the transport is shared
	logger *slog.Logger

	mu      sync.Mutex
	board   *board
	changed chan struct{}
	current chan struct{} // closed once all has been read that the topic held when Run began
}

// New returns a tracker that knows nothing until Run runs.
func New(config Config, logger *slog.Logger) (*Tracker, error) {
	config.setDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("progress: %w", err)
	}
	t := &Tracker{
		config: config, topic: change.ProgressTopic(config.Prefix), logger: logger,
		board: newBoard(), changed: make(chan struct{}), current: make(chan struct{}),
	}
	transport := config.Transport
	if transport == nil {
		t.own = config.Security.Transport("freshet-progress", 2*time.Second)
		transport = t.own
	}
	t.client = &kafka.Client{Addr: kafka.TCP(config.Brokers...), Transport: transport}
	return t, nil
}

// Changed returns a channel that is closed when the next answer may differ from the last.
func (t *Tracker) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Cut returns how far the topics must be consumed to have seen all that every one of the upstream stages has finished;
// false while one of them has not been heard in all its partitions.
func (t *Tracker) Cut(upstream, topics []string) (Cut, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.board.cut(upstream, topics)
}

// Watermark returns how far a stage has come in all its partitions; false until every one has been heard.
func (t *Tracker) Watermark(stage string) (Watermark, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.board.watermark(stage)
}

// Lowest returns the least watermark of the stages; false until every one has been heard.
func (t *Tracker) Lowest(stages ...string) (Watermark, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.board.lowest(stages)
}

func (b *board) lowest(stages []string) (lowest Watermark, ok bool) {
	for _, stage := range stages {
		w, known := b.watermark(stage)
		if !known {
			return Watermark{}, false
		}
		if !ok || w.LSN < lowest.LSN {
			lowest, ok = w, true
		}
	}
	return lowest, ok
}

// Wait returns nil once every one of the stages has finished the LSN, or why the context ended before.
func (t *Tracker) Wait(ctx context.Context, lsn change.LSN, stages ...string) error {
	for {
		t.mu.Lock()
		lowest, ok := t.board.lowest(stages)
		changed := t.changed
		t.mu.Unlock()
		if len(stages) == 0 || (ok && lowest.LSN >= lsn) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %v to pass %s, now at %s: %w", stages, lsn, lowest.LSN, context.Cause(ctx))
		}
	}
}

// CatchUp returns nil once all has been read that the topic held when Run began, or why the context ended before. Until then
// a stage may be known by what it said a while ago.
func (t *Tracker) CatchUp(ctx context.Context) error {
	select {
	case <-t.current:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("read %s to its end: %w", t.topic, context.Cause(ctx))
	}
}

// absorb merges a fetch's records and wakes whoever waits, once for all of them.
func (t *Tracker) absorb(records []change.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var moved bool
	for _, p := range records {
		m, err := t.board.apply(p)
		if err != nil {
			t.distrust(err)
		}
		moved = moved || m
	}
	if moved {
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

// distrust notes that a record could not be understood. It may have moved an end that the next ones leave out, so nothing
// counts as complete until it has been named in full.
func (t *Tracker) distrust(err error) {
	t.logger.Error("a progress record can't be understood: cuts wait until every stage has named its ends again", "topic", t.topic, "error", err)
	t.board.forget()
}

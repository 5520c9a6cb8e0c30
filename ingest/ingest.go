// Package ingest reads the write-ahead log of Postgres through one logical replication slot and puts every committed change
// of the published tables on Kafka, in the envelope of ingest/change.
//
// cmd/freshet builds an Ingest and calls Run. The stages of one change, each a file: reader (the replication connection),
// stream (messages to records), publisher (records to Kafka), keeper (what is durable: our own position, progress, and only
// then the slot's). A slot's first life begins with a snapshot.
//
// Guarantees. Delivery: at least once, nothing skipped; a transaction is acknowledged to Postgres only after Kafka has
// acknowledged each of its records and our own position is stored. Order: the records of one key are in one partition in
// commit order, and a batch that fails is retried in place. Idempotency: every record carries a change.Position that is the
// same on every delivery. Memory: bounded by Config.BufferBytes whatever a transaction's size. A start that can't be
// proven to continue where the last one ended is refused with the command that repairs it.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"freshet/ingest/topic"
)

// Ingest is one reader of one slot.
type Ingest struct {
	config  Config
	log     *slog.Logger
	metrics *metrics

	// resnapshot is the order to throw slot and position away, carried out once.
	resnapshot bool
	// unstreamed makes the next session read without streaming.
	unstreamed bool
	// standby keeps a wait from being logged at every attempt.
	standby bool
	// published outlives a session: a topic may vanish between two.
	published published
	// warned are the findings that were logged.
	warned map[string]bool
	// trouble says why the stream does not run, nil while it does.
	trouble atomic.Pointer[error]
}

// New checks the configuration and returns an Ingest that is ready to Run.
func New(config Config) (*Ingest, error) {
	config.setDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("ingest configuration: %w", err)
	}
	m, err := newMetrics(config.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	in := &Ingest{config: config, log: config.Logger, metrics: m, resnapshot: config.Resnapshot, warned: map[string]bool{}}
	in.setTrouble(errors.New("not started"))
	return in, nil
}

// Healthy returns nil while the stream runs, else why it does not: it starts, takes a snapshot, stands by or tries again.
func (in *Ingest) Healthy(context.Context) error {
	if err := in.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

func (in *Ingest) setTrouble(err error) {
	if err == nil {
		in.trouble.Store(nil)
		return
	}
	in.trouble.Store(&err)
}

// Run streams until the context ends, and then returns nil after what was read is durable and acknowledged. It reconnects
// after passing failures of Postgres or Kafka and waits while another process holds the slot. It returns an error only for
// what waiting can't repair; a *RefusedError says what to do.
func (in *Ingest) Run(ctx context.Context) error {
	transport := in.config.Security.Transport("freshet-ingest", time.Second)
	defer transport.CloseIdleConnections()
	client := in.config.cluster().Client(transport, requestTimeout)
	watching, stopWatching := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { in.monitor(watching) })
	defer watch.Wait()
	defer stopWatching()
	wait := minRetry
	for {
		began := time.Now()
		err := in.session(ctx, client)
		in.setTrouble(err)
		if ctx.Err() != nil {
			return nil
		}
		if isFatal(err) {
			return fmt.Errorf("ingest: %w", err)
		}
		if time.Since(began) > 30*time.Second || isBusy(err) {
			wait = minRetry // the slot's own hold on a reader that is gone ends within a moment
		}
		in.logRetry(err, wait)
		if !sleep(ctx, wait) {
			return nil
		}
		wait = min(2*wait, maxRetry)
	}
}

const (
	minRetry = 100 * time.Millisecond
	maxRetry = 5 * time.Second
	// requestTimeout bounds what is asked of a server beside the stream: a network may swallow an answer and keep the connection.
	requestTimeout = 30 * time.Second
)

func (in *Ingest) logRetry(err error, wait time.Duration) {
	if isBusy(err) {
		in.standBy(err.Error())
		return
	}
	in.standby = false
	in.log.Warn("ingest interrupted, trying again", "error", err, "wait", wait)
	in.metrics.restarts.Inc()
}

// RefusedError says that going on would lose or repeat changes silently, and what to do about it.
type RefusedError struct {
	Reason string
	Repair string
}

func (e *RefusedError) Error() string { return e.Reason + "; " + e.Repair }

// repairResnapshot is the one command that makes slot, position and topics agree again.
const repairResnapshot = "to repair: freshet ingest --resnapshot (drops the slot, takes a new one and publishes every row again)"

// busyError says that another process holds the slot or its lock.
type busyError struct{ reason string }

func (e *busyError) Error() string { return e.reason }

func isBusy(err error) bool {
	var busy *busyError
	return errors.As(err, &busy)
}

// isFatal says whether trying again can't help.
func isFatal(err error) bool {
	var refused *RefusedError
	var mismatch *topic.MismatchError
	if errors.As(err, &refused) || errors.As(err, &mismatch) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "42704", // publication does not exist
		"28P01", "28000", // password, role
		"3D000", // database
		"42501": // privilege
		return true
	}
	return false
}

// sleep waits, and says false when the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

package search

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrIndexMissing is wrapped by Write's error when an alias does not exist: the indices were deleted, or never made. To
// create one on the way would guess its mapping, so the caller stops.
var ErrIndexMissing = errors.New("the index does not exist")

// Op is one document to index.
type Op struct {
	Alias   string          // see Alias
	ID      string          // of the document
	Routing string          // the store's id in decimal
	Version int64           // external version, positive; only a higher one replaces what is there
	Body    json.RawMessage // the document
	// Overwrite also replaces a document of the same version: a rebuild mends what was damaged.
	Overwrite bool
}

// Outcome is what became of an Op.
type Outcome int

// The outcomes of an operation.
const (
	Written Outcome = iota + 1 // the document is stored
	Stale                      // the same or a later version is stored already, which is as good
	Refused                    // the document can never be stored as it is
)

// OpResult is the outcome of the Op at the same place.
type OpResult struct {
	Outcome Outcome
	Reason  error // of a refusal
}

// WriterConfig tunes a Writer; zero values take the defaults.
type WriterConfig struct {
	// MaxBytes bounds one request, default 5 MiB. Larger requests gain nothing and cost the server heap; a single document
	// that is larger goes alone.
	MaxBytes int
	// Attempts is how often in a row a request may fail without any progress before Write gives up, default 8: about half
	// a minute. The runtime then tries the whole batch again.
	Attempts int
	// Backoff is the first wait after a failure, default 100 ms; it doubles up to MaxBackoff, default 10 s, with jitter.
	Backoff    time.Duration
	MaxBackoff time.Duration
	// Timeout bounds one request, default 60 s.
	Timeout time.Duration
	// RefreshEvery is the least time between two groups of Publish to an index, default 350 ms. Less makes Elasticsearch
	// merge more, more is how much later a change is found.
	RefreshEvery time.Duration
}

func (c WriterConfig) withDefaults() WriterConfig {
	defaultTo(&c.MaxBytes, 5<<20)
	defaultTo(&c.Attempts, 8)
	defaultTo(&c.Backoff, 100*time.Millisecond)
	defaultTo(&c.MaxBackoff, 10*time.Second)
	defaultTo(&c.Timeout, time.Minute)
	defaultTo(&c.RefreshEvery, 350*time.Millisecond)
	return c
}

func defaultTo[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Counts are what a Writer has done since it was made.
type Counts struct {
	Written, Stale, Refused int64 // operations by outcome
	Retried                 int64 // operations sent again
	Requests, Bytes         int64
}

// Writer indexes documents in order, with a result for each. It is safe for concurrent use; each Write is one sequence.
type Writer struct {
	client *Client
	cfg    WriterConfig

	written, stale, refused, retried, requests, bytes atomic.Int64

	mu    sync.Mutex
	lanes map[string]*lane // by alias
}

// NewWriter returns a writer over the client.
func NewWriter(c *Client, cfg WriterConfig) *Writer {
	return &Writer{client: c, cfg: cfg.withDefaults(), lanes: map[string]*lane{}}
}

// Counts returns the counters.
func (w *Writer) Counts() Counts {
	return Counts{
		Written: w.written.Load(), Stale: w.stale.Load(), Refused: w.refused.Load(),
		Retried: w.retried.Load(), Requests: w.requests.Load(), Bytes: w.bytes.Load(),
	}
}

// Write indexes the documents and returns a result for each, at the same place. On return without an error every one is
// stored (in the server's translog, on disk), known to be older than what is stored, or refused for good. On an error some
// may be stored; to repeat the whole is harmless.
//
// What the server turns away for load is sent again in smaller requests after a wait that grows, only the operations that
// failed. Any other failure ends the write.
func (w *Writer) Write(ctx context.Context, ops []Op) ([]OpResult, error) {
	results := make([]OpResult, len(ops))
	defer func() { w.count(results) }()
	todo := make([]int, len(ops))
	for i := range ops {
		todo[i] = i
	}
	limit, failures := w.cfg.MaxBytes, 0
	var buf bytes.Buffer
	for len(todo) > 0 {
		n := encodeOps(&buf, ops, todo, results, limit)
		again, err := w.send(ctx, buf.Bytes(), ops, todo[:n], results)
		if err != nil && ctx.Err() != nil {
			return results, fmt.Errorf("bulk write: %w", context.Cause(ctx)) // whatever the server said of the last request
		}
		if err != nil && !retryable(err) {
			return results, err
		}
		if len(again) == 0 && err == nil {
			todo, failures = todo[n:], 0
			limit = min(limit*2, w.cfg.MaxBytes)
			continue
		}
		if err == nil && len(again) < n {
			failures = 0 // the server takes some: slow, but moving
		}
		if failures++; failures >= w.cfg.Attempts {
			return results, fmt.Errorf("bulk write turned away %d times: %w", failures, cmp.Or(err, errBusy))
		}
		w.retried.Add(int64(len(again)))
		todo = append(again, todo[n:]...)
		if err != nil {
			limit = min(limit, buf.Len()) // the request that failed may have been a small one
		}
		limit = max(limit/2, 1)
		if err := w.wait(ctx, failures); err != nil {
			return results, err
		}
	}
	return results, nil
}

// errBusy stands for items that were turned away inside a successful answer.
var errBusy = errors.New("the server is overloaded")

// retryable says whether a failed request is worth repeating: the server was busy or away, or the request too large.
func retryable(err error) bool {
	var status *statusError
	if errors.As(err, &status) && status.Status == http.StatusRequestEntityTooLarge {
		return true
	}
	return passing(err)
}

// wait sleeps between half and all of the backoff of the nth failure.
func (w *Writer) wait(ctx context.Context, failures int) error {
	d := min(w.cfg.Backoff<<min(failures-1, 20), w.cfg.MaxBackoff)
	d = d/2 + rand.N(d/2+1)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("bulk write: %w", context.Cause(ctx))
	}
}

func (w *Writer) count(results []OpResult) {
	for _, r := range results {
		switch r.Outcome {
		case Written:
			w.written.Add(1)
		case Stale:
			w.stale.Add(1)
		case Refused:
			w.refused.Add(1)
		}
	}
}

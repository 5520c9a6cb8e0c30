package projectors

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"freshet/ingest/change"
)

// metrics are labelled by stage, and by partition where one worker can be slow alone.
type metrics struct {
	records, batches, retries *prometheus.CounterVec
	seconds                   *prometheus.HistogramVec
	parked                    *prometheus.CounterVec
	lag                       *prometheus.GaugeVec
	watermarkLSN              *prometheus.GaugeVec
	watermarkSeconds          *prometheus.GaugeVec
	outOfRange                *prometheus.CounterVec
	running, paused           *prometheus.GaugeVec
	generations               *prometheus.CounterVec
	commitErrors              *prometheus.CounterVec
	fetchErrors               *prometheus.CounterVec
	produceRetries            *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	const ns, sub = "freshet", "projector"
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help}, labels)
	}
	m := &metrics{
		records: counter("records_total", "Records handled.", "stage", "partition"),
		batches: counter("batches_total", "Batches handled.", "stage", "partition"),
		retries: counter("retries_total", "Attempts at a batch that failed and were repeated.", "stage", "partition"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Subsystem: sub, Name: "handle_seconds", Help: "Time of one call of a handler.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"stage"}),
		parked:           counter("parked_total", "Records parked on the dead-letter topic.", "stage", "topic", "reason"),
		lag:              gauge("lag_records", "Records behind the end of the inputs.", "stage", "partition"),
		watermarkLSN:     gauge("watermark_lsn", "LSN up to which all changes are in the read model.", "stage", "partition"),
		watermarkSeconds: gauge("watermark_seconds", "Commit time of that LSN, seconds since 1970.", "stage", "partition"),
		outOfRange:       counter("offset_out_of_range_total", "ALARM: records were deleted before they were read; the stage stopped.", "stage", "topic", "partition"),
		running:          gauge("running", "1 while the stage runs, 0 once it has stopped for good.", "stage"),
		paused:           gauge("paused", "1 while operators have paused the stage.", "stage", "partition"),
		generations:      counter("generations_total", "Generations of the consumer group that this process took part in.", "stage"),
		commitErrors:     counter("commit_errors_total", "Commits of offsets that failed.", "stage"),
		fetchErrors:      counter("fetch_errors_total", "Fetches that failed and were repeated.", "stage", "partition"),
		produceRetries:   counter("produce_retries_total", "Batches that had to be produced again.", "topic"),
	}
	return m, m.register(registerer)
}

func (m *metrics) register(registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	var problems []error
	for _, c := range []prometheus.Collector{
		m.records, m.batches, m.retries, m.seconds, m.parked, m.lag, m.watermarkLSN, m.watermarkSeconds,
		m.outOfRange, m.running, m.paused, m.generations, m.commitErrors, m.fetchErrors, m.produceRetries,
	} {
		problems = append(problems, registerer.Register(c))
	}
	return errors.Join(problems...)
}

// reasonKind is the label of a reason: few values, whatever the message says.
func reasonKind(reason error) string {
	var oversize *OversizeError
	var skipped skippedError
	switch {
	case errors.As(reason, &skipped):
		return "skipped"
	case errors.Is(reason, change.ErrMalformed):
		return "malformed"
	case errors.As(reason, &oversize):
		return "oversize"
	default:
		return "rejected"
	}
}

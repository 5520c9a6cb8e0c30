package queue

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// measure makes the figures and registers them.
func (q *Queue) measure(registerer prometheus.Registerer) error {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "freshet", Subsystem: "queue", Name: name, Help: help})
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "freshet", Subsystem: "queue", Name: name, Help: help}, value)
	}
	q.settled = counter("settled_total", "Orders of the queue that this process saw placed or refused; those of before its start, which it reads again, among them.")
	q.retries = counter("retries_total", "Attempts to place an order of the queue that failed and are repeated.")
	for _, c := range []prometheus.Collector{
		q.settled, q.retries,
		gauge("waiting_orders", "Orders that wait for Postgres, or behind one that does.", func() float64 { return float64(q.depth()) }),
		gauge("oldest_seconds", "For how long the oldest of them has waited; 0 where none does.", func() float64 { return q.age(time.Now()).Seconds() }),
	} {
		if err := registerer.Register(c); err != nil {
			return fmt.Errorf("queue: register metrics: %w", err)
		}
	}
	return nil
}

func (q *Queue) depth() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.end - q.done
}

func (q *Queue) age(now time.Time) time.Duration {
	e, ok := q.oldest()
	if !ok || e.bad != nil {
		return 0
	}
	return max(0, now.Sub(e.order.Accepted))
}

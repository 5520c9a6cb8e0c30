package tree

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// stats counts what a handler did since it was made.
type stats struct{ Views, Stale, Loads, Fenced, Written, Evicted, LeftOut, Rescans int }

// metrics shows the work of all handlers of a process.
type metrics struct {
	views, stale, loads, fenced, written, evicted, leftOut, rescans prometheus.Counter
	stores, bytes                                                   *prometheus.GaugeVec
}

// newMetrics registers the metrics; registry may be nil.
func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "freshet", Subsystem: "tree", Name: name, Help: help})
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "freshet", Subsystem: "tree", Name: name, Help: help}, []string{"partition"})
	}
	m := &metrics{
		views:   counter("views_total", "Offer views taken from the topic."),
		stale:   counter("stale_views_total", "Offer views of which a newer one was taken before."),
		loads:   counter("store_loads_total", "Stores loaded from MongoDB."),
		fenced:  counter("fenced_stores_total", "Stores that another worker had taken over."),
		written: counter("pages_written_total", "Home and category pages written, tombstones included."),
		evicted: counter("evicted_stores_total", "Stores dropped from memory for the budget."),
		leftOut: counter("left_out_total", "ALARM unless 0: cards, facets, children and sections that are too large for a page by themselves, and left out."),
		rescans: counter("rescans_total", "Looks through all members of a category, since too many of its best had left."),
		stores:  gauge("stores", "Stores in memory."),
		bytes:   gauge("bytes", "Estimated size of the stores in memory."),
	}
	if registry != nil {
		registry.MustRegister(m.views, m.stale, m.loads, m.fenced, m.written, m.evicted, m.leftOut, m.rescans, m.stores, m.bytes)
	}
	return m
}

// show adds what happened since the last time.
func (h *Handler) show() {
	m, now, then := h.metrics, h.stats, h.shown
	m.views.Add(float64(now.Views - then.Views))
	m.stale.Add(float64(now.Stale - then.Stale))
	m.loads.Add(float64(now.Loads - then.Loads))
	m.fenced.Add(float64(now.Fenced - then.Fenced))
	m.written.Add(float64(now.Written - then.Written))
	m.evicted.Add(float64(now.Evicted - then.Evicted))
	m.leftOut.Add(float64(now.LeftOut - then.LeftOut))
	m.rescans.Add(float64(now.Rescans - then.Rescans))
	partition := strconv.Itoa(h.partition)
	m.stores.WithLabelValues(partition).Set(float64(len(h.states)))
	m.bytes.WithLabelValues(partition).Set(float64(h.bytes()))
	h.shown = now
}

package notify

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// retried is the outcome of an attempt after which the notification is due again; the others are the states that end one.
const retried = "retried"

// Metrics count what came of the attempts of all Senders of a process, and say what waits.
type Metrics struct {
	attempts        *prometheus.CounterVec
	waiting, oldest prometheus.Gauge
}

// NewMetrics returns them registered.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_notify_waiting", Help: "Notifications that are due or will be tried again; 0 in processes that don't send."}),
		oldest:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "freshet_notify_oldest_seconds", Help: "Time since what the oldest of them tells was committed; 0 where none waits."}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_notify_attempts_total", Help: "Attempts to tell somebody, by what came of them: sent, retried, failed, skipped.",
		}, []string{"channel", "outcome"}),
	}
	for _, c := range []prometheus.Collector{m.attempts, m.waiting, m.oldest} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("notify: register metrics: %w", err)
		}
	}
	return m, nil
}

// count counts an attempt by what was noted of it.
func (m *Metrics) count(n *Notification) {
	outcome := string(n.State)
	if n.State == Due {
		outcome = retried
	}
	m.attempts.WithLabelValues(n.Channel, outcome).Inc()
}

// look sets what waits.
func (s *Sender) look(ctx context.Context) error {
	n, first, err := s.documents.Waiting(ctx, "due", "event.at")
	if err != nil {
		return err
	}
	age := 0.0
	if first != nil {
		age = max(0, s.now().Sub(first.Event.At).Seconds())
	}
	s.metrics.set(n, age)
	return nil
}

func (m *Metrics) set(waiting int64, oldest float64) {
	m.waiting.Set(float64(waiting))
	m.oldest.Set(oldest)
}

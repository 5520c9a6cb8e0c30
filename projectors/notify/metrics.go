package notify

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// retried is the outcome of an attempt after which the notification is due again; the others are the states that end one.
const retried = "retried"

// Metrics count what came of the attempts of all Senders of a process.
type Metrics struct{ attempts *prometheus.CounterVec }

// NewMetrics returns them registered.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "freshet_notify_attempts_total", Help: "Attempts to tell somebody, by what came of them: sent, retried, failed, skipped.",
	}, []string{"channel", "outcome"})}
	if err := registerer.Register(m.attempts); err != nil {
		return nil, fmt.Errorf("notify: register metrics: %w", err)
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

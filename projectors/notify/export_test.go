package notify

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// SendDue is a single step of Run, so that a test decides when it happens.
func (s *Sender) SendDue(ctx context.Context) (int, error) { return s.sendDue(ctx) }

// At sets the projector's clock.
func (p *Projector) At(now time.Time) { p.now = func() time.Time { return now } }

// Load reads a notification.
func (p *Projector) Load(ctx context.Context, id string) (*Notification, error) {
	docs, err := p.documents.Load(ctx, []string{id})
	return docs[id], err
}

// Attempts is how many attempts by a channel came to an outcome.
func (s *Sender) Attempts(channel, outcome string) float64 {
	return testutil.ToFloat64(s.metrics.attempts.WithLabelValues(channel, outcome))
}

// Look sets the metrics of what waits and returns them.
func (s *Sender) Look(ctx context.Context) (waiting, oldest float64, err error) {
	err = s.look(ctx)
	return testutil.ToFloat64(s.metrics.waiting), testutil.ToFloat64(s.metrics.oldest), err
}

// Render is render.
func Render(e Event, to Recipient) (subject, body string, err error) { return render(e, to) }

package notify

import (
	"context"
	"time"
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

// Render is render.
func Render(e Event, to Recipient) (subject, body string, err error) { return render(e, to) }

package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"freshet/api/write/payment"
)

// delivery is something that is still to happen: an event to be sent, or a late task to be carried out.
type delivery struct {
	at    time.Time
	kind  payment.Kind // "" for an event
	task  payment.Task
	event payment.Event
}

// again is how long an event that the shop didn't take waits for its next try.
const again = time.Second

func (s *Sandbox) enqueue(d delivery) {
	s.queue = append(s.queue, d)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Sandbox) announce(event payment.Event, p *Payment) {
	s.events++
	event.ID = fmt.Sprintf("evt_%d_%s", s.events, event.Reference)
	times := 1
	if p.is("twice") {
		times = 2
	}
	for range times {
		s.enqueue(delivery{at: time.Now(), event: event})
	}
}

// Run carries out what is late and sends events, those that the shop didn't take again and again, until ctx ends.
func (s *Sandbox) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		s.Deliver(ctx, time.Now())
		timer.Reset(again)
	}
}

// Deliver does everything that is due at a moment, and what follows from it, and returns how many events the shop took.
func (s *Sandbox) Deliver(ctx context.Context, moment time.Time) (taken int) {
	for _, d := range s.due(moment) {
		if d.kind != "" {
			s.mu.Lock()
			s.carryOut(d.kind, d.task, s.payments[d.task.Reference])
			s.mu.Unlock()
			taken += s.Deliver(ctx, moment)
			continue
		}
		if s.send(ctx, d.event) {
			taken++
			continue
		}
		s.mu.Lock()
		d.at = time.Now().Add(again)
		s.queue = append(s.queue, d)
		s.mu.Unlock()
	}
	return taken
}

func (s *Sandbox) due(moment time.Time) (now []delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var later []delivery
	for _, d := range s.queue {
		if d.at.After(moment) {
			later = append(later, d)
		} else {
			now = append(now, d)
		}
	}
	s.queue = later
	return now
}

// send says whether the shop took the event; one that it refuses for good is not sent again either.
func (s *Sandbox) send(ctx context.Context, event payment.Event) bool {
	body, err := json.Marshal(event)
	if err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.Webhook, bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(payment.HeaderSignature, payment.Sign(s.cfg.Secret, body))
	resp, err := s.cfg.Client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // only the status matters
	return resp.StatusCode < http.StatusInternalServerError && resp.StatusCode != http.StatusTooManyRequests
}
